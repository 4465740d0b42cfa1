"""A small corpus in two styles, and weights folders."""

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

from common.weights import save_weights
from text.models import TextModel, packed

ADJECTIVES, NOUNS = ("grey", "small", "old", "wild"), ("cat", "dog", "fox", "hen", "owl")
VERBS, PLACES = ("sat", "slept", "sang", "ran"), ("mat", "roof", "lawn", "hill", "road")


def entries() -> list[dict[str, str]]:
    """100 headlines of a line, and 100 poems of two."""
    draw = random.Random(0)
    news = draw.sample(list(product(ADJECTIVES, NOUNS, VERBS, PLACES)), 100)
    poems = draw.sample(list(product(ADJECTIVES, NOUNS, VERBS, NOUNS, VERBS)), 100)
    return [
        *({"text": f"{a.title()} {n} {v} on the {p}", "style": "news"} for a, n, v, p in news),
        *({"text": f"The {a} {n} {v},\nand there the {m} {w}.", "style": "poem"} for a, n, v, m, w in poems),
    ]


def save_texts(path: Path) -> Path:
    """A .jsonl of those."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries()), encoding="utf-8")
    return path


def saved(model: TextModel, folder: Path, **changes: Any) -> Path:
    """A weights folder of that name, with changes to its config."""
    folder = folder / "animals"
    config = {"domain": "text", "kind": "writer", "network": model.config.as_json(), "data": {"name": "animals"}}
    config |= {"words": "cat dog 7", "known": packed([7, 5])}
    save_weights(folder, model.network, config | changes, "a card")
    (folder / "vocabulary.model").write_bytes(model.tokenizer.proto)
    return folder
