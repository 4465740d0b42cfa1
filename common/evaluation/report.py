"""An evaluation for people and for programs: tables on the terminal, `evaluation.json` and one page of HTML."""

import base64
import io
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from common.files import folder_for_results, replacing, write_json, write_text
from common.processes import rank, wait
from common.training.runs import SETTINGS
from common.weights_folders import find_weights

Better = Literal["lower", "higher", "as real"]

FILES = ("evaluation.json", "report.html")  # of every evaluation
CLASS_COLUMNS = ("class", "asked for", "recognised", "right", "real", "real recognised")  # as in ClassCount


@dataclass(frozen=True)
class Metric:
    """One line of a table: a figure of samples beside that of real data.

    Attributes:
        value, reference: in the table's two columns; None where it cannot be had.
        better: than another model's would be a lower value, a higher one, or one nearer to the reference.
        n: how many samples it rests on, in each column.
        errors: standard errors of value and reference, where they are known.
    """

    name: str
    value: float | None
    reference: float | None
    better: Better
    n: int
    errors: tuple[float, float] | None = None


@dataclass(frozen=True)
class ClassCount:
    """One class in the samples and in the held-out data; a judge says which class one is of."""

    name: str
    asked_for: int | None  # samples that were asked to be of it; None if the model takes no labels
    recognised: int  # samples that the judge takes for it
    right: int | None  # samples of both kinds
    real: int  # held out of it
    real_recognised: int  # held out that the judge takes for it


@dataclass(frozen=True)
class Table:
    """Figures under a title; `columns` say what a figure's value and its reference are."""

    title: str
    columns: tuple[str, str]
    figures: Sequence[Metric]

    @property
    def header(self) -> list[str]:
        return ["figure", *self.columns, "better", "N"]

    @property
    def cells(self) -> list[list[str]]:
        """One row a figure, as text."""
        return [_cells(figure) for figure in self.figures]


@dataclass(frozen=True)
class Evaluation:
    """All that an evaluation found: facts, protocol, tables.

    Attributes:
        facts: weights, data, N, seed, extractor and so on, as JSON.
        protocol: how it was measured, in a sentence or two.
        tables: of figures.
        classes: one entry a class; [] for data without labels.
    """

    facts: dict[str, Any]
    protocol: str
    tables: Sequence[Table]
    classes: Sequence[ClassCount] = field(default_factory=list)

    @property
    def class_cells(self) -> list[list[str]]:
        """The table of classes, as text."""
        return [[_cell(value) for value in asdict(count).values()] for count in self.classes]


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The whole evaluation as JSON: facts, protocol, figures by table, and classes."""
    tables = {
        table.title: [
            {"figure": f.name, table.columns[0]: f.value, table.columns[1]: f.reference, "better": f.better, "n": f.n}
            | (
                {}
                if f.errors is None
                else {f"{name} error": e for name, e in zip(table.columns, f.errors, strict=True)}
            )
            for f in table.figures
        ]
        for table in evaluation.tables
    }
    classes = [asdict(count) for count in evaluation.classes]
    return evaluation.facts | {"protocol": evaluation.protocol, "tables": tables, "classes": classes}


def results_folder(out: Path | None, weights: str, domain: str) -> Path:
    """`out`, or a folder in the run that is measured, or one named after the weights.

    Raises:
        UserError: there are no such weights.
    """
    folder = find_weights(weights, domain)
    is_run = (folder / SETTINGS).is_file()
    return out or (folder / "evaluation" if is_run else Path("runs") / f"evaluation-{folder.resolve().name}")


class Settings(Protocol):
    """The settings that every command that evaluates has."""

    @property
    def out(self) -> Path | None: ...
    @property
    def weights(self) -> str: ...


S = TypeVar("S", bound=Settings)


def carry_out(evaluate: Callable[[S, Path], Evaluation], config: S, domain: str, pictures: Sequence[str] = ()) -> None:
    """Evaluate into a folder, print protocol and tables, and say which files there are.

    Of several processes, which all find the same, the first alone writes and prints.

    Args:
        evaluate: by the settings, into that folder.
        pictures: names of the files it writes besides evaluation.json and report.html.
    """
    out = results_folder(config.out, config.weights, domain)
    with folder_for_results(out):
        evaluation = evaluate(config, out)
        wait()
    if rank() > 0:
        return
    width = shutil.get_terminal_size().columns  # rich would print nothing where COLUMNS is 0
    print_tables(evaluation, Console(markup=False, highlight=False, emoji=False, width=width))
    *others, last = (str(out / name) for name in (*FILES, *pictures))
    print(f"wrote {', '.join(others)} and {last}")


def print_tables(evaluation: Evaluation, console: Console) -> None:
    """Print protocol and tables."""
    for table in evaluation.tables:
        _print(console, table.title, table.header, table.cells)
    if evaluation.classes:
        _print(console, "Classes", CLASS_COLUMNS, evaluation.class_cells)
    console.print(evaluation.protocol)


def write_report(
    evaluation: Evaluation,
    out: Path,
    title: str,
    pictures: Sequence[tuple[str, Image.Image]] = (),
    passages: Sequence[tuple[str, str]] = (),
    sounds: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write evaluation.json and report.html, whose arguments are those of `as_html`; the first process does."""
    if rank() > 0:
        return
    write_json(out / "evaluation.json", as_json(evaluation))
    with replacing(out / "report.html") as temporary:
        write_text(temporary, as_html(evaluation, title, pictures, passages, sounds))


def as_html(
    evaluation: Evaluation,
    title: str,
    pictures: Sequence[tuple[str, Image.Image]] = (),
    passages: Sequence[tuple[str, str]] = (),
    sounds: Sequence[tuple[str, bytes]] = (),
) -> str:
    """One self-contained page: title, protocol, tables, and under their captions pictures, passages of text and sounds.

    Args:
        sounds: WAV files, which get a player each.
    """
    tables = [_html_table(table.title, table.header, table.cells) for table in evaluation.tables]
    if evaluation.classes:
        tables.append(_html_table("Classes", CLASS_COLUMNS, evaluation.class_cells))
    figures = [_html_figure(escape(caption), image) for caption, image in pictures]
    figures += [f"<h2>{escape(caption)}</h2>\n<pre>{escape(text)}</pre>" for caption, text in passages]
    figures += [_html_player(escape(caption), content) for caption, content in sounds]
    facts = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in evaluation.facts.items())
    return PAGE.format(
        title=escape(title),
        protocol=escape(evaluation.protocol),
        tables="\n".join(tables),
        figures="\n".join(figures),
        facts=facts,
    )


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1.5rem 0; }}
caption {{ text-align: left; font-weight: 600; padding: .3rem 0; }}
th, td {{ padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd; text-align: right; }}
td {{ font-variant-numeric: tabular-nums; }}
th:first-child, td:first-child {{ text-align: left; }}
figure {{ margin: 2rem 0; overflow-x: auto; }}
figcaption {{ font-weight: 600; margin-bottom: .5rem; }}
pre {{ font: inherit; white-space: pre-wrap; }}
img {{ max-width: 100%; height: auto; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }}
dt {{ font-weight: 600; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
</style>
<h1>{title}</h1>
<p>{protocol}</p>
{tables}
{figures}
<h2>Facts</h2>
<dl>{facts}</dl>
</html>
"""


def _cells(figure: Metric) -> list[str]:
    errors = figure.errors or (None, None)
    values = [_number(*pair) for pair in zip((figure.value, figure.reference), errors, strict=True)]
    return [figure.name, *values, figure.better, f"{figure.n:,}"]


def _cell(value: str | int | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else value


def _number(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    if not error:
        return f"{value:.4g}"
    decimals = max(0, -math.floor(math.log10(error)))  # as many as the error makes sense of
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def _print(console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _html_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption>\n<tr>{head}</tr>\n{body}\n</table>"


def _html_figure(caption: str, image: Image.Image) -> str:
    return f'<figure><figcaption>{caption}</figcaption><img alt="{caption}" src="{_data_url(image)}"></figure>'


def _html_player(caption: str, content: bytes) -> str:
    source = f"data:audio/wav;base64,{base64.b64encode(content).decode()}"
    return f'<figure><figcaption>{caption}</figcaption><audio controls preload="none" src="{source}"></audio></figure>'


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
