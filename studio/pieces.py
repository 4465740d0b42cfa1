"""What the tab of music makes: pieces, voices for a melody, bars anew, and what is heard of all these."""

import copy
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from common.weights_folders import find_weights, load_config
from music.config import STYLES, GenerateConfig, composers
from music.io.engraving import require_engraver
from studio.shop import Result, Shop, listening, making, shown_command, take, without_folder

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI

    from music.io.piano_roll import TimeAxis
    from music.score import Score

ENDINGS = (".mid", ".wav", ".musicxml", ".png", ".pdf")  # of what is written
ROLL = ".png"  # which is seen, and no download


@dataclass(frozen=True)
class Made:
    """A piece that was made, of which bars can be written anew and voices heard alone.

    Attributes:
        midi: how it sounds.
        config: by which it was written, as files beside each other.
    """

    piece: "Score"
    midi: "PrettyMIDI"
    config: GenerateConfig

    @property
    def file(self) -> Path:
        """The .mid of the piece."""
        return Path(self.config.out[0])

    @property
    def voices(self) -> list[str]:
        """By number and name."""
        names = (one.name or "voice" for one in self.midi.instruments)
        return [f"{number} {name}" for number, name in enumerate(names, 1)]

    @property
    def axis(self) -> "TimeAxis":
        """Where time lies on its piano roll."""
        from music.io.piano_roll import time_axis

        return time_axis(self.piece)


def composing_weights(shop: Shop) -> list[str]:
    """The weights that compose."""
    return shop.weights("music", "composer")


def piece_styles(weights: str = "") -> list[str]:
    """The styles in which weights compose, or, where none are named, those that ship."""
    if weights:
        return list(load_config(find_weights(weights, "music"), "music", "composer")["network"]["styles"])
    return list(dict.fromkeys([*STYLES, *chain.from_iterable(c["network"]["styles"] for c in composers().values())]))


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
    asked: dict[str, Any] = {"weights": weights or None, "style": style or "", "chords": chords.strip(), "seed": seed}
    return _made(shop, folder, melody=melody, **asked)


def rewrite(
    shop: Shop,
    folder: Path,
    weights: str | None,
    upload: str | None,
    last: Made | None,
    style: str | None,
    bars: str,
    voices: str,
    seed: int,
) -> Result:
    """Write some bars, of some voices, of a MIDI file anew, or of the piece that was made last.

    Args:
        bars: such as "5-8"; "" for all.
        voices: by name or number, with spaces between; "" for all.
    """
    given = take(upload or (last.file if last else None), folder, "MIDI file, and no piece was made")
    asked: dict[str, Any] = {"weights": weights or None, "style": style or "", "at_bars": bars.strip(), "seed": seed}
    return _made(shop, folder, f"{given.stem}-anew", rewrite=given, voices=tuple(voices.split()), **asked)


def hear(shop: Shop, folder: Path, made: Made | None, voices: list[str]) -> Path:
    """Play some voices of a piece alone, as loud as all of them together are.

    Raises:
        UserError: no piece was made, or no voice is chosen.
    """
    from music.io.export import write

    if made is None:
        raise UserError("there is no piece yet; make one")
    chosen = [name in voices for name in made.voices]
    if not any(chosen):
        raise UserError("no voice is chosen; choose one or more")
    midi = copy.deepcopy(made.midi)
    for instrument, is_heard in zip(midi.instruments, chosen, strict=True):
        instrument.notes = instrument.notes if is_heard else []
    sound = folder / "voices.wav"
    with making("music.generate", made.config, made.file.parent):
        write(made.piece, midi, replace(made.config, out=(str(sound),)))
    return sound


def _made(shop: Shop, folder: Path, stem: str = "song", **settings: Any) -> Result:
    from music.io.export import write
    from music.models import load_music_model
    from music.performing import perform

    out = tuple(str(folder / f"{stem}{ending}") for ending in ENDINGS if ending != ".pdf" or _engraves())
    config = GenerateConfig(**settings, out=out, overwrite=True, device=shop.device)
    with making("music.generate", config, folder), listening() as told:
        piece, midi, file = perform(shop.model(load_music_model, config.source), config)
        write(piece, midi, config, file)
    command = shown_command("music.generate", config, folder, out=tuple(Path(path).name for path in out))
    written = {path.suffix: path for path in map(Path, out)}
    shown = (str(written.pop(ROLL)), str(written[".wav"]), Made(piece, midi, config))
    return Result(shown, tuple(written.values()), command, without_folder("\n".join(told), folder))


def _engraves() -> bool:
    """Whether the extra that engraves scores is installed."""
    try:
        require_engraver("")
    except UserError:
        return False
    return True
