"""What the tab of text makes: texts in a style, ways from one to another, and neighbours."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from common.weights_folders import find_weights, load_config
from studio.shop import Result, Shop, making, shown_command
from text.config import DEFAULT_WEIGHTS, GenerateConfig

STEPS = 9  # texts on the way from one to another


def writing_weights(shop: Shop) -> list[str]:
    """The weights that write."""
    return shop.weights("text", "writer")


def styles(weights: str = DEFAULT_WEIGHTS) -> list[str]:
    """The styles in which weights write."""
    return list(load_config(find_weights(weights, "text"), "text", "writer")["network"]["styles"])


def write(
    shop: Shop,
    folder: Path,
    weights: str,
    style: str | None,
    n: int,
    temperature: float,
    seed: int,
    prompt: str,
    must: str,
    avoid: str,
    starts_with: str,
    words: str,
    acrostic: str,
    metre: str | None,
    rhyme: str,
    hold: str,
) -> Result:
    """Write texts; `must` and `avoid` are words with spaces between, and `hold` has a numbered line a line."""
    return _written(
        shop,
        folder,
        weights=weights,
        style=style or None,
        n=n,
        temperature=temperature,
        seed=seed,
        prompt=prompt,
        must=tuple(must.split()),
        avoid=tuple(avoid.split()),
        starts_with=starts_with.strip(),
        words=words.strip(),
        acrostic=acrostic.strip(),
        metre=metre or None,
        rhyme=rhyme.strip().upper(),
        hold=tuple(line.strip() for line in hold.splitlines() if line.strip()),
    )


def between(shop: Shop, folder: Path, weights: str, first: str, last: str, style: str | None) -> Result:
    """Write texts on the way from one to another; the list of them comes after what is shown first."""
    result, texts = _texts(shop, folder, weights=weights, interpolate=(first, last), n=STEPS, style=style or None)
    return replace(result, shown=(texts[0], texts))


def neighbours(shop: Shop, folder: Path, weights: str, like: str, n: int, restyle: str | None, seed: int) -> Result:
    """Write texts near a given one, or that one in another style."""
    return _written(shop, folder, weights=weights, like=like, n=n, restyle=restyle or None, seed=seed)


def step_of(texts: list[str], step: int) -> str:
    """The text at a step of the way, 1 to 9, or as near as there is one."""
    return texts[min(max(step, 1), len(texts)) - 1] if texts else ""


def _written(shop: Shop, folder: Path, **settings: Any) -> Result:
    return _texts(shop, folder, **settings)[0]


def _texts(shop: Shop, folder: Path, **settings: Any) -> tuple[Result, list[str]]:
    """A result that shows all texts as the file has them, and the texts one by one."""
    from text.generation import make_texts, plain, save_texts, unmet
    from text.models import load_text_model

    out = folder / "texts.txt"
    config = GenerateConfig(**settings, device=shop.device, out=out)
    with making("text.generate", config, folder):
        written = make_texts(shop.model(load_text_model, config.weights), config)
        save_texts(written, out)
    texts = [one.text for one in written]
    command = shown_command("text.generate", config, folder, out=(out.name,))
    return Result((plain(texts),), (out,), command, unmet(written)), texts
