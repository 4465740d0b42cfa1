"""`python -m music.generate`: compose, harmonise, continue or rewrite."""

import sys

from common.cli import run
from music.config import GenerateConfig

PROGRAM = "music.generate"


def main(config: GenerateConfig) -> None:
    """Compose a piece, harmonise a --melody, --continue or --rewrite a piece, or go --from one --to another.

    Every few bars are drawn --candidates times, and the best by rules of harmony is kept: few parallel fifths and
    octaves, no crossed voices, chords on the beats. --candidates 1 gives the plain draw. One seed gives the same piece
    on every machine, up to rounding.
    """
    from common.training.devices import pick_device  # torch loads only once the command line is known to be good
    from music.chords import chord_agreement, ends_so
    from music.io.export import write
    from music.metrics import notes_per_bar
    from music.models import load_music_model
    from music.performing import perform

    model = load_music_model(config.source, pick_device(config.device), config.guidance)
    piece, midi, file = perform(model, config)
    for path in write(piece, midi, config, file):
        bars, pickup = -(-piece.steps // piece.bar), " after a pickup" if piece.pickup else ""
        length = f"{bars - (piece.pickup > 0)} bars of {piece.metre}{pickup}"
        print(f"wrote {path}: {length} in {piece.key} by {model.name}")
    if config.chords:
        agree, sounding = chord_agreement(piece, config.chords)
        print(f"{agree} of the {sounding} beats that sound agree with --chords")
    if config.density is not None:
        print(f"{notes_per_bar(piece):.1f} notes a bar and voice; --density {config.density:g} was asked for")
    if config.ending and not ends_so(piece, config.ending):
        print(
            f"{PROGRAM}: --ending {config.ending}: no candidate met it; this is as near as they came", file=sys.stderr
        )


if __name__ == "__main__":
    run(main, PROGRAM)
