"""Texts come out of files as they were written, and what cannot be read is named with its file and line."""

import gzip
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from shard_making import write_parquet

from common.errors import UserError
from text.data.sources import MOST_CHARACTERS, Corpus, Entry, read_corpus


def read(path: Path, content: str | bytes) -> Corpus:
    """What a file of that content holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_corpus(str(path))


def refused(path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(path, content)


# --- files


def test_a_txt_holds_a_text_a_line(tmp_path: Path) -> None:
    corpus = read(tmp_path / "lines.txt", "  one \r\ntwo\u2028words\n\n" + " three\n" * 15)
    assert [entry.text for entry in corpus.entries] == ["one", "two\u2028words", *["three"] * 15]
    assert corpus.name == "lines" and corpus.skipped == {"lines.txt, line 3": "empty"}


def test_a_txt_holds_texts_of_several_lines_if_empty_lines_part_them(tmp_path: Path) -> None:
    corpus = read(tmp_path / "stanzas.txt", "\n  one \r\n two\n\n\nthree\n \nfour\n" + "five\n" * 12)
    assert [entry.text for entry in corpus.entries] == ["one\n two", "three", "four" + "\nfive" * 12]
    assert not corpus.skipped


def test_a_jsonl_holds_an_object_a_line(tmp_path: Path) -> None:
    rows = [
        {"text": "a\nb", "style": "poem", "source": "Ann"},
        {"text": "c", "style": "poem", "author": "Bo", "year": 3},
        {"text": "d", "style": 0, "source": "", "author": 7},
    ]
    corpus = read(tmp_path / "x.jsonl", "\n\n".join(map(json.dumps, rows)))
    assert corpus.entries == [Entry("a\nb", "poem", "Ann"), Entry("c", "poem", "Bo"), Entry("d", "0", "7")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "mark"), [("x.csv", ","), ("x.tsv", "\t")])
def test_a_table_has_a_header_and_rows_may_be_short(tmp_path: Path, name: str, mark: str, end: str) -> None:
    table = [["author", "Text ", "style"], ["Ann", "a\u2028b", "poem"], [], ["", "b"], ["Bo"]]
    corpus = read(tmp_path / name, end.join(mark.join(row) for row in table[:3]))
    assert corpus.entries == [Entry("a\u2028b", "poem", "Ann")] and not corpus.skipped
    short = read(tmp_path / name, end.join(mark.join(row) for row in [table[0], *table[2:]]))
    assert short.entries == [Entry("b")] and short.skipped == {f"{name}, line 4": "without a text"}
    assert read(tmp_path / name, f"text{mark}{end}a{mark}{end}").entries == [
        Entry("a")
    ]  # a mark at the end is no field


def test_quotation_marks_mean_something_in_csv_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quoted = 'text,style\nz,poem\n"He said ""no"",\nand left","po,em"\n'
    assert read(tmp_path / "x.csv", quoted).entries[1] == Entry('He said "no",\nand left', "po,em")
    assert "x.csv: 1 rows go over several lines, the longest from line 3 to 4; if" in capsys.readouterr().err
    plain = read(tmp_path / "x.tsv", 'text\tstyle\n"Ya," kata dia\ta\n"one\tb\n"two\tc\n')
    assert plain.entries == [Entry('"Ya," kata dia', "a"), Entry('"one', "b"), Entry('"two', "c")]
    assert not capsys.readouterr().err


def test_texts_of_a_single_column_may_have_commas(tmp_path: Path) -> None:
    rows = ["a, b", "c,d,", 'He said, "no, no"', '"e, f"', "g"]
    corpus = read(tmp_path / "x.csv", "\n".join(["text", *rows]))
    assert [entry.text for entry in corpus.entries] == [*rows[:3], "e, f", "g"]
    refused(tmp_path / "x.csv", 'text\na\n"e, f", g\n', "x.csv, line 3, has 2 fields, and the header 1")


def test_what_is_too_long_or_of_one_line_does_not_refuse_the_rest(tmp_path: Path) -> None:
    for name in ("x.csv", "x.tsv"):
        corpus = read(tmp_path / name, f"text\n{'x' * 200_000}\ny\n")
        assert corpus.entries == [Entry("y")] and "more than 4,000" in corpus.skipped[f"{name}, line 2"]
    assert [entry.text for entry in read(tmp_path / "x.txt", "a b\rc d\re f").entries] == ["a b", "c d", "e f"]
    assert read(tmp_path / "x.jsonl", '{"text": "a\u2028b"}\r{"text": "c"}').entries == [Entry("a\u2028b"), Entry("c")]


@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.csv", "X.TSV"])
def test_files_may_be_packed_and_begin_with_a_byte_order_mark(tmp_path: Path, name: str) -> None:
    content = {"x.txt": "Ünö", "x.jsonl": '{"text": "Ünö"}'}.get(name, "text\nÜnö\n").encode("utf-8-sig")
    assert read(tmp_path / name, content).entries == [Entry("Ünö")]
    packed = read(tmp_path / f"{name}.gz", gzip.compress(content))
    assert packed.entries == [Entry("Ünö")]
    assert packed.name.lower() == "x"


def test_sub_folders_are_styles_unless_a_file_tells_its_own(tmp_path: Path) -> None:
    (tmp_path / "set" / "old").mkdir(parents=True)
    (tmp_path / "set" / "new" / "deep").mkdir(parents=True)
    (tmp_path / "set" / "old" / "a.txt").write_text("thou")
    (tmp_path / "set" / "new" / "deep" / "b.jsonl").write_text('{"text": "you"}\n{"text": "ye", "style": "other"}')
    (tmp_path / "set" / "new" / "notes.pdf").write_text("")
    corpus = read_corpus(str(tmp_path / "set"))
    assert {(entry.text, entry.style) for entry in corpus.entries} == {("thou", "old"), ("you", "new"), ("ye", "other")}
    assert corpus.name == "set" and corpus.skipped == {"new/notes.pdf": "no texts, by its ending"}


def test_a_zip_is_the_same_texts_as_the_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for style in ("new", "old"):
            read(tmp_path / "set" / style / "a.txt", f"{style} text")
            archive.write(tmp_path / "set" / style / "a.txt", f"{style}/a.txt")
    packed, plain = read_corpus(str(tmp_path / "set.zip")), read_corpus(str(tmp_path / "set"))
    assert packed.entries == plain.entries == [Entry("new text", "new"), Entry("old text", "old")]
    assert packed.name == plain.name == "set"


def test_files_beside_sub_folders_are_told(tmp_path: Path) -> None:
    read(tmp_path / "set" / "old" / "a.txt", "thou")
    read(tmp_path / "set" / "b.txt", "you")
    with pytest.raises(UserError, match="1 files lie beside sub-folders"):
        read_corpus(str(tmp_path / "set"))


# --- texts that are left out


def test_texts_of_no_use_are_counted_with_their_reason(tmp_path: Path) -> None:
    rows = [
        '{"text": " "}',
        json.dumps({"text": "x" * (MOST_CHARACTERS + 1)}),
        r'{"text": "half \ud83d"}',
        r'{"text": "a", "author": "\ud800"}',
        r'{"text": "a", "style": "\udfff"}',
        '{"text": null}',
        '{"text": 5}',
        json.dumps({"text": "y" * MOST_CHARACTERS}),
        r'{"text": "whole \ud83d\ude00"}',
    ]
    corpus = read(tmp_path / "x.jsonl", "\n".join(rows))
    assert [entry.text for entry in corpus.entries] == ["y" * MOST_CHARACTERS, "whole 😀"]
    assert list(corpus.skipped) == [f"x.jsonl, line {number}" for number in range(1, 8)]
    assert list(Counter(corpus.skipped.values()).values()) == [1, 1, 3, 2]


def test_texts_without_a_style_among_others_with_one_are_counted(tmp_path: Path) -> None:
    corpus = read(tmp_path / "x.csv", "text,style\na,poem\nb,\nb,\nc,news\n")
    assert [entry.style for entry in corpus.entries] == ["poem", "news"]
    assert list(corpus.skipped.values()) == ["without a style, which others have"] * 2


# --- what cannot be read


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", b"fine\ncaf\xe9\n", r"x\.txt, line 2, is not UTF-8 \(byte 0xe9 at 3\)"),
        ("x.txt", b"fine\nf\0ne\n", r"x\.txt, line 2, is no text"),
        ("x.txt", bytes(range(256)) * 20, r"x\.txt, line 1, is no text"),
        ("x.txt", "fine".encode("utf-16"), r"x\.txt, line 1, is no text"),
        ("x.txt", b"x" * ((1 << 20) + 1), r"x\.txt, line 1, is no text"),
        ("x.jsonl", '{"text": "a"}\n{"text": ', r"x\.jsonl, line 2, is not JSON"),
        ("x.jsonl", "[" * 100_000, r"x\.jsonl, line 1, is not JSON"),
        ("x.jsonl", '{"text": "a"}\n["a"]', r'x\.jsonl, line 2, is no object with a "text"'),
        ("x.jsonl", '{"Text": "a"}', r'x\.jsonl, line 1, is no object with a "text"'),
        ("x.csv", "Words,style\na,b\n", r"x\.csv has no column named text, but words, style"),
        ("x.csv", "", r"x\.csv has no column named text, but none"),
        ("x.csv", 'text\na\n"b\n', r"x\.csv, line 3, is not as in a table"),
        ("x.csv", 'text,style\na,b\n"c,d\ne,f\n', r"x\.csv, line 3 to 4, is not as in a table"),
        ("x.csv", "text,style\na,b\na, b,c\n", r"x\.csv, line 3, has 3 fields, and the header 2; put"),
        ("x.tsv", "text\tstyle\na\tb\tc\n", r"x\.tsv, line 2, has 3 fields, and the header 2; leave"),
        ("x.csv", "text,style,Text\na,b,c\n", r"x\.csv has 2 columns named text; leave one"),
        ("x.jsonl", '{"text": "a", "text": "b"}\n', r"x\.jsonl, line 1, has 2 columns named text"),
        ("x.txt.gz", b"no gzip", r"x\.txt\.gz cannot be read"),
        ("x.txt.gz", gzip.compress(b"many words\n" * 1000, mtime=0)[:-10], r"x\.txt\.gz cannot be read"),
        ("x.pdf", b"%PDF", r"x\.pdf: not one of \.txt, \.jsonl, \.csv, \.tsv"),
        ("x.gz", gzip.compress(b"a", mtime=0), r"x\.gz: not one of"),
        ("x.zip", b"no zip", "neither a folder nor a .zip"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    refused(tmp_path / name, content, f"^--data.*{said}")


def test_a_damaged_member_of_a_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.txt", "some words\n" * 50)
    content = (tmp_path / "set.zip").read_bytes().replace(b"some", b"same", 1)
    refused(tmp_path / "set.zip", content, r"a\.txt cannot be read")


def test_a_path_to_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data .*missing: no such .* built in are bible"):
        read_corpus(str(tmp_path / "missing"))
    with pytest.raises(UserError, match=r"--data .*missing\.txt: no such file"):
        read_corpus(str(tmp_path / "missing.txt"))


# --- built in


def test_the_bible_has_verses_in_six_styles() -> None:
    corpus = read_corpus("bible")
    assert len(corpus.entries) >= 20_000 and not corpus.skipped
    styles = Counter(entry.style for entry in corpus.entries)
    assert set(styles) == {"law", "history", "wisdom", "prophecy", "gospel", "letter"} and min(styles.values()) > 1_000
    first = corpus.entries[0]
    assert first == Entry("In the beginning God created the heavens and the earth.", "law", first.source)
    assert first.source.endswith("1") and "public domain" in corpus.source


# --- Parquet


def test_parquet_files_have_columns_as_tables_have(tmp_path: Path) -> None:
    for number in range(2):
        rows = range(3 * number, 3 * number + 3)
        columns = {"Text": [f"text {row}" for row in rows], "style": ["a", "b", None], "other": [b"1", b"2", b"3"]}
        write_parquet(tmp_path / f"t-{number}.parquet", columns, group=2)
    styled = [(f"text {row}", "ab"[row % 3]) for row in range(6) if row % 3 < 2]
    for data in ("", "t-{0..1}.parquet"):
        corpus = read_corpus(str(tmp_path / data))
        assert [(entry.text, entry.style) for entry in corpus.entries] == styled
        assert len(corpus.skipped) == 2
    single = read_corpus(str(tmp_path / "t-0.parquet"))
    assert single.name == "t-0" and len(single.entries) == 2


def test_parquet_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"words": ["one"]})
    with pytest.raises(UserError, match=r"a\.parquet has no column named text, but words"):
        read_corpus(str(path))
    refused(tmp_path / "b.parquet", path.read_bytes()[:-9], "b.parquet is cut, damaged or no Parquet file")
    for row in ("long enough to be found", "another one"):
        content = write_parquet(path, {"text": [row]}).read_bytes()
        refused(path, content.replace(row.encode(), b"\xff" * len(row)), "a.parquet is cut, damaged or no .*'utf-8'")
    with pytest.raises(UserError, match=r"c1\.parquet: no such file"):
        read_corpus(str(tmp_path / "c{0..1}.parquet").replace("c{0", "c{1"))
