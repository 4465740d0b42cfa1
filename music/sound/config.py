"""The settings of the commands that make sounds; nothing here imports torch."""

RATE = 16_000  # samples a second
HOP = 256  # samples between two frames of a spectrogram
FRAMES = 64  # of a spectrogram, a second and a little more
SHORTEST, LONGEST = 0.1, 4.0  # seconds of a recording without the silence around it
NO_PITCH = 128  # stands for a pitch that is not known; those of MIDI go from 0 to 127

BUILT_IN = ("instruments",)


def length(seconds: int) -> int:
    """The samples of a sound of so many times `FRAMES` frames, the first and the last at its ends."""
    return (seconds * FRAMES - 1) * HOP
