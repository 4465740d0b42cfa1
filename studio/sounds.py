"""What the tab of sounds makes: notes of instruments, of mixtures of them, and from one to another."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from common.weights_folders import bundled, load_config
from music.sound.config import MAKER, GenerateConfig, Scale
from studio.shop import Result, Shop, shown_command

SCALES: tuple[str, ...] = get_args(Scale)


def instruments() -> list[str]:
    """What the bundled weights play."""
    return list(load_config(bundled("music")[MAKER], "music", "sound")["classes"])


def note(
    shop: Shop,
    folder: Path,
    instrument: str,
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
    mixed = f"{1 - share:g} {instrument} + {share:g} {other}" if other else instrument
    asked = {"instrument": (mixed,), "scale": scale or None, "velocity": velocity}
    return _made(shop, folder, pitch, seconds, seed, asked)


def morph_note(shop: Shop, folder: Path, first: str, last: str, pitch: str, seconds: float, seed: int) -> Result:
    """Make a note that goes from one instrument to another."""
    return _made(shop, folder, pitch, seconds, seed, {"morph": (first, last)})


def _made(shop: Shop, folder: Path, pitch: str, seconds: float, seed: int, asked: dict[str, Any]) -> Result:
    from music.sound.generation import make, write
    from music.sound.models import load_sound_model

    out, seen = folder / "note.wav", folder / "note.png"
    pitches = (pitch.strip(),) if pitch.strip() else ()
    config = GenerateConfig(
        **asked, pitch=pitches, seconds=seconds or None, seed=seed, device=shop.device, out=str(out)
    )
    config.check_inputs()
    made = make(shop.model(load_sound_model, config.weights), config)
    for path in (out, seen):
        write(made, replace(config, out=str(path)))
    command = shown_command("music.sound.generate", config, folder, out=(out.name,))
    return Result((str(seen), str(out)), (out,), command)
