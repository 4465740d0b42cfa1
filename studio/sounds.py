"""What the tab of sounds makes: notes of instruments, of mixtures of them, and from one to another."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from common.weights_folders import find_weights, load_config
from music.sound.config import MAKER, GenerateConfig, Scale
from studio.shop import Result, Shop, making, shown_command

SCALES: tuple[str, ...] = get_args(Scale)


def sound_weights(shop: Shop) -> list[str]:
    """The weights that make sounds."""
    return shop.weights("music", "sound")


def instruments(weights: str = MAKER) -> list[str]:
    """What weights play; of sounds without names, nothing."""
    return list(load_config(find_weights(weights, "music"), "music", "sound")["classes"])


def note(
    shop: Shop,
    folder: Path,
    weights: str,
    instrument: str | None,
    other: str | None,
    share: float,
    pitch: str,
    scale: str | None,
    velocity: int,
    seconds: float,
    seed: int,
) -> Result:
    """Make a note, or a scale, of an instrument or of two mixed; what is empty or 0 is as usual.

    Args:
        share: of the other instrument, 0 to 1.
    """
    mixed = f"{1 - share:g} {instrument} + {share:g} {other}" if instrument and other else instrument
    named = (mixed,) if mixed else ()
    asked = {"weights": weights, "instrument": named, "scale": scale or None, "velocity": velocity}
    return _made(shop, folder, pitch, seconds, seed, asked)


def morph_note(
    shop: Shop, folder: Path, weights: str, first: str | None, last: str | None, pitch: str, seconds: float, seed: int
) -> Result:
    """Make a note that goes from one instrument to another."""
    asked = {"weights": weights, "morph": tuple(filter(None, (first, last)))}
    return _made(shop, folder, pitch, seconds, seed, asked)


def _made(shop: Shop, folder: Path, pitch: str, seconds: float, seed: int, asked: dict[str, Any]) -> Result:
    from music.sound.generation import make, write
    from music.sound.models import load_sound_model

    out, seen = folder / "note.wav", folder / "note.png"
    pitches = (pitch.strip(),) if pitch.strip() else ()
    config = GenerateConfig(
        **asked, pitch=pitches, seconds=seconds or None, seed=seed, device=shop.device, out=(str(out),)
    )
    with making("music.sound.generate", config, folder):
        made = make(shop.model(load_sound_model, config.weights), config)
        write(made, replace(config, out=(str(out), str(seen))))
    command = shown_command("music.sound.generate", config, folder, out=(out.name,))
    return Result((str(seen), str(out)), (out,), command)
