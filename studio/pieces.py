"""What the tab of music makes: pieces, and voices for a melody."""

from pathlib import Path
from typing import Any

from common.weights_folders import find_weights, load_config
from music.config import STYLES, GenerateConfig, composers
from studio.shop import Result, Shop, listening, shown_command, take, without_folder

ENDINGS = (".mid", ".wav", ".musicxml", ".png")  # of what is written


def composing_weights(shop: Shop) -> list[str]:
    """The weights that compose."""
    return shop.weights("music", "composer")


def piece_styles(weights: str = "") -> list[str]:
    """The styles in which weights compose, or, where none are named, those that ship."""
    if weights:
        return list(load_config(find_weights(weights, "music"), "music", "composer")["network"]["styles"])
    return [*STYLES, *(style for config in composers().values() for style in config["network"]["styles"])]


def compose(
    shop: Shop,
    folder: Path,
    weights: str | None,
    style: str | None,
    key: str,
    metre: str | None,
    bars: int,
    form: str,
    chords: str,
    tempo: float | None,
    band: str,
    seed: int,
) -> Result:
    """Compose a piece; what is empty is as usual in the style."""
    return _made(
        shop,
        folder,
        weights=weights or None,
        style=style or "",
        key=key.strip() or None,
        metre=metre or None,
        bars=bars,
        form=form.strip().upper(),
        chords=chords.strip(),
        tempo=tempo or None,
        band=band.strip(),
        seed=seed,
    )


def harmonise(
    shop: Shop, folder: Path, weights: str | None, upload: str | None, style: str | None, chords: str, seed: int
) -> Result:
    """Write the other voices to the melody of a MIDI file."""
    melody = take(upload, folder, "MIDI file")
    asked = {"weights": weights or None, "style": style or "", "chords": chords.strip(), "seed": seed}
    return _made(shop, folder, melody=melody, **asked)


def _made(shop: Shop, folder: Path, **settings: Any) -> Result:
    from music.generation import make_piece
    from music.io.export import write
    from music.io.midi import to_midi
    from music.models import load_music_model

    midi, sound, score, roll = out = tuple(str(folder / f"song{ending}") for ending in ENDINGS)
    config = GenerateConfig(**settings, out=out, overwrite=True, device=shop.device)
    config.check_inputs()
    with listening() as told:
        piece = make_piece(shop.model(load_music_model, config.source), config)
        write(piece, to_midi(piece), config)
    command = shown_command("music.generate", config, folder, out=tuple(Path(path).name for path in out))
    files = tuple(map(Path, (midi, sound, score)))
    return Result((roll, sound), files, command, without_folder("\n".join(told), folder))
