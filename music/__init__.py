"""Music: a conditional VAE that composes, harmonises and continues pieces on a grid; or a GAN."""

from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI

    from music.config import Ending

run_path(str(Path(__file__).parents[1] / "common" / "shadowing.py"), run_name=__name__)


def compose(
    style: str = "",
    *,
    key: str | None = None,
    tempo: float | None = None,
    metre: str | None = None,
    bars: int | None = None,
    pickup: float | None = None,
    form: str = "",
    temperature: float | None = None,
    guidance: float | None = None,
    rounds: int = 4,
    candidates: int = 32,
    chords: str = "",
    instruments: str = "",
    range_: tuple[str, ...] = (),
    density: float | None = None,
    ending: "Ending | None" = None,
    humanise: float = 0.0,
    melody: str | Path | None = None,
    continue_: str | Path | None = None,
    from_: str | Path | None = None,
    to: str | Path | None = None,
    arithmetic: tuple[str | Path, ...] = (),
    weights: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> "PrettyMIDI":
    """Make a piece, as `python -m music.generate` does; `.write("song.mid")` saves it.

    Args:
        style: chorale, pop, or a kind of dance: reel, jig, hornpipe, ...; by default chorale.
        key: such as "D minor"; by default C major, or that of `melody`.
        tempo: quarter notes a minute; by default as usual in the style, or that of the given piece.
        metre: such as "3/4"; by default the style's usual one.
        bars: length, by default 8, or 16 with `from_`; with `continue_`, what is added.
        pickup: quarter notes before the first bar line, such as 1 or 0.5.
        form: sections of equal length, such as "AABA": equal letters are the same music.
        temperature: of the choice of pitches, 0 to 2; 0 takes the likeliest; by default what suits the weights.
        guidance: above 1 nearer to the `style`, and less varied; by default what suits the weights.
        rounds: in which parts of every few bars are rewritten in view of the rest, and twice as many for faulty ones.
        candidates: drawn for every few bars, of which the best by rules of harmony is kept; 1 is the plain draw.
        chords: asked for, bar by bar: "Dm | G7 | C Am | F"; they begin again where the piece is longer.
        instruments: General MIDI, by track, separated by commas: "violin,viola,cello".
        range_: pitches, C3-A5, or those of a voice by name or number: "soprano C4-A5"; what is given stays.
        density: notes a bar and voice, as near as candidates come; by default as usual in the style.
        ending: tonic or open: whether the last bar is on the tonic or on the dominant, as near as candidates come.
        humanise: 0 to 1, how far from even in loudness and time it is played.
        melody: a file of MIDI, MusicXML or ABC whose tune is kept, and gets the other voices.
        continue_: such a file to go on from.
        from_, to: such files from one of which to go, window by window, to the other.
        arithmetic: three such files A, B, C: the piece A - B + C, by latents.
        weights: a bundled name, a folder (of weights or of a run), or a Hub id; by default those that know the style.
        seed: of the latents; means the same on every device.
        device: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        UserError: a setting, the weights or a given file are of no use.
    """
    settings = dict(locals())
    from common.training.devices import pick_device
    from music.config import GenerateConfig
    from music.models import load_music_model
    from music.performing import perform

    files = {name: Path(settings[name]) for name in ("melody", "continue_", "from_", "to") if settings[name]}
    config = GenerateConfig(**settings | files | {"arithmetic": tuple(map(Path, arithmetic))})
    return perform(load_music_model(config.source, pick_device(device), config.guidance), config)[1]


def harmonise(
    melody: str | Path,
    *,
    key: str | None = None,
    tempo: float | None = None,
    temperature: float | None = None,
    rounds: int = 4,
    candidates: int = 32,
    chords: str = "",
    instruments: str = "",
    range_: tuple[str, ...] = (),
    density: float | None = None,
    ending: "Ending | None" = None,
    humanise: float = 0.0,
    weights: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> "PrettyMIDI":
    """Write the other voices to a tune in MIDI, MusicXML or ABC, as `python -m music.generate --melody` does.

    The settings are those of `compose`.

    Raises:
        UserError: a setting, the weights or the file are of no use.
    """
    return compose(**locals())


def rewrite(
    piece: str | Path,
    *,
    at_bars: str = "",
    voices: tuple[str, ...] = (),
    key: str | None = None,
    temperature: float | None = None,
    guidance: float | None = None,
    rounds: int = 4,
    candidates: int = 32,
    range_: tuple[str, ...] = (),
    style: str = "",
    weights: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> "PrettyMIDI":
    """Write a passage of a MIDI file anew, as `python -m music.generate --rewrite` does; all else of it stays.

    Args:
        piece: a MIDI file, with the tracks that the weights write.
        at_bars: the passage, such as "5-8" or "5", counted from the file's beginning; by default all bars.
        voices: names or numbers of the tracks that are written anew; by default all.
        key: of the piece; by default what the file says.
        temperature: of the choice of pitches, 0 to 2; by default what suits the weights.
        guidance: above 1 nearer to the `style`, and less varied; by default what suits the weights.
        rounds: in which parts of every few bars are rewritten in view of the rest, and twice as many for faulty ones.
        candidates: drawn for every few bars, of which the best by rules of harmony is kept.
        range_: pitches of what is written anew, as of `compose`.
        style: chooses the weights, as of `compose`.
        weights: a bundled name, a folder (of weights or of a run), or a Hub id; by default those that know the style.
        seed: of the latents; means the same on every device.
        device: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        UserError: a setting, the weights or the file are of no use, or it has no such bars or voices.
    """
    settings = dict(locals())
    from common.training.devices import pick_device
    from music.config import GenerateConfig
    from music.models import load_music_model
    from music.performing import perform

    settings |= {"rewrite": Path(settings.pop("piece")), "voices": tuple(voices)}
    config = GenerateConfig(**settings)
    return perform(load_music_model(config.source, pick_device(device), config.guidance), config)[1]


def to_musicxml(piece: "PrettyMIDI | str | Path", title: str = "", grid: int = 4) -> str:
    """A piece, as `compose` makes it or in a MIDI file, as the text of a MusicXML file.

    Args:
        piece: what is written.
        title: stands above it.
        grid: steps a quarter note, to the nearest of which notes move: 4, or 12, which holds triplets, too.

    Raises:
        UserError: there is no such file, or it does not fit the grid.
    """
    from music.io import musicxml
    from music.io.midi import from_midi

    return musicxml.to_musicxml(from_midi(piece, grid=grid), title)
