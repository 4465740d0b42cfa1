"""What is to be seen of a training: the list of runs, and one of them with its figures and samples."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from common.training.forecast import time_between
from studio.places import terminal
from studio.runs import (
    best_figure,
    curve,
    figures,
    has_weights,
    last_row,
    last_warning,
    newest_sheet,
    row,
    rows,
    seconds_left,
    stamp,
)
from studio.shop import Shop
from studio.training import Trainings

HEADINGS = ("run", "domain", "state", "examples", "best")
WIDTHS = ("140px", "140px", "80px", "90px", "220px")  # beyond those of a phone the list scrolls
PLAYERS = ("critic", "generator")  # whose losses are shown to begin with
REPORT = Path("evaluation", "report.html")
AXES = {"examples": "quantitative", "figure": "nominal", "value": "quantitative"}


@dataclass(frozen=True)
class Watch:
    """The list of runs and what is to be seen of one.

    Attributes:
        seen: what the page shows already, so that only what has changed is sent.
    """

    shop: Shop
    trainings: Trainings
    table: gr.Dataframe
    run: gr.Dropdown
    told: gr.Markdown
    warning: gr.Textbox
    more: gr.Number
    stop: gr.Button
    go_on: gr.Button
    use: gr.Button
    report: gr.DownloadButton
    of_losses: gr.Dropdown
    losses: gr.LinePlot
    of_looks: gr.Dropdown
    looks: gr.LinePlot
    caption: gr.Markdown
    picture: gr.Image
    texts: gr.Textbox
    said: gr.Textbox
    command: gr.Code
    seen: gr.State

    @property
    def given(self) -> list[Component]:
        """What `show` takes, and `refresh` with what is seen."""
        return [self.run, self.of_losses, self.of_looks]

    @property
    def all(self) -> list[Component]:
        """What `refresh` changes."""
        shown = [self.table, self.run, self.told, self.warning, self.stop, self.go_on, self.use, self.report]
        curves = [self.of_losses, self.losses, self.of_looks, self.looks]
        return [*shown, *curves, self.caption, self.picture, self.texts, self.said, self.command, self.seen]

    def first(self) -> Any:
        """The run that is watched when the page opens: one that is running, or the newest."""
        names = self.trainings.names()
        return gr.update(choices=names, value=next(filter(self.trainings.runs, names), names[0] if names else None))

    def chosen(self, event: gr.SelectData) -> str:
        """The run whose line of the list was pressed."""
        return str(event.row_value[0])

    def start(self, *given: Any) -> list[Any]:
        """Begin a training and watch it."""
        return self._begun(*self.trainings.start(*given))

    def resume(self, name: str, minutes: float | None) -> list[Any]:
        """Go on with the run that is watched."""
        return self._begun(*self.trainings.go_on(name, minutes or 0))

    def show(
        self, name: str | None, of_losses: list[str], of_looks: list[str], request: gr.Request
    ) -> dict[Component, Any]:
        """All that is to be seen."""
        return self.refresh(name, of_losses, of_looks, {}, request)

    def refresh(
        self,
        name: str | None,
        of_losses: list[str],
        of_looks: list[str],
        seen: dict[str, Any],
        request: gr.Request,
    ) -> dict[Component, Any]:
        """What has changed since it was last looked at."""
        names = self.trainings.names()
        now: dict[str, Any] = {"names": names, "table": [row(one, self.shop.runs / one) for one in names]}
        changed: dict[Component, Any] = {}
        if now["table"] != seen.get("table"):
            changed[self.table] = now["table"]
        if names != seen.get("names"):
            changed[self.run] = gr.update(choices=names)
        if name in names:
            folder = self.shop.runs / name
            now["stamp"] = stamp(folder)
            changed |= self._state(name, folder)
            if now["stamp"] != seen.get("stamp"):
                changed |= self._curves(folder, of_losses, of_looks) | self._samples(folder)
                changed |= self._report(name, folder, request.session_hash or "")
        return changed | {self.seen: now}

    def _begun(self, name: str, line: str) -> list[Any]:
        return [gr.update(choices=self.trainings.names(), value=name), _code(line)]

    def _state(self, name: str, folder: Path) -> dict[Component, Any]:
        said, state = self.trainings.said(name), self._now(name)
        return {
            self.told: self._summary(name, folder, state),
            self.stop: gr.update(interactive=state in ("running", "reads its data")),
            self.go_on: gr.update(interactive=state == "not running"),
            self.use: gr.update(interactive=has_weights(folder)),
            self.said: gr.update(value=said, visible=bool(said)),
            self.command: _code(self.trainings.command(name)),
        }

    def _now(self, name: str) -> str:
        if self.trainings.runs(name):
            return "saves, and ends" if self.trainings.ends(name) else "running"
        return "reads its data" if self.trainings.prepares(name) else "not running"

    def _summary(self, name: str, folder: Path, state: str) -> str:
        seen, best, failure = last_row(folder).get("images", 0), best_figure(folder), self.trainings.failure(name)
        left = seconds_left(folder) if state == "running" else None
        parts = [f"**{name}**: {state}", f"{seen:,} examples seen", best and f"best so far: {best}"]
        parts += [f"{time_between(left, left)} left" if left is not None else "", failure and f"it ended: {failure}"]
        return "; ".join(filter(None, parts))

    def _curves(self, folder: Path, of_losses: list[str], of_looks: list[str]) -> dict[Component, Any]:
        lines = rows(folder)
        warning, changed = last_warning(lines), dict[Component, Any]()
        of_both = ((self.of_losses, self.losses, of_losses, False), (self.of_looks, self.looks, of_looks, True))
        for place, plot, wanted, is_look in of_both:
            known = figures(lines, is_look)
            usual = [one for one in known if one in PLAYERS] or known[:1]
            drawn = [one for one in wanted if one in known] or usual
            points = curve(lines, drawn)
            drawing = {"columns": list(AXES), "data": points, "datatypes": AXES, "mark": "line"}
            changed[place] = gr.update(choices=known, value=drawn, visible=bool(known))
            changed[plot] = gr.update(value=drawing, visible=len(points) > len(drawn))  # one point makes no line
        return changed | {self.warning: gr.update(value=warning, visible=bool(warning))}

    def _samples(self, folder: Path) -> dict[Component, Any]:
        sheet = newest_sheet(folder)
        is_text = sheet is not None and sheet.suffix == ".txt"
        caption = f"Newest samples, after {int(sheet.stem):,} examples:" if sheet else ""
        picture = None if sheet is None or is_text else Image.open(sheet).convert("RGB")
        texts = sheet.read_text(encoding="utf-8") if sheet and is_text else ""
        return {
            self.caption: caption,
            self.picture: gr.update(value=picture, visible=picture is not None),
            self.texts: gr.update(value=texts, visible=is_text),
        }

    def _report(self, name: str, folder: Path, visitor: str) -> dict[Component, Any]:
        """A copy to download, because what the page shows lies in folders of its own."""
        if not (folder / REPORT).is_file():
            return {self.report: gr.update(visible=False)}
        target = self.shop.new_folder(visitor) / f"{name.replace('/', '-')}-report.html"
        return {self.report: gr.update(value=str(shutil.copy(folder / REPORT, target)), visible=True)}


def lay_out_watch(shop: Shop, trainings: Trainings) -> Watch:
    """Lay out the list of runs, and what is to be seen of one and done with it."""
    table = gr.Dataframe(
        headers=list(HEADINGS), column_widths=list(WIDTHS), interactive=False, max_height=320, label="Runs", wrap=True
    )
    # Custom values, because runs come and go without this page, and what is gone must be no error at every look.
    run = gr.Dropdown([], label="Run to watch", info="Also by its line in the list", allow_custom_value=True)
    told = gr.Markdown()
    warning = gr.Textbox(label="Warning", visible=False, interactive=False)
    with gr.Row():
        stop = gr.Button("Stop", interactive=False)
        use = gr.Button("Use these weights", interactive=False)
        report = gr.DownloadButton("Evaluation report", visible=False)
    with gr.Row():
        more = gr.Number(10, label="Minutes more", minimum=0)
        go_on = gr.Button("Go on", interactive=False)
    caption = gr.Markdown()  # not as a label, which would cover the first row
    picture = gr.Image(
        show_label=False,
        format="png",
        height=480,
        interactive=False,
        buttons=["download", "fullscreen"],
        visible=False,
    )
    texts = gr.Textbox(show_label=False, lines=8, interactive=False, visible=False)
    with gr.Row():
        with gr.Column():
            of_losses, losses = _plot("Losses")
        with gr.Column():
            of_looks, looks = _plot("Quality")
    said = gr.Textbox(label="What it says", lines=4, interactive=False, visible=False)
    return Watch(
        shop,
        trainings,
        table,
        run,
        told,
        warning,
        more,
        stop,
        go_on,
        use,
        report,
        of_losses,
        losses,
        of_looks,
        looks,
        caption,
        picture,
        texts,
        said,
        command=terminal(),
        seen=gr.State({}),
    )


def _plot(label: str) -> tuple[gr.Dropdown, gr.LinePlot]:
    names = gr.Dropdown(
        [], multiselect=True, label=label, info="Figures that are drawn", visible=False, allow_custom_value=True
    )
    return names, gr.LinePlot(x="examples", y="value", color="figure", height=240, show_label=False, visible=False)


def _code(line: str) -> Any:
    return gr.update(value=line, visible=bool(line))
