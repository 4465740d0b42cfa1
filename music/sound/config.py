"""The settings of the commands that make sounds; nothing here imports torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from common.config import (
    AugmentConfig,
    DeviceConfig,
    GanConfig,
    OutputConfig,
    RunConfig,
    VaeConfig,
    require,
    require_seed,
    require_unset,
)
from common.errors import UserError
from common.files import require_free
from common.inputs import DataName
from common.training.runs import trained_on
from common.weights_folders import WeightsName, find_weights, read_config, reading_config
from music.sound.notes import SCALES, Mixture, parse_mixture, parse_pitch, require_in_range

NetSize = Literal["debug", "small", "base", "large"]
Core = Literal["gan", "vae"]
Scale = Literal["major", "minor", "chromatic"]

BUILT_IN = ("instruments",)
Data = Annotated[str, DataName(BUILT_IN)]
Maker = Annotated[str, WeightsName("music", ("sound",))]

RATE = 16_000  # samples a second
HOP = 256  # samples between two frames of a spectrogram
FRAMES = 64  # of a spectrogram, a second and a little more
SECONDS = (1, 2, 4)  # that a sound may last
SHORTEST, LONGEST = 0.1, 4.0  # seconds of a recording without the silence around it
NO_PITCH = 128  # stands for a pitch that is not known; those of MIDI go from 0 to 127
LONGEST_NOTE, MOST = 60.0, 10_000  # seconds of a note, and sounds of a kind, that can be asked for
MAKER = "instruments"  # the bundled weights that make notes of instruments
WIDTHS: dict[NetSize, int] = {"debug": 4, "small": 16, "base": 32, "large": 64}  # see `music.sound.networks`


def ending(out: str) -> str:
    """The ending of an --out in small letters; "" for a folder."""
    path = Path(out)
    return "" if out.endswith("/") or path.is_dir() else path.suffix.lower()


def length(seconds: int) -> int:
    """The samples of a sound of so many times `FRAMES` frames, the first and the last at its ends."""
    return (seconds * FRAMES - 1) * HOP


@dataclass(frozen=True, kw_only=True)
class TrainConfig(GanConfig, VaeConfig, AugmentConfig, RunConfig):
    """Settings of `python -m music.sound.train`; --help lists the last base's first."""

    data: Data = "instruments"  # instruments, or a folder or .zip of WAV, FLAC, OGG and MP3; sub-folders are classes
    seconds: int = 1  # that a sound lasts: 1, 2 or 4; longer ones are cut, shorter ones end in silence
    core: Core | None = None  # gan: of any sounds; vae: of notes, by harmonics and noise; default: vae for instruments
    weights: Maker | None = None  # what it begins with, as far as layers fit; a bundled name, a folder or a Hub id
    net_size: NetSize = "small"  # width of the networks: 4, 16, 32 or 64 channels
    batch: int = 16  # sounds a step, over all processes together

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.seconds in SECONDS, "seconds", f"must be 1, 2 or 4, not {self.seconds}")
        if self.core is not None:
            require_unset(self, self.core, *((GanConfig, AugmentConfig) if self.core == "vae" else (VaeConfig,)))
        for name in ("net_size", "latent"):
            unset = self.weights is None or getattr(self, name) == getattr(type(self), name)
            require(unset, name, "is that of the --weights; leave it out")
        part = self.batch // self.accumulate
        # The critic compares groups of four, which must not mix real and made sounds.
        require(part % 4 == 0, "batch", f"must be a multiple of 4 in each of its --accumulate parts, not {part}")


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(OutputConfig):
    """Settings of `python -m music.sound.generate`."""

    shares: ClassVar[bool] = True

    weights: Maker = MAKER  # a bundled name, a folder (weights or a run) or a Hub id
    # One or more of .wav (sounds after each other), .png (spectrograms of them) and a folder (a .wav each).
    out: tuple[str, ...] = ("note.wav",)
    overwrite: bool = False  # write anew what is there
    instrument: tuple[str, ...] = ()  # one or more, by name or as a mixture: "0.5 flute + 0.5 cello"; default: all
    morph: tuple[str, ...] = ()  # two or more instruments, from one to the next of which a note goes
    pitch: tuple[str, ...] = ()  # one or more, such as A3 or C#4; default: the middle of the instrument's range
    scale: Scale | None = None  # major, minor or chromatic: an octave up from the --pitch
    chord: bool = False  # all notes at once
    velocity: int = 100  # 1 to 127: how hard a note is played
    seconds: float | None = None  # that a note lasts, its end included; default: as learned
    n: int = 1  # sounds of each kind, from as many latents
    seed: int = 0  # of the latents; means the same on every device

    def __post_init__(self) -> None:
        super().__post_init__()
        for text in self.pitch:
            parse_pitch(text)
        require(len(self.morph) != 1, "morph", "takes two instruments or more")
        require(not (self.morph and self.instrument), "morph", "and --instrument exclude each other; name one")
        require(self.scale is None or not self.chord, "scale", "and --chord exclude each other; name one")
        require(self.scale is None or len(self.pitch) == 1, "scale", "begins at one --pitch; name it")
        require(1 <= self.velocity <= 127, "velocity", f"must be 1 to 127, not {self.velocity}")
        fits = self.seconds is None or 0.1 <= self.seconds <= LONGEST_NOTE
        require(fits, "seconds", f"must be 0.1 to {LONGEST_NOTE:g}, not {self.seconds}")
        require(1 <= self.n <= MOST, "n", f"must be 1 to {MOST:,}, not {self.n}")
        require_seed(self.seed)
        require(bool(self.out), "out", "names no file; name one or more")
        for out in self.out:
            require(ending(out) in ("", ".wav", ".png"), "out", f"{out} must end in .wav, .png, /")

    def check_inputs(self) -> None:
        super().check_inputs()
        for out in self.out:
            require_free(out, self.overwrite)
            if ending(out) == "" and any(Path(out).glob("*.wav")) and not self.overwrite:
                raise UserError(f"--out {out} holds sounds already; name a new folder, or add --overwrite")
        with reading_config(folder := find_weights(self.weights, "music")):
            config = read_config(folder)
            classes, ranges = config["classes"], config["ranges"]
        self.check_pitches(classes, ranges)
        for name in ("pitch", "scale", "chord", "velocity"):
            fits = ranges or getattr(self, name) == getattr(type(self), name)
            require(fits, name, f"means nothing to {self.weights}, whose sounds have no pitch")

    def check_pitches(self, classes: Sequence[str], ranges: Sequence[Sequence[int]]) -> None:
        """Refuse instruments that are not known, and pitches that they do not play; those of a mixture share theirs."""
        mixtures = self.mixtures(classes)
        for together in [[mixture] for mixture in mixtures] if self.instrument else [mixtures]:
            if ranges:
                require_in_range(self.pitches, together, ranges, classes)

    @property
    def source(self) -> str:
        return self.weights

    @property
    def pitches(self) -> list[int]:
        """What is asked for by --pitch and --scale, as MIDI numbers; [] if nothing is."""
        steps = SCALES[self.scale] if self.scale else (0,)
        return [parse_pitch(text) + step for text in self.pitch for step in steps]

    def mixtures(self, classes: Sequence[str]) -> list[Mixture]:
        """The instruments that are asked for, each as shares of classes; the stops of --morph.

        Raises:
            UserError: one is not known.
        """
        if self.morph:
            return [parse_mixture(text, classes, "morph") for text in self.morph]
        if self.instrument:
            return [parse_mixture(text, classes) for text in self.instrument]
        return [{label: 1.0} for label in range(len(classes))]


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(DeviceConfig):
    """Settings of `python -m music.sound.evaluate`."""

    shares: ClassVar[bool] = True

    weights: Maker = MAKER  # a bundled name, a folder (weights or a run) or a Hub id
    data: Data | None = None  # whose held-out sounds are the measure; default: what was trained on
    n: int = 1_000  # made sounds, and as many held-out ones (fewer if there are fewer)
    seed: int = 0  # of the latents and of the choice of held-out sounds
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights>

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 30, "n", f"must be 30 or more, not {self.n}")
        require_seed(self.seed)

    def check_inputs(self) -> None:
        super().check_inputs()
        data = self.data or trained_on(find_weights(self.weights, "music"), BUILT_IN)
        DataName(BUILT_IN).check(f"--data {data}", data)
