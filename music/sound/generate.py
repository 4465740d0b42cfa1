"""`python -m music.sound.generate`: make notes of instruments, of mixtures of them, or sounds like one's own."""

from common.cli import run
from common.processes import rank
from music.sound.config import GenerateConfig

PROGRAM = "music.sound.generate"


def main(config: GenerateConfig) -> None:
    """Make notes of instruments, of mixtures of them and from one to another, scales and chords; or sounds like yours.

    One seed gives the same sounds on every machine, up to rounding.
    """
    from common.training.devices import pick_device  # torch loads only once the command line is known to be good
    from music.sound.generation import make, write
    from music.sound.models import load_sound_model

    model = load_sound_model(config.weights, pick_device(config.device))
    made = make(model, config, shared=True)
    named = ", ".join(dict.fromkeys(one.name for one in made if one.name)) or "sounds"
    written = write(made, config)
    if rank() == 0:
        print(f"wrote {written}: {named} by {model.name}")


if __name__ == "__main__":
    run(main, PROGRAM)
