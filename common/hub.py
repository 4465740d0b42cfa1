"""`python -m common.hub`: publish a run or a weights folder on the Hugging Face Hub."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from common.cli import run
from common.config import Checked, require
from common.errors import UserError
from common.inputs import FileName
from common.weights_folders import CARD, CONFIG, MODEL, read_config

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

PROGRAM = "common.hub"
LIBRARY = "quartet"
TASKS = {  # the Hub's names of what weights do, by domain and kind; others have none
    ("image", "gan"): "unconditional-image-generation",
    ("image", "vae"): "unconditional-image-generation",
    ("image", "words"): "text-to-image",
    ("image", "translator"): "image-to-image",
    ("text", "writer"): "text-generation",
    ("superres", "generator"): "image-to-image",
}
USES = {  # how weights are loaded, by domain and kind
    ("image", "gan"): "image.generate --weights {name} --out samples.png",
    ("image", "vae"): "image.generate --weights {name} --out samples.png",
    ("image", "words"): 'image.generate --weights {name} --text "red heart" --out drawn.png',
    ("image", "translator"): "image.translate photo.jpg --weights {name}",
    ("image", "classifier"): "image.evaluate --weights RUN --classifier {name}",
    ("image", "scorer"): "image.evaluate --weights RUN --scorer {name}",
    ("music", "composer"): "music.generate --weights {name} --out song.mid",
    ("text", "writer"): "text.generate --weights {name}",
    ("superres", "generator"): "superres.upscale photo.jpg --weights {name}",
}


@dataclass(frozen=True, kw_only=True)
class HubConfig(Checked):
    """Settings of `python -m common.hub`."""

    action: Positional[Annotated[Literal["push"], arg(metavar="ACTION")]]  # push: upload
    folder: Positional[Annotated[Path, FileName(), arg(metavar="RUN")]]  # a run, or a weights folder
    name: Positional[Annotated[str, arg(metavar="NAME")]]  # owner/name of the model on the Hub; made if it is not there
    licence: str = "other"  # as the Hub names it, such as mit or cc-by-4.0; other: see the card
    private: bool = False  # make a new model visible to its owner alone
    dry_run: bool = False  # show what would go, and send nothing

    def __post_init__(self) -> None:
        super().__post_init__()
        is_name = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", self.name, re.ASCII)
        if is_name is None:
            raise UserError(f"{self.name} is no name on the Hub; give OWNER/NAME, such as ada/garden")
        is_id = re.fullmatch(r"[a-z0-9.-]+", self.licence) is not None
        require(is_id, "licence", f"{self.licence} is no id of the Hub; give one such as mit, or other")

    def check_inputs(self) -> None:
        super().check_inputs()
        missing = [name for name in (CONFIG, MODEL, CARD) if not (self.folder / name).is_file()]
        if missing:
            raise UserError(f"{self.folder} has no {' and no '.join(missing)}; name a run or a weights folder")


def main(config: HubConfig) -> None:
    """Publish a run or a weights folder: weights, samples, the last evaluation, and the card with the Hub's metadata.

    Checkpoints, logs and data stay here. Log in before by `hf auth login`. The card tells the licence, tags and the
    figures of the evaluation, and how to load the weights.
    """
    card, files = card_of(config), files_of(config.folder)
    if not config.dry_run:
        print(f"wrote {upload(config, card, files)}: {1 + len(files)} files")
        return
    print(f"{config.name} would get:")
    for name, size in ((CARD, len(card.encode())), *((name, path.stat().st_size) for name, path in files.items())):
        print(f"  {name}: {size:,} bytes")
    print(f"\n{card}")


def files_of(folder: Path) -> dict[str, Path]:
    """What goes beside the card, by its name on the Hub: weights, the newest samples and the evaluation's files."""
    samples = sorted(path for path in (folder / "samples").glob("*") if path.is_file())
    newest = {path.suffix: path for path in samples}.values()
    found = [folder / CONFIG, folder / MODEL, *sorted(folder.glob("*.model")), *newest]
    found += [path for path in sorted((folder / "evaluation").glob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in found}


def card_of(config: HubConfig) -> str:
    """The card with the Hub's metadata before it, and with how to load the weights behind it.

    Raises:
        UserError: the weights or the evaluation cannot be read.
    """
    kind = kind_of(read_config(config.folder))
    text = re.sub(r"\A---\n.*?\n---\n+", "", (config.folder / CARD).read_text(encoding="utf-8"), flags=re.DOTALL)
    shown = [name for name in files_of(config.folder) if name.startswith("samples/") and name.endswith(".png")]
    pictures = "".join(f"\n![Samples of the run]({name})\n" for name in shown)
    use = USES[kind].format(name=config.name) if kind in USES else ""
    how = f"\n## Load it\n\nBy Quartet, which fetches it once:\n\n```sh\npython -m {use}\n```\n" if use else ""
    return f"---\n{metadata(config, kind).to_yaml()}\n---\n\n{text.rstrip()}\n{pictures}{how}"


def kind_of(weights: dict[str, Any]) -> tuple[str, str]:
    """Domain and kind by a `config.json`; of weights that draw descriptions the kind is "words"."""
    is_drawn = weights.get("domain") == "image" and "words" in weights and weights.get("kind") == "gan"
    return str(weights.get("domain")), "words" if is_drawn else str(weights.get("kind"))


def metadata(config: HubConfig, kind: tuple[str, str]) -> "ModelCardData":
    """What the Hub reads at the beginning of a card: licence, tags, task and, where it was measured, figures."""
    from huggingface_hub import ModelCardData  # slow to import

    task = TASKS.get(kind)
    return ModelCardData(
        license=config.licence,
        library_name=LIBRARY,
        tags=[*dict.fromkeys([LIBRARY, *kind])],
        pipeline_tag=task,
        model_name=config.name.partition("/")[2],
        eval_results=figures(config.folder / "evaluation" / "evaluation.json", task or kind[1]) or None,
    )


def figures(path: Path, task: str) -> "list[EvalResult]":
    """The figures of an evaluation as the Hub's model index has them; [] if there is none.

    Raises:
        UserError: the file is none of an evaluation.
    """
    from huggingface_hub import EvalResult  # slow to import

    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lines = [(title, line) for title, table in found["tables"].items() for line in table]
        return [
            EvalResult(
                task_type=task,
                dataset_type=str(found["data"]),
                dataset_name=str(found["data"]),
                dataset_split="test",
                metric_type=line["figure"],
                metric_name=f"{title}: {line['figure']} (N = {line['n']:,})",
                metric_value=value,
            )
            for title, line in lines
            if (value := next(value for name, value in line.items() if name != "figure")) is not None
        ]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is none of an evaluation ({error}); measure the run anew, or remove it") from error


def upload(config: HubConfig, card: str, files: dict[str, Path]) -> str:
    """Make the model if need be, send all files as one commit, and return its address.

    Raises:
        UserError: the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi  # slow to import

    contents: dict[str, str | bytes] = {CARD: card.encode(), **{name: str(path) for name, path in files.items()}}
    api = HfApi()
    try:
        address = api.create_repo(config.name, private=config.private, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
        api.create_commit(config.name, operations, commit_message="Upload weights, card and samples")
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "huggingface_hub")):
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"{config.name}: the Hub says: {reason}; `hf auth login` logs in") from error
        raise  # a fault of the program itself
    return str(address)


if __name__ == "__main__":
    run(main, PROGRAM)
