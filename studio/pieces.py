"""What the tab of music makes: pieces, and voices for a melody."""

from pathlib import Path
from typing import Any

from music.config import STYLES, GenerateConfig, composers
from studio.shop import Result, Shop, listening, shown_command, take, without_folder

ENDINGS = (".mid", ".wav", ".musicxml", ".png")  # of what is written


def piece_styles() -> list[str]:
    """The styles in which the bundled weights compose."""
    return [*STYLES, *(style for config in composers().values() for style in config["network"]["styles"])]


def compose(
    shop: Shop,
    folder: Path,
    style: str,
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
        style=style,
        key=key.strip() or None,
        metre=metre or None,
        bars=bars,
        form=form.strip().upper(),
        chords=chords.strip(),
        tempo=tempo or None,
        band=band.strip(),
        seed=seed,
    )


def harmonise(shop: Shop, folder: Path, upload: str | None, style: str, chords: str, seed: int) -> Result:
    """Write the other voices to the melody of a MIDI file."""
    melody = take(upload, folder, "MIDI file")
    return _made(shop, folder, melody=melody, style=style, chords=chords.strip(), seed=seed)


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
