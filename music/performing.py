"""From what a command asks for to a piece as it is played."""

from mido import MidiFile
from pretty_midi import PrettyMIDI

from music.config import GenerateConfig
from music.generation import instruments, make_piece
from music.io.humanising import humanised
from music.io.midi import to_midi
from music.models import MusicModel
from music.rewriting import rewrite, sounding
from music.score import Score


def perform(model: MusicModel, config: GenerateConfig) -> tuple[Score, PrettyMIDI, MidiFile | None]:
    """Make a piece as the settings ask.

    Returns:
        The piece on its grid, as it sounds, and as a file where it is one that was given, with other notes.

    Raises:
        UserError: the model cannot do this, or a given file does not fit.
    """
    if config.rewrite is not None:
        piece, file = rewrite(model, config, config.rewrite)
        return piece, sounding(file), file
    piece = make_piece(model, config)
    programs = instruments(config.instruments, piece.tracks) if config.instruments else None
    midi = to_midi(piece, programs)
    return piece, humanised(midi, piece, config.humanise, config.seed) if config.humanise else midi, None
