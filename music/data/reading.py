"""A piece of a file, whatever it is written in."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from common.errors import UserError
from music.data.notation import musicxml, tunes_in_abc
from music.data.sources import ABC, XML
from music.data.tunes import UNREADABLE, Tune
from music.io.midi import from_midi, settled_key
from music.score import Score
from music.theory import GRID, GRIDS


def read_score(path: Path, say: Callable[[str], None] = lambda line: None, grid: int = GRID) -> Score:
    """Read MIDI, MusicXML or ABC, by the file's ending, to a grid; of several tunes in ABC the first.

    Bar lines stay where the file has them: what it has before the first is the pickup.

    Args:
        path: of the file; what does not end as MusicXML or ABC is taken for MIDI.
        say: is told in a few words what of the file is left out or moved.
        grid: steps a quarter note, of GRIDS.

    Raises:
        UserError: there is no such file, or it cannot be read, as `music.io.midi.from_midi` and
            `music.data.notation.transcribe` say.
    """
    if path.suffix.lower() not in XML | ABC:
        return from_midi(path, say, grid)
    from music21.exceptions21 import Music21Exception

    try:
        with warnings.catch_warnings(action="ignore"):  # music21's, on files that are odd but readable
            tune = _tune(path, say, grid)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (*UNREADABLE, Music21Exception) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: {reason}; choose another file") from error
    if not len(tune.notes):
        raise UserError(f"{path}: there are no notes in it")
    if moved := tune.moved if grid == GRID else tune.off_twelfths:
        say(f"{moved} of its {len(tune.notes)} notes lie between two {GRIDS[grid]}, and begin at the nearest")
    score = tune.score()
    return score if tune.key else replace(score, key=settled_key(score, None))


def _tune(path: Path, say: Callable[[str], None], grid: int) -> Tune:
    ending = path.suffix.lower()
    if ending in XML:
        return musicxml(path.read_bytes, ending, grid)
    tunes = tunes_in_abc(path.name, path.read_bytes())
    if len(tunes) > 1:
        say(f"the first of its {len(tunes)} tunes is read")
    return tunes[0][1].parse(grid)
