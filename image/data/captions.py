"""The names of emoji, as descriptions."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from common.data.captions import tidy

NAMED = 14  # version of Unicode up to which names are the same for every Python that this project runs on


def emoji_captions(codes: Sequence[tuple[int, ...]]) -> list[list[str]]:
    """The names of each emoji, the commonest first: Unicode's (CLDR's), aliases, and that of its one character.

    Private characters and OpenMoji's own sequences have none.
    """
    import emoji

    found = []
    for code in codes:
        entry: dict[str, Any] = emoji.EMOJI_DATA.get("".join(map(chr, code)), {})
        names = [tidy(name.strip(":").replace("_", " ")) for name in (entry.get("en", ""), *entry.get("alias", ()))]
        if len(code) == 2 and all(0x1F1E6 <= point <= 0x1F1FF for point in code):
            names.insert(0, f"flag of {names[0]}")
        if len(plain := [point for point in code if point != 0xFE0F]) == 1 and entry.get("E", 0) <= NAMED:
            names.append(unicodedata.name(chr(plain[0]), "").lower())
        chief, *others = filter(None, names) if any(names) else [""]
        found.append(list(dict.fromkeys(filter(None, [chief, *filter(_in_words, others)]))))
    return found


def _in_words(name: str) -> bool:
    """Whether a name is more than a code, as "u55b6" and "clock330" are."""
    return len(name) > 3 and not re.search(r"\d", name)
