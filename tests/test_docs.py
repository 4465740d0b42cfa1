"""What the documentation promises: a reference up to date, commands that parse, Python that runs, links that lead."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.cli import parse

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
CARDS = sorted(ROOT.glob("*/weights/*/README.md"))
RUN = [ROOT / "README.md", *sorted(DOCS.glob("tutorials/*.md"))]  # whose Python blocks are run
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")


def load_reference() -> object:
    """The script docs/reference.py as a module."""
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = load_reference()


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a page that are of a language."""
    found = FENCE.findall(path.read_text(encoding="utf-8"))
    return [content for kind, content in found if kind == language]


def shown_commands(path: Path) -> Iterator[list[str]]:
    """The words of each command of this project that a page shows, in a block or in a line, from its module on."""
    text = path.read_text(encoding="utf-8")
    lines = [line for block in blocks(path, "sh") for line in block.replace("\\\n", " ").splitlines()]
    lines += [span for span in SPAN.findall(FENCE.sub("", text)) if len(span.split()) > 3]  # shorter ones are names
    known = set(REFERENCE.command_names()) | {"text.data.build_styles"}
    for line in lines:
        words = shlex.split(line, comments=True) if " -m " in line else []
        for place in range(1, len(words)):
            if words[place - 1] == "-m" and words[place] in known:
                yield words[place:]


@pytest.mark.parametrize("name", REFERENCE.PAGES)
def test_the_reference_is_what_the_program_says(name: str) -> None:
    written = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert written == REFERENCE.PAGES[name](), "stale; run python docs/reference.py"


def test_there_are_commands_to_look_at() -> None:
    shown = [words[0] for path in PAGES for words in shown_commands(path)]
    assert len(shown) > 100
    assert set(REFERENCE.command_names()) <= set(shown)


@pytest.mark.parametrize("path", [*PAGES, *CARDS], ids=name_of)
def test_commands_that_are_shown_can_be_given(path: Path) -> None:
    for name, *arguments in shown_commands(path):
        parse(REFERENCE.main_of(name), name, [word for word in arguments if word != "--help"])


@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in an empty folder in which docs/ lies, and each leaves a new file there."""
    (tmp_path / "docs").symlink_to(DOCS)
    monkeypatch.chdir(tmp_path)
    found = blocks(path, "python")
    assert found
    for block in found:
        before = set(tmp_path.iterdir())
        exec(compile(block, name_of(path), "exec"), {"__name__": "__main__"})
        assert set(tmp_path.iterdir()) > before, f"this saves nothing:\n{block}"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_to_files(path: Path) -> None:
    """mkdocs looks at those of pages too, but neither at the README nor at players of sound."""
    targets = [link or source for link, source in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8")))]
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if target and not (path.parent / target).exists()] == []
