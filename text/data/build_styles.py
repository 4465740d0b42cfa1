"""`python -m text.data.build_styles`: put the corpus of the bundled weights together, or a longer one."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.cli import run
from common.config import Checked
from common.errors import UserError
from common.files import replacing
from common.inputs import InputFile
from text.data.long_texts import MARKED, long_texts, table_of

PROGRAM = "text.data.build_styles"
LINES, LONG = 4, 140  # of a passage of verse, at most: lines, and characters
WORDS = 12  # of any other text, at most
ENDED = re.compile("[.!?;]['\"”’)]*$")
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
COMMON = 6  # texts in which a word must be
LIBRARIES = {  # sections of packages that are parts of others, whose lines say little
    "libs", "libdevel", "oldlibs", "debug", "doc", "introspection", "localization", "metapackages", "kernel",
    "golang", "rust", "haskell", "ocaml", "perl", "ruby", "php", "java", "javascript", "python", "lisp", "r", "gnu-r",
}  # fmt: skip


@dataclass(frozen=True)
class StylesConfig(Checked):
    """Settings of `python -m text.data.build_styles`."""

    data: InputFile  # folder with poems.jsonl.gz, headlines.tsv.gz, products.tsv.gz and definitions.tsv.gz
    long: bool = False  # whole poems, stanzas and texts of several sentences instead, of poems.jsonl.gz and Debian's
    out: Path = Path("styles.jsonl.gz")  # an object a line: text, style and, for poems, author


def main(config: StylesConfig) -> None:
    """Put the corpus of the bundled weights together from its four sources.

    Of poems, short passages of two to four whole lines are taken that end with a sentence or at a semicolon, which
    becomes a full stop, of headlines the news, In Title Case or not brought to that of sentences, of packages the
    programs, and of definitions those without names; none has more than 12 words, but for poems. Of all these, texts
    stay all of whose words are in six of them or more. So a small model meets every word often, always written alike.

    With --long, texts are up to 1,600 characters long and may have any words, and a table beside them tells where those
    of each style come from, and their licences.
    """
    try:
        rows = long_texts(config.data) if config.long else short_texts(config.data)
    except (OSError, EOFError) as error:
        raise UserError(f"--data {config.data}: {error}; name the folder that has the files") from error
    with replacing(config.out) as temporary, gzip.open(temporary, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if config.long:
        with replacing(table_path(config.out)) as temporary:
            temporary.write_text(table_of(rows), encoding="utf-8")
    counts = Counter(row["style"] for row in rows)
    print(f"wrote {config.out}: {', '.join(f'{count:,} {style}' for style, count in counts.items())}")


def table_path(out: Path) -> Path:
    """Where the table of a corpus is written: texts.md beside texts.jsonl.gz."""
    return out.with_name(out.name.split(".")[0] + ".md")


def short_texts(folder: Path) -> list[dict[str, str]]:
    """The texts of the four styles of the bundled weights."""
    parts = {"poem": poems, "news": news, "product": products, "definition": definitions}
    return common(in_sentence_case([{"style": style} | row for style, read in parts.items() for row in read(folder)]))


def common(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows whose every word is in `COMMON` of all of them, or more."""
    words = [set(WORD.findall(row["text"].lower())) for row in rows]
    counts = Counter(word for each in words for word in each)
    return [row for row, own in zip(rows, words, strict=True) if all(counts[word] >= COMMON for word in own)]


def in_sentence_case(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows, where headlines In Title Case have capitals only in words that the other styles mostly write so."""
    capital: Counter[str] = Counter()  # how often a word has one, less how often it does not
    for row in rows:
        if row["style"] != "news":
            for line in row["text"].split("\n"):
                for word in WORD.findall(line)[1:]:
                    capital[word.lower()] += 1 if word[0].isupper() else -1

    def lowered(word: re.Match[str]) -> str:
        is_acronym = word[0].isupper() and word[0] != "A"
        return word[0] if not word.start() or is_acronym or capital[word[0].lower()] >= 0 else word[0].lower()

    def is_title(text: str) -> bool:
        return all(word[0].isupper() for word in WORD.findall(text) if len(word) > 4)

    return [
        row | {"text": WORD.sub(lowered, row["text"])} if row["style"] == "news" and is_title(row["text"]) else row
        for row in rows
    ]


def poems(folder: Path) -> Iterator[dict[str, str]]:
    """Passages of two to four lines."""
    with gzip.open(folder / "poems.jsonl.gz", "rt", encoding="utf-8") as file:
        for poem in map(json.loads, file):
            for stanza in poem["text"].split("\n\n"):
                for text in passages([line.strip() for line in stanza.split("\n") if line.strip()]):
                    yield {"text": text, "author": poem["author"]}


def passages(lines: list[str]) -> Iterator[str]:
    """The lines of a stanza, parted where one ends with a sentence or a semicolon, which becomes a full stop.

    What is long, a single line, or has a quotation that begins or ends elsewhere is left out.
    """
    group: list[str] = []
    for line in lines:
        group.append(line)
        if ENDED.search(line):
            text = re.sub(";$", ".", "\n".join(group))
            whole = text.count('"') % 2 == 0 and not MARKED.search(text)
            if whole and 2 <= len(group) <= LINES and len(text) <= LONG:
                yield text
            group = []


def news(folder: Path) -> Iterator[dict[str, str]]:
    """Headlines of newspapers, without clickbait."""
    lines = (text for kind, text in _table(folder / "headlines.tsv.gz") if kind == "news")
    return ({"text": text} for text in lines if len(text.split()) <= WORDS)


def products(folder: Path) -> Iterator[dict[str, str]]:
    """What packages of programs say of themselves, without what is in brackets at the end."""
    for _, section, text in _table(folder / "products.tsv.gz"):
        line = re.sub(r"\s*\([^)]*\)$|\s+-+\s.*$", "", text).strip()
        if section not in LIBRARIES and 3 <= len(line.split()) <= WORDS:
            yield {"text": line[0].upper() + line[1:]}


def definitions(folder: Path) -> Iterator[dict[str, str]]:
    """What common words mean, without brackets and names."""
    for _, kind, text in _table(folder / "definitions.tsv.gz"):
        if kind == "gloss" and 3 <= len(text.split()) <= WORDS and not re.search("[A-Z(;]", text):
            yield {"text": text}


def _table(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


if __name__ == "__main__":
    run(main, PROGRAM)
