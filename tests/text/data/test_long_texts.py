"""The longer corpus: sentences of what Debian has, without lists and code, and nothing twice."""

import gzip
import json
from pathlib import Path

import pytest

from common.errors import UserError
from text.data.build_styles import StylesConfig, main
from text.data.long_texts import MAX_CHARACTERS, fitting, long_texts, prose
from text.data.sources import Entry, read_corpus

STANZA = "The rose is red,\nthe violet blue,\nthe lily white,\nand so are you."
PACKAGES = """Package: cowsay
Section: games

Package: cowsay-off
Source: cowsay (1.2)
"""
TRANSLATION = """Package: cowsay-off
Description-md5: 1
Description-en: talking cow (offensive)
 Turns text into cows. Several are
 available.
 .
 These cows may offend. Please keep away.
 .
  * a list

Package: cowsay
Description-md5: 0
Description-en: talking cow
 Turns text into cows. Several are
 available.

"""
DICTIONARIES = {
    "devil": ("COW, n.  A beast. It moos.\n\n    A verse\n    of it.\n", "\tA\tBA"),
    "jargon": ("cow\n /kow/, n.\n\n    [from the farm] A {beast}. It\n    moos.\n\n", "\tA\tBA"),
    "foldoc": ("cow%%%cattle\n\n   <farm> A {beast} of code. It moos.\n\n   (1999-11-23)\n\n", "\tA\tBC"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a little of everything."""
    poem = {"author": "Ann", "text": f"{STANZA}\n\n{STANZA.upper()}"}, {"author": "Bo", "text": f"{STANZA}\n\nA b\nc."}
    _pack(tmp_path / "poems.jsonl.gz", "".join(json.dumps(each) + "\n" for each in poem))
    _pack(tmp_path / "packages.gz", PACKAGES)
    _pack(tmp_path / "translation-en.gz", TRANSLATION)
    for name, (text, place) in DICTIONARIES.items():
        _pack(tmp_path / f"{name}.dict.dz", text)
        (tmp_path / f"{name}.index").write_text(f"00-database-short\tA\tC\ncow{place}\n", encoding="utf-8")
    (tmp_path / "fortunes").mkdir()
    (tmp_path / "fortunes" / "cows").write_text(
        "A cow is a cow. So am I.\n\t\t-- Ann (farmer)\n%\nMoo.\n%\n", encoding="utf-8"
    )
    (tmp_path / "fortunes" / "cows.dat").write_bytes(b"\0\xff")
    return tmp_path


def _pack(path: Path, text: str) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)


def test_the_longer_corpus_has_whole_texts_with_style_and_source(folder: Path) -> None:
    main(StylesConfig(data=folder, long=True, out=folder / "out.jsonl.gz"))
    assert read_corpus(str(folder / "out.jsonl.gz")).entries == [
        Entry(f"{STANZA}\n\nA b\nc.", "poem", "Bo"),
        Entry(STANZA, "stanza", "Ann"),
        Entry("Turns text into cows. Several are available.", "product", "cowsay"),
        Entry("These cows may offend. Please keep away.", "product", "cowsay"),
        Entry("Cow: A beast. It moos.", "satire"),
        Entry("cow: A beast of code. It moos.", "computing"),
        Entry("A cow is a cow. So am I.", "fortune", "Ann"),
    ]
    table = (folder / "out.md").read_text(encoding="utf-8")
    assert "| product | 2 | 42 | 44 | descriptions of Debian's packages | each package's own" in table


def test_two_corpora_at_once_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="--long is another corpus than --wide"):
        StylesConfig(data=folder, long=True, wide=True)


def test_rows_tell_where_they_are_from(folder: Path) -> None:
    assert {row["origin"] for row in long_texts(folder)} >= {"whole poems", "descriptions of Debian's packages"}


@pytest.mark.parametrize("name", ["packages.gz", "translation-en.gz", "devil.index", "foldoc.dict.dz"])
def test_a_missing_file_is_told_and_nothing_is_written(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"--data .*No such file.*{name}"):
        main(StylesConfig(data=folder, long=True, out=folder / "out.jsonl.gz"))
    assert not (folder / "out.jsonl.gz").exists() and not (folder / "out.md").exists()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("  One line\n  and more.\n\n  Two.", ["One line and more.", "Two."]),
        ("A list:\n\n - one\n - two.", []),
        ("One.\n    Verse.", []),
        ("1. One sense.", []),
        ("See http://a.b/ for more.", []),
        ("without an end", []),
        ("lower case.", []),
    ],
)
def test_prose_is_whole_sentences(block: str, expected: list[str]) -> None:
    assert prose(block) == expected


def test_what_fits_is_whole_paragraphs_of_two_sentences_or_more() -> None:
    assert fitting(["A cow moos. It eats.", "x" * MAX_CHARACTERS]) == "A cow moos. It eats."
    assert fitting(["A cow moos."]) == fitting([]) == ""
