"""Sounds: a VAE of notes of instruments, and a GAN of one's own short recordings."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def note(
    instrument: str = "",
    pitch: str | int = "A4",
    *,
    velocity: int = 100,
    seconds: float | None = None,
    weights: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> "NDArray[np.float32]":
    """Make a note, as `python -m music.sound.generate` does, mono at 16,000 samples a second.

    Args:
        instrument: by name, or a mixture: "0.5 flute + 0.5 cello"; by default the first that the weights know.
        pitch: such as "A3", or a MIDI number; means nothing to weights whose sounds have no pitch.
        velocity: 1 to 127: how hard the note is played.
        seconds: that it lasts, its end included; by default as learned.
        weights: a bundled name, a folder (of weights or of a run), or a Hub id; by default the bundled instruments.
        seed: of the latents; means the same on every device.
        device: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        float32 (samples,) in [-1, 1].

    Raises:
        UserError: a setting or the weights are of no use.
    """
    from common.training.devices import pick_device
    from music.sound.config import MAKER, GenerateConfig
    from music.sound.generation import make
    from music.sound.models import load_sound_model

    model = load_sound_model(weights or MAKER, pick_device(device))
    config = GenerateConfig(
        instrument=(instrument,) if instrument else model.classes[:1],
        pitch=(str(pitch),) if model.ranges else (),
        velocity=velocity,
        seconds=seconds,
        seed=seed,
    )
    config.check_pitches(model.classes, model.ranges)
    return make(model, config)[0].sounds[0].numpy()
