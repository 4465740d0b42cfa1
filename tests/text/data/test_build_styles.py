"""The corpus of the bundled weights is put together from four files, without what would teach a writer bad sampling."""

import gzip
import json
from pathlib import Path

import pytest

from common.errors import UserError
from text.data.build_styles import (
    COMMON,
    LONG,
    StylesConfig,
    by_four,
    common,
    in_sentence_case,
    main,
    passages,
    without_held_out,
)
from text.data.loading import parts_of
from text.data.sources import Entry, read_corpus

POEM = {
    "text": "The rose is red,\nthe violet blue.\n\nOne\nTwo\nThree\n\n A cow is here.\nThe cow \n is good!",
    "author": "Ann",
}
TABLES = {
    "headlines": [("news", 'Cow says "no"'), ("clickbait", "You will not believe it")],
    "products": [
        ("cowsay", "games", "configurable talking cow (Python)"),
        ("fig", "text", "draws a talking cow -- tools"),
        ("libcow", "libs", "library of talking cows"),
        ("x", "text", "two words"),
        ("y", "text", "(only brackets in this one)"),
    ],
    "definitions": [
        ("cow", "gloss", "a cow that says no"),
        ("cow", "example", "the cow stood in the field"),
        ("Rome", "gloss", "the capital of Italy since then"),
        ("run", "gloss", "move fast (on legs)"),
        ("be", "gloss", "to exist"),
        ("of", "gloss", " ".join(["word"] * 13)),
    ],
}
FOUND = [
    Entry("The rose is red,\nthe violet blue.", "poem", "Ann"),
    Entry("The cow\nis good!", "poem", "Ann"),
    Entry('Cow says "no"', "news"),
    Entry("Configurable talking cow", "product"),
    Entry("Draws a talking cow", "product"),
    Entry("a cow that says no", "definition"),
]


def pack(folder: Path, times: int) -> Path:
    """The four files, with so many times the same in them."""
    with gzip.open(folder / "poems.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write((json.dumps(POEM) + "\n") * times)
    for name, rows in TABLES.items():
        with gzip.open(folder / f"{name}.tsv.gz", "wt", encoding="utf-8") as file:
            file.write("".join("\t".join(row) + "\n" for row in rows) * times)
    return folder


def test_the_corpus_has_what_is_worth_imitating_in_four_styles(tmp_path: Path) -> None:
    main(StylesConfig(data=pack(tmp_path, COMMON), out=tmp_path / "styles.jsonl.gz"))
    found = read_corpus(str(tmp_path / "styles.jsonl.gz")).entries
    assert list(dict.fromkeys(found)) == FOUND and len(found) == COMMON * len(FOUND)


def test_the_wide_corpus_has_all_but_what_is_held_out(tmp_path: Path) -> None:
    main(StylesConfig(data=pack(tmp_path, COMMON), out=tmp_path / "wide.jsonl.gz", wide=True))
    found = {entry.text for entry in read_corpus(str(tmp_path / "wide.jsonl.gz")).entries}
    wider = {"You will not believe it", "Library of talking cows", "the cow stood in the field", "move fast (on legs)"}
    assert wider <= found and "the capital of Italy since then" in found
    narrow = [Entry(f"a cow of {word}", "definition") for word in map(chr, range(97, 123))]
    rows = [{"text": entry.text, "style": entry.style} for entry in narrow]
    kept = {row["text"] for row in without_held_out(rows, rows)}
    assert kept == {entry.text for entry, part in zip(narrow, parts_of(narrow), strict=True) if part == 0} != set()


def test_what_else_an_author_who_is_held_out_wrote_is_left_out() -> None:
    rows = [{"text": f"a rose of {chr(97 + n)}", "style": "poem", "author": f"Ann {n}"} for n in range(26)]
    authors = {row["author"] for row in without_held_out(rows, rows)}
    more = [row | {"text": row["text"] + " again"} for row in rows]
    assert {row["author"] for row in without_held_out(more, rows)} == authors != {row["author"] for row in rows}


def test_all_lines_of_a_stanza_are_parted_by_four_or_where_a_sentence_ends() -> None:
    assert list(by_four(["a", "b", "c.", "d", "e", "f", "g", "h", "i"])) == ["a\nb\nc.", "d\ne\nf\ng", "h\ni"]
    assert list(by_four(["see page 7", "b."])) == []


def test_texts_with_rare_words_are_left_out() -> None:
    rows = [{"text": "The cow, the rose"}, {"text": "the COW's rose"}, {"text": "the cow"}]
    often = [{"text": "cow, rose: THE"}] * (COMMON - 2)
    assert common([*rows, *often]) == [rows[0], rows[2], *often]
    assert common(rows) == []


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ("Cow Jumps Over A Rose In Rome", "Cow jumps over a rose in Rome"),
        ("Rome: Jumps by the Cow-Rose of the U.S.", "Rome: jumps by the cow-rose of the U.S."),
        ("Cow jumps over Rose in Rome", "Cow jumps over Rose in Rome"),  # a sentence as it is
        ("COW JUMPS", "COW JUMPS"),
        ("Unheard Jumps", "Unheard jumps"),
        ("Jumps Unheard", "Jumps Unheard"),  # may be a name
    ],
)
def test_headlines_are_written_as_the_other_styles_write(headline: str, expected: str) -> None:
    others = [
        {"text": "A cow jumps over a rose in Rome\nBy the way", "style": "poem"},
        {"text": "the way of a cow by the rose", "style": "definition"},
    ]
    assert in_sentence_case([*others, {"text": headline, "style": "news"}]) == [
        *others, {"text": expected, "style": "news"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a", "b."], ["a\nb."]),
        (["a", "b.", '"c', 'd!"', "e", "f", "g", "h?"], ["a\nb.", '"c\nd!"', "e\nf\ng\nh?"]),
        ([], []),
        (["a."], []),  # a single line
        (["a", "b"], []),  # without an end
        (["a", "b", "c", "d", "e."], []),
        (["a. b", "c."], ["a. b\nc."]),
        (["x" * LONG, "y."], []),
        (["x" * (LONG - 3), "y."], ["x" * (LONG - 3) + "\ny."]),
        (["a", "b;", "c", "d; e", "f;", "g;"], ["a\nb.", "c\nd; e\nf."]),
        (["a", "page 7."], []),
        (["a", 'said: "Rise.', "b", '"C," said d.'], ['b\n"C," said d.']),  # half a quotation
        (["CHAPTER", "a.", "b", "c."], ["b\nc."]),
    ],
)
def test_stanzas_are_parted_into_passages_of_whole_lines(lines: list[str], expected: list[str]) -> None:
    assert list(passages(lines)) == expected


@pytest.mark.parametrize("name", ["poems.jsonl.gz", "headlines.tsv.gz", "products.tsv.gz", "definitions.tsv.gz"])
def test_a_missing_or_truncated_file_is_told_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    whole = (pack(tmp_path, 1) / name).read_bytes()
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=rf"--data .*No such file.*{name}"):
        main(StylesConfig(data=tmp_path, out=tmp_path / "styles.jsonl.gz"))
    for content in (whole[:-9], b"no gzip"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=r"--data .*(ended before|Not a gzipped file)"):
            main(StylesConfig(data=tmp_path, out=tmp_path / "styles.jsonl.gz"))
    assert not (tmp_path / "styles.jsonl.gz").exists()
