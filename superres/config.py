"""The settings of the super-resolution commands; nothing here imports torch."""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tyro.conf import Positional, Suppress, arg

from common.config import (
    Checked,
    DeviceConfig,
    GanConfig,
    OnnxConfig,
    OutputConfig,
    RunConfig,
    require,
    require_extra,
    require_seed,
    require_unset,
)
from common.errors import UserError
from common.inputs import FileName, InputFile, ShardsName
from common.pictures.formats import FORMATS, PHOTO_SETS
from common.weights_folders import WeightsName, bundled, network_setting

Core = Literal["pixel", "gan"]
Net = Literal["fast", "base"]
Degradation = Literal["bicubic", "real", "second-order"]
Data = Annotated[str, ShardsName(PHOTO_SETS)]
Upscaler = Annotated[str, WeightsName("superres", ("generator",))]


class WeightsOrFile(WeightsName):
    """The same, or a model file."""

    def check(self, given: str, value: str) -> None:
        if not is_model_file(value):
            super().check(given, value)
            return
        FileName().check(given, Path(value))
        onnx = value.lower().endswith(ONNX)
        require_extra(given, *(("onnx", "onnxruntime") if onnx else ("models", "spandrel")))


class SeveralWeights(WeightsOrFile):
    """The same, or several with commas between."""

    def split(self, value: str) -> list[str]:
        """Each by itself; a folder that is there may have commas of its own."""
        return [value] if os.path.exists(value) else value.split(",")

    def check(self, given: str, value: str) -> None:
        for name in self.split(value):
            super().check(given if name == value else f"--weights {name}", name)


def is_model_file(source: str) -> bool:
    """Whether weights are named by a file of their own, and not by a folder, a bundled name or a Hub id."""
    return Path(source).suffix.lower() in MODEL_FILES and not Path(source).is_dir()


def require_cpu(names: Iterable[str | None], device: str) -> None:
    """Refuse another --device than the CPU for what onnxruntime computes."""
    for name in names:
        fits = device in ("auto", "cpu") or not (name or "").lower().endswith(ONNX)
        require(fits, "device", f"{device} is nothing for {name}, which runs on the CPU; leave it out")


Enlarger = Annotated[str, WeightsOrFile("superres", ("generator",))]
NAMES = SeveralWeights("superres", ("generator",))
Upscalers = Annotated[str, NAMES]
Paths = Positional[Annotated[tuple[str, ...], arg(metavar="PATH ...")]]

SCALES = (2, 3, 4, 8)
ONNX = ".onnx"
MODEL_FILES = (ONNX, ".pth", ".safetensors")  # of `superres.export`, and of other programs
MOST = 16  # times as large, along each side
SIZES = {  # flags that give the size of results, and what stands behind their names
    "width": "_w{:g}",
    "height": "_h{:g}",
    "longest": "_l{:g}",
    "megapixels": "_{:g}mp",
}
DEFAULT_WEIGHTS = "x4-fast"
TWIN = "-gan"  # behind the name of pixel-trained weights: their adversarial twin
REAL, FAST = "-real", "-fast"  # behind the name of their twin for noisy pictures, in the place of the other
TWICE = "x2-fast"  # better for all that is at most twice as large


def twins(source: str) -> tuple[str, str]:
    """The names of pixel-trained weights and of their adversarial twin, either of which may be `source`.

    Raises:
        UserError: `source` is a folder or bundled, and the other is not there; on the Hub nothing is sought.
    """
    soft = source.rstrip("/").removesuffix(TWIN)
    return _both("sharpness", "--core gan", source, (soft, soft + TWIN))


def denoised(source: str) -> tuple[str, str]:
    """The names of weights for clean pictures and of their twin for noisy ones, either of which may be `source`.

    Raises:
        UserError: `source` is a folder or bundled, and the other is not there; on the Hub nothing is sought.
    """
    name = source.rstrip("/")
    stem = name.removesuffix(REAL).removesuffix(FAST)
    plain = stem if _is_there(stem) else stem + FAST
    return _both("denoise", "--degradation real", source, (plain if name.endswith(REAL) else name, stem + REAL))


def _both(flag: str, trained: str, source: str, names: tuple[str, str]) -> tuple[str, str]:
    """The names, of which `source` is one, if weights of both are there, or neither is, as on the Hub."""
    if is_model_file(source):
        raise UserError(f"--{flag}: {source} is a file, which has no twin to blend with; leave it out")
    missing = [name for name in names if not _is_there(name)]
    if len(missing) == 1 and missing[0] != source.rstrip("/"):
        advice = f"train it by `python -m superres.train {trained} --weights {source} --out {missing[0]}`"
        others = ", name others by --weights (x4-fast has one)" if source in bundled("superres") else ""
        raise UserError(f"--{flag}: {source} has no twin {missing[0]} to blend with; {advice}{others}, or leave it out")
    return names


def _is_there(name: str) -> bool:
    return Path(name).is_dir() or name in bundled("superres")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(GanConfig, RunConfig):
    """Settings of `python -m superres.train`; --help lists the last base's first."""

    data: Data = "photos"  # photos (in scikit-image and scikit-learn), drawings (rendered), a folder, .zip or shards
    core: Core = "pixel"  # pixel: as close to the truth as can be; gan: sharp, begins as trained --weights
    weights: Upscaler | None = None  # what it begins as (fast: made larger); a bundled name, a folder or a Hub id
    scale: int = 4  # pixels for each one, along each side: 2, 3, 4 or 8
    net: Net = "fast"  # fast: 10 convolutions of 48 channels; base: 6 blocks of 3 with attention, twice the work
    width: int | None = None  # channels, other than those of --net
    depth: int | None = None  # convolutions between the first and the last (base: blocks), other than those of --net
    degradation: Degradation = "bicubic"  # what made pictures small; real: blur, noise, JPEG too; second-order: twice
    patch: int = 32  # side of what is upscaled in training, in pixels
    shrunk: float = 1.0  # below 1: pictures to learn from also come so much smaller, sharper and without JPEG's traces
    detail: float = 0.0  # share of the patches of which each is the one with more detail of two
    teacher: Upscaler | None = None  # pixel: weights whose pictures are learned too, such as x4-base for a fast
    taught: float = 0.5  # with --teacher: share of its pictures in what is learned, beside the true ones
    frequency: float = 0.5  # weight of the difference between spectra beside that between pixels
    pixel: float = 1.0  # gan: weight of the difference between pixels and between spectra
    perceptual: float = 1.0  # gan: weight of the difference between features
    consistency: float = 1.0  # gan: weight of the difference that shrinking shows, which keeps colours
    grid: float = 5.0  # gan: weight of patterns that repeat with the small pixels and that the truth has not
    adversarial: float = 0.05  # gan: weight of what the critic says
    critic_width: int = 24  # gan: channels of the critic at half the resolution
    batch: int = 16  # patches a step, over all processes together
    lr: float | None = None  # learning rate; default 1e-3 for pixel and 2e-4 for gan
    final_lr: float = 0.01  # the learning rate at the end, as a share of that at the start (cosine in between)
    warm_up: int = 4_000  # patches over which the learning rate rises from 0
    snapshot: int = 8_000  # patches between two checkpoints, with a sample sheet and a look at the quality
    penalty: float = 0.0  # weight of R1 + R2 beside the critic's spectral norm
    betas: tuple[float, float] = (0.9, 0.99)  # of Adam
    latent: Suppress[int] = 1  # of GanConfig; upscaling draws no latents
    condition_dropout: Suppress[float] = 0.0  # of GanConfig; nothing is hidden

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.scale in SCALES, "scale", f"must be 2, 3, 4 or 8, not {self.scale}")
        require(self.width is None or 4 <= self.width <= 512, "width", f"must be 4 to 512, not {self.width}")
        require(self.depth is None or 1 <= self.depth <= 100, "depth", f"must be 1 to 100, not {self.depth}")
        require(8 <= self.patch <= 512, "patch", f"must be 8 to 512, not {self.patch}")
        require(0.1 <= self.shrunk <= 1, "shrunk", f"must be 0.1 to 1, not {self.shrunk}")
        require(0 <= self.detail <= 1, "detail", f"must be 0 to 1, not {self.detail}")
        require(0 < self.taught <= 1, "taught", f"must be above 0, up to 1, not {self.taught}")
        require(self.teacher is None or self.core == "pixel", "teacher", "is for --core pixel; leave it out")
        is_read = self.teacher is not None or self.taught == type(self).taught
        require(is_read, "taught", "means nothing without --teacher; leave it out")
        require(8 <= self.critic_width <= 512, "critic_width", f"must be 8 to 512, not {self.critic_width}")
        for name in ("frequency", "pixel", "perceptual", "consistency", "grid", "adversarial"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")
        if self.core == "pixel":
            require_unset(self, "pixel", GanConfig, read=("betas",))
            for name in ("pixel", "perceptual", "consistency", "grid", "adversarial", "critic_width"):
                unset = getattr(self, name) == getattr(type(self), name)
                require(unset, name, "means nothing with --core pixel; leave it out")
            return
        fits = self.patch % 8 == 0 and self.patch >= 16
        require(fits, "patch", f"must be a multiple of 8 from 16 on with --core gan, not {self.patch}")
        require(self.weights is not None, "core", "gan begins as trained weights; name them by --weights")
        for name in ("scale", "net", "width", "depth"):
            unset = getattr(self, name) == getattr(type(self), name)
            require(unset, name, "is that of the --weights with --core gan; leave it out")


@dataclass(frozen=True, kw_only=True)
class SharpnessConfig(Checked):
    """Weights, or a blend of them and their twin."""

    weights: Upscaler = DEFAULT_WEIGHTS  # a bundled name, a folder (weights or a run) or a Hub id
    sharpness: float | None = None  # from 0, pixel-trained weights, to 1, their adversarial twin; default: --weights

    def __post_init__(self) -> None:
        super().__post_init__()
        sharpness = self.sharpness
        require(sharpness is None or 0 <= sharpness <= 1, "sharpness", f"must be in [0, 1], not {sharpness}")

    def check_inputs(self) -> None:
        super().check_inputs()
        if self.sharpness is not None:
            twins(self.weights)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SharpnessConfig, DeviceConfig):
    """Settings of `python -m superres.evaluate`."""

    data: Data  # folder or .zip of true pictures, photos (in scikit-image and scikit-learn) or drawings-test
    degradation: Degradation = "bicubic"  # what makes pictures small; the published figures are of bicubic
    seed: int = 0  # of --degradation real and second-order
    ensemble: bool = False  # measure the mean over eight ways to turn and mirror, as --ensemble of superres.upscale
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights>

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class ExportConfig(SharpnessConfig, OnnxConfig):
    """Settings of `python -m superres.export`."""


@dataclass(frozen=True, kw_only=True)
class UpscaleConfig(OutputConfig):
    """Settings of `python -m superres.upscale`."""

    shares: ClassVar[bool] = True

    paths: Paths = ()  # pictures and videos, folders of them, and patterns such as "*.jpg"
    weights: Upscalers | None = None  # a bundled name, a folder, a Hub id or a model file; default: by --scale
    scale: float | None = None  # pixels for each one, along each side, 1 to 16, such as 2.5; default: the network's
    width: int | None = None  # of results, in pixels, instead of --scale; each becomes as much larger as it takes
    height: int | None = None  # of results, likewise
    longest: int | None = None  # side of results, likewise
    megapixels: float | None = None  # of results, likewise; 1 is a million pixels
    sharpness: float | None = None  # from 0, pixel-trained weights, to 1, their adversarial twin; default: --weights
    denoise: float | None = None  # from 0, weights for clean pictures, to 1, their twin for noisy ones (x4-real)
    ensemble: bool = False  # the mean over eight ways to turn and mirror: nearer to the truth, eight times the time
    out: Path | None = None  # a folder, or a file if there is one input; default: beside the input
    suffix: str | None = None  # behind the names of outputs; default: _x4, _w1920 or the like
    format: str | None = None  # of pictures: png, jpg, webp, tif, gif, bmp or avif; default: the input's
    quality: int = 95  # 1 to 100, of jpg, webp and avif
    overwrite: bool = False  # write anew what is there; by default it is skipped
    tile: int | None = None  # longest side of what the network gets at once, in pixels; default: by the free memory
    codec: str = "auto"  # of videos: h264, hevc, vp9 or av1; auto: what files of that ending usually hold
    preview: float | None = None  # of videos: only so many seconds from all over, by each of --weights a,b,c
    drop: bool = False  # of videos: leave out what the output cannot hold, for want of which they are else refused
    deflicker: bool = False  # of videos: where nothing moves, average frames with the two before
    crf: int | None = None  # of videos: constant quality, lower is better; default: the codec's usual

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.paths:
            raise UserError("nothing to upscale; name a picture, a video, a folder or a pattern")
        require(self.scale is None or 1 <= self.scale <= MOST, "scale", f"must be 1 to {MOST}, not {self.scale}")
        given = [name for name in ("scale", *SIZES) if getattr(self, name) is not None]
        require(len(given) < 2, " and --".join(given), "exclude each other; name one")
        for name in SIZES:
            value = getattr(self, name)
            require(value is None or 0 < value < math.inf, name, f"must be above 0, not {value}")
        sharpness = self.sharpness
        require(sharpness is None or 0 <= sharpness <= 1, "sharpness", f"must be in [0, 1], not {sharpness}")
        denoise = self.denoise
        require(denoise is None or 0 <= denoise <= 1, "denoise", f"must be in [0, 1], not {denoise}")
        require(None in (sharpness, denoise), "sharpness and --denoise", "exclude each other; name one")
        is_known = self.format is None or self.ending in FORMATS
        require(is_known, "format", f"must be one of {' '.join(FORMATS).replace('.', '')}, not {self.format}")
        require(1 <= self.quality <= 100, "quality", f"must be 1 to 100, not {self.quality}")
        require(self.tile is None or self.tile >= 1, "tile", f"must be 1 or more, not {self.tile}")
        require(self.preview is None or 0 < self.preview < math.inf, "preview", f"must be above 0, not {self.preview}")
        require_cpu(self.names, self.device)
        is_one = len(self.names) == 1 or self.preview is not None
        require(is_one, "weights", "takes several only with --preview; name one")
        is_folder = len(self.names) == 1 or self.out is None or not self.out.suffix or self.out.is_dir()
        require(is_folder, "out", f"{self.out} is one file, which is for one of --weights; name a folder")
        is_name = self.suffix is None or not set(self.suffix) & {"/", "\\", "\0"}
        require(is_name, "suffix", f"{self.suffix} is part of a file's name; name folders by --out")

    def check_inputs(self) -> None:
        super().check_inputs()
        for one in self.each:
            _ = one.sources

    @property
    def names(self) -> tuple[str | None, ...]:
        """Of --weights, each by itself."""
        return (None,) if self.weights is None else tuple(NAMES.split(self.weights))

    @property
    def each(self) -> "list[UpscaleConfig]":
        """The same settings with each of the --weights."""
        return [replace(self, weights=name) for name in self.names]

    @property
    def source(self) -> str:
        """The weights asked for, or those that suit --scale."""
        return self.source_for(self.scale)

    def source_for(self, scale: float | None) -> str:
        """The weights asked for, or those that suit a scale; None is theirs."""
        suited = DEFAULT_WEIGHTS if scale is None or scale > 2 else TWICE
        return suited if self.weights is None else self.weights

    @property
    def sources(self) -> tuple[str, ...]:
        if self.sharpness is not None:
            return twins(self.source)
        return (self.source,) if self.denoise is None else denoised(self.source)

    @property
    def is_composite(self) -> bool:
        return True

    @property
    def mark(self) -> str:
        """What stands behind the names of outputs.

        Raises:
            UserError: there are no such weights, or they are of another kind.
        """
        by = "" if self.preview is None else f"_preview-{Path(self.source).name}"
        return f"{self._size_mark}{by}"

    @property
    def _size_mark(self) -> str:
        if self.suffix is not None:
            return self.suffix
        for name, pattern in SIZES.items():
            if (value := getattr(self, name)) is not None:
                return pattern.format(value)
        return f"_x{self.scale or self._network_scale:g}"

    @property
    def _network_scale(self) -> int:
        if is_model_file(self.source):
            from superres.foreign import scale_of  # torch loads, for it is from the file that the scale is found

            return scale_of(Path(self.source))
        return network_setting(self.source, "superres", "generator", "scale", SCALES)

    @property
    def is_sized(self) -> bool:
        """Whether the results' size is given, so that the scale depends on that of the input."""
        return any(getattr(self, name) is not None for name in SIZES)

    def scale_for(self, height: int, width: int) -> float | None:
        """By how much each side of a picture or film of this size, upright, becomes longer; None: the weights decide.

        Raises:
            UserError: it is larger already, or would become more than 16 times as large.
        """
        if not self.is_sized:
            return self.scale
        before = {"width": width, "height": height, "longest": max(width, height), "megapixels": width * height / 1e6}
        name = next(name for name in SIZES if getattr(self, name) is not None)
        ratio = getattr(self, name) / before[name]
        scale = ratio**0.5 if name == "megapixels" else ratio
        problem = f"--{name} {getattr(self, name):g} of {width} x {height} pixels"
        if scale < 1:
            raise UserError(f"{problem} would make it smaller; name more")
        if scale > MOST:
            raise UserError(f"{problem} would make it {scale:.4g} times as large, and {MOST} is the most; name less")
        return scale

    @property
    def ending(self) -> str:
        """The ending of pictures, or "" for that of the input."""
        return f".{self.format.lower().removeprefix('.')}" if self.format else ""


@dataclass(frozen=True, kw_only=True)
class CompareConfig(DeviceConfig):
    """Settings of `python -m superres.compare`."""

    picture: Positional[Annotated[InputFile, arg(metavar="PICTURE")]]  # on which weights are compared
    weights: tuple[Enlarger, ...] = (DEFAULT_WEIGHTS, DEFAULT_WEIGHTS + TWIN)  # two or more, as --weights of the others
    out: Path = Path("sheet.png")  # the sheet, .png, .jpg or .webp
    crops: int = 6  # places that are shown, at most
    side: int = 48  # of a place, in pixels of the picture
    overwrite: bool = False  # replace --out if it is there
    tile: int | None = None  # longest side of what the network gets at once, in pixels; default: by the free memory

    def __post_init__(self) -> None:
        super().__post_init__()
        require_cpu(self.weights, self.device)
        several = 2 <= len(self.weights) == len(set(self.weights))
        require(several, "weights", "takes two or more that differ, such as x4-fast x4-base")
        require(1 <= self.crops <= 100, "crops", f"must be 1 to 100, not {self.crops}")
        require(8 <= self.side <= 512, "side", f"must be 8 to 512, not {self.side}")
        require(self.tile is None or self.tile >= 1, "tile", f"must be 1 or more, not {self.tile}")
