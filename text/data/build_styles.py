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
from common.config import Checked, require
from common.errors import UserError
from common.files import replacing
from common.inputs import InputFile
from text.data.long_texts import MARKED, long_texts, table_of
from text.words import likeness

PROGRAM = "text.data.build_styles"
LINES, LONG = 4, 140  # of a passage of verse, at most: lines, and characters
WORDS, WIDE = 12, 40  # of any other text, at most
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
    out: Path = Path("styles.jsonl.gz")  # an object a line: text, style and, for poems, author
    wide: bool = False  # all that the four files have, to learn the language from first, but for what is held out
    long: bool = False  # whole poems, stanzas and texts of several sentences, of poems.jsonl.gz and what Debian has

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not (self.long and self.wide), "long", "is another corpus than --wide; leave one of them out")


def main(config: StylesConfig) -> None:
    """Put the corpus of the bundled weights together from its four sources, or one of two larger ones.

    Of poems, short passages of two to four whole lines are taken that end with a sentence or at a semicolon, which
    becomes a full stop, of headlines the news, In Title Case or not brought to that of sentences, of packages the
    programs, and of definitions those without names; none has more than 12 words, but for poems. Of all these, texts
    stay all of whose words are in six of them or more. So a small model meets every word often, always written alike.

    The wide corpus has the lines of all poems, the teasers beside the news, libraries beside the programs, and names
    and examples beside the definitions, up to 40 words and with rare ones. It lacks all that a training on the
    other one holds out, and what else those authors wrote.

    The long corpus has texts of up to 1,600 characters and any words, in other styles. A table beside it tells where
    those of each style come from, and their licences.
    """
    try:
        rows = long_texts(config.data) if config.long else short_texts(config.data, config.wide)
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


def short_texts(folder: Path, wide: bool) -> list[dict[str, str]]:
    """The texts of the four styles of the bundled weights, or the wide corpus."""
    rows = common(in_sentence_case(list(_read(folder, wide=False))))
    return without_held_out(in_sentence_case(list(_read(folder, wide=True))), rows) if wide else rows


def _read(folder: Path, wide: bool) -> Iterator[dict[str, str]]:
    return ({"style": style} | row for style, read in READERS.items() for row in read(folder, wide))


def without_held_out(rows: list[dict[str, str]], corpus: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows that neither are nor are by an author of what is held out of a corpus, for a test or for validation."""
    from text.data.loading import parts_of  # torch loads only once the command line is known to be good
    from text.data.sources import Entry

    parts = parts_of([Entry(row["text"], row["style"], row.get("author", "")) for row in corpus])
    held_out = [row for row, part in zip(corpus, parts, strict=True) if part]
    texts, authors = {likeness(row["text"]) for row in held_out}, {row.get("author") for row in held_out} - {None}
    return [row for row in rows if row.get("author") not in authors and likeness(row["text"]) not in texts]


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


def poems(folder: Path, wide: bool) -> Iterator[dict[str, str]]:
    """Passages of two to four lines, or all lines by up to four."""
    parted = by_four if wide else passages
    with gzip.open(folder / "poems.jsonl.gz", "rt", encoding="utf-8") as file:
        for poem in map(json.loads, file):
            for stanza in poem["text"].split("\n\n"):
                for text in parted([line.strip() for line in stanza.split("\n") if line.strip()]):
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


def by_four(lines: list[str]) -> Iterator[str]:
    """The lines of a stanza, parted where one ends with a sentence or after the fourth."""
    group: list[str] = []
    for number, line in enumerate(lines, 1):
        group.append(line)
        if ENDED.search(line) or len(group) == LINES or number == len(lines):
            text = "\n".join(group)
            if not MARKED.search(text):
                yield text
            group = []


def news(folder: Path, wide: bool) -> Iterator[dict[str, str]]:
    """Headlines of newspapers, without clickbait."""
    lines = (text for kind, text in _table(folder / "headlines.tsv.gz") if wide or kind == "news")
    return ({"text": text} for text in lines if len(text.split()) <= most(wide))


def products(folder: Path, wide: bool) -> Iterator[dict[str, str]]:
    """What packages of programs say of themselves, without what is in brackets at the end."""
    for _, section, text in _table(folder / "products.tsv.gz"):
        line = re.sub(r"\s*\([^)]*\)$|\s+-+\s.*$", "", text).strip()
        if (wide or section not in LIBRARIES) and 3 <= len(line.split()) <= most(wide):
            yield {"text": line[0].upper() + line[1:]}


def definitions(folder: Path, wide: bool) -> Iterator[dict[str, str]]:
    """What common words mean, without brackets and names."""
    for _, kind, text in _table(folder / "definitions.tsv.gz"):
        plain = kind == "gloss" and not re.search("[A-Z(;]", text)
        if (wide or plain) and 3 <= len(text.split()) <= most(wide):
            yield {"text": text}


def most(wide: bool) -> int:
    """Words of a text that is no poem."""
    return WIDE if wide else WORDS


def _table(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


READERS = {"poem": poems, "news": news, "product": products, "definition": definitions}

if __name__ == "__main__":
    run(main, PROGRAM)
