"""Music: a GAN that composes, harmonises and continues pieces on a grid of sixteenths."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI


def compose(**settings: Any) -> "PrettyMIDI":
    """Make a piece, as `python -m music.generate` does.

    Args:
        settings: the fields of `music.config.GenerateConfig`, such as style="reel", key="D major", bars=16, seed=1.

    Raises:
        UserError: a setting, the weights or a given file are of no use.
    """
    from common.devices import pick_device
    from music.composing import instruments, make_piece
    from music.config import GenerateConfig
    from music.midi import to_midi
    from music.models import load_music_model
    from music.writing import weights_for

    config = GenerateConfig(**settings)
    piece = make_piece(load_music_model(weights_for(config), pick_device(config.device)), config)
    return to_midi(piece, programs=instruments(config.instruments, piece.tracks) if config.instruments else None)
