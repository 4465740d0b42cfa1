"""Music: a GAN that composes, harmonises and continues pieces on a grid of sixteenths."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI


def compose(**settings: Any) -> "PrettyMIDI":
    """Make a piece, as `python -m music.generate` does.

    Args:
        settings: the fields of `music.config.GenerateConfig`, such as style="reel", key="D major", bars=16, seed=1;
            not those for files, out and soundfont.

    Raises:
        TypeError: there is no such setting.
        UserError: a setting, the weights or a given file are of no use.
    """
    from common.training.devices import pick_device
    from music.config import GenerateConfig
    from music.generation import instruments, make_piece
    from music.io.midi import to_midi
    from music.models import load_music_model, weights_for

    for name in ("out", "soundfont"):
        if name in settings:
            raise TypeError(f"compose() writes no files, so it takes no {name}; write what it returns")
    config = GenerateConfig(**settings)
    piece = make_piece(load_music_model(weights_for(config), pick_device(config.device)), config)
    return to_midi(piece, programs=instruments(config.instruments, piece.tracks) if config.instruments else None)
