"""The settings of the commands that translate pictures into pictures; nothing here imports torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tyro.conf import Positional, Suppress, arg

from common.config import (
    Checked,
    DeviceConfig,
    GanConfig,
    LossName,
    OutputConfig,
    RunConfig,
    first_set,
    require,
    require_seed,
    require_unset,
)
from common.errors import UserError
from common.inputs import DataNames, InputFile
from common.pictures.formats import FORMATS, PHOTO_SETS
from common.training.runs import folder_of, recorded
from common.weights_folders import WeightsName, network_setting
from image.config import DATA_SETS, Finish

TaskName = Literal["colorize", "edges", "inpaint", "pairs"]
Core = Literal["gan", "classes"]
Difference = Literal["absolute", "psnr"]
NetSize = Literal["debug", "small", "base", "large"]
DATA = DataNames((*PHOTO_SETS, *DATA_SETS))
Data = Annotated[str, DATA]
Translator = Annotated[str, WeightsName("image", ("translator",))]
Paths = Positional[Annotated[tuple[str, ...], arg(metavar="PATH ...")]]

WIDTHS: dict[NetSize, int] = {"debug": 4, "small": 32, "base": 64, "large": 96}  # see `image.translate.networks`
DEFAULT_DATA: dict[TaskName, str] = {"colorize": "photos", "edges": "emoji", "inpaint": "photos"}
DEFAULT_WEIGHTS: dict[TaskName, str] = {"colorize": "colorize", "edges": "edges", "inpaint": "inpaint"}
SUFFIXES: dict[TaskName, str] = {"colorize": "_colour", "edges": "_drawn", "inpaint": "_filled", "pairs": "_translated"}
STRIDE = 32  # patches are multiples of it


def require_pairs(data: str, task: TaskName) -> None:
    """Raise a UserError if the task is to learn from pairs, and the data is a set that has none."""
    if task == "pairs" and data in (*PHOTO_SETS, *DATA_SETS):
        raise UserError(f"--data {data} has no pairs; name a folder or .zip of them, or another --task")


@dataclass(frozen=True, kw_only=True)
class PatchConfig(GanConfig):
    """What outputs are told that are compared with true pictures pixel by pixel and patch by patch."""

    finish: Finish | None = None  # last layers; shuffle is faster, smooth (default of edges) shows no weave
    critic_width: int = 64  # channels of the critic at half the resolution
    pixel: float = 30.0  # weight of the difference from true pictures
    difference: Difference = "absolute"  # absolute: its mean; psnr: its square, of each picture by its logarithm
    perceptual: float | None = None  # weight of the distance in trained features; default: 10 for inpaint, else 0
    adversarial: float = 1.0  # weight of what the critic says; 0 does without it
    saturation: float = 0.0  # colorize: how much more a difference counts where the true colours are strong


@dataclass(frozen=True, kw_only=True)
class ClassesConfig(Checked):
    """How classes of colours are learned."""

    uniform: float = 0.5  # classes: 1 has all places count alike; less, those of rare colours for more
    frozen: int = 10_000  # classes: patches in which the recognising half does not learn


UNREAD: dict[Core, tuple[type, ...]] = {"gan": (ClassesConfig,), "classes": (PatchConfig,)}  # by each
READ = ("betas",)  # of `GanConfig` by both


@dataclass(frozen=True, kw_only=True)
class TrainConfig(PatchConfig, ClassesConfig, RunConfig):
    """Settings of `python -m image.translate.train`; --help lists the last base's first."""

    task: TaskName = "colorize"  # colorize, edges (drawings to pictures), inpaint, or pairs: your own before and after
    core: Core | None = None  # classes (of colours, told by a network that recognises things) or gan; default: by task
    data: Data | None = None  # photos, a set of image.train, or folders or .zips with commas between; default: by task
    weights: Translator | None = None  # what it begins with, as far as layers fit; a bundled name, a folder or a Hub id
    reverse: bool = False  # pairs: from B to A
    patch: int = 128  # side of what is learned from at a time, in pixels
    net_size: NetSize = "small"  # width of the network: 4, 32, 64 or 96 channels; classes: half as many more
    loss: LossName = "hinge"  # adversarial loss
    lr: float | None = None  # learning rate; default 2e-4, with classes 1e-3
    penalty: float = 0.0  # weight of R1 + R2 beside the critic's spectral norm
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam
    batch: int = 16  # patches a step, over all processes together
    warm_up: int = 4_000  # patches over which the learning rate rises from 0
    latent: Suppress[int] = 1  # of GanConfig; a translator draws no latents
    condition_dropout: Suppress[float] = 0.0  # of GanConfig; nothing is hidden

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.patch % STRIDE == 0 and 32 <= self.patch <= 1024
        require(fits, "patch", f"must be a multiple of {STRIDE} up to 1024, not {self.patch}")
        require(4 <= self.critic_width <= 512, "critic_width", f"must be 4 to 512, not {self.critic_width}")
        for name in ("pixel", "adversarial", "saturation"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")
        require((self.perceptual or 0) >= 0, "perceptual", f"must be 0 or more, not {self.perceptual}")
        nothing = f"means nothing with --task {self.task}; leave it out"
        require(not self.perceptual or self.task != "colorize", "perceptual", nothing)
        require(self.finish != "smooth" or self.task != "inpaint", "finish", f"smooth {nothing}")
        require(self.pixel + self.adversarial > 0, "pixel", "and --adversarial cannot both be 0")
        require(0 < self.uniform <= 1, "uniform", f"must be above 0 and up to 1, not {self.uniform}")
        require(self.frozen >= 0, "frozen", f"must be 0 or more, not {self.frozen}")
        require(self.data is not None or self.task != "pairs", "data", "names the pairs; there are none built in")
        require_pairs(self.data or "", self.task)
        for name, task in (("saturation", "colorize"), ("reverse", "pairs")):
            unset = self.task == task or getattr(self, name) == getattr(type(self), name)
            require(unset, name, nothing)
        require(self.core != "classes" or self.task == "colorize", "core", "classes is for --task colorize alone")
        require_unset(self, self.trained_core, *UNREAD[self.trained_core], read=READ)

    @property
    def perceptual_weight(self) -> float:
        """--perceptual, or what it is by default."""
        return (10.0 if self.task == "inpaint" else 0.0) if self.perceptual is None else self.perceptual

    @property
    def run_name(self) -> str:
        """The folder in runs/ where --out names none."""
        from common.data.folders import short_name  # not quick to import

        return f"image-{'-'.join(map(short_name, DATA.split(self.named_data)))}-{self.task}"

    @property
    def named_data(self) -> str:
        """What is trained on."""
        return self.data or DEFAULT_DATA[self.task]

    @property
    def trained_core(self) -> Core:
        """What is trained: --core, or what suits the task, the other settings and the run to resume."""
        if self.core is not None:
            return self.core
        names_gan = first_set(self, *UNREAD["classes"], read=READ) is not None
        return "gan" if self.task != "colorize" or names_gan or (self.resume and self._is_older()) else "classes"

    def _is_older(self) -> bool:
        """Whether the run to resume was begun before there was a choice."""
        before = recorded(folder_of(self, self.run_name))
        return bool(before) and "core" not in before


@dataclass(frozen=True, kw_only=True)
class TranslateConfig(OutputConfig):
    """Settings of `python -m image.translate`."""

    shares: ClassVar[bool] = True

    paths: Paths = ()  # pictures, for colorize also films, folders of them, and patterns such as "*.jpg"
    task: TaskName | None = None  # colorize, edges or inpaint; default: that of --weights, or colorize
    weights: Translator | None = None  # a bundled name, a folder (weights or a run) or a Hub id; default: by --task
    mask: InputFile | None = None  # inpaint: a picture that is white where the hole is; default: what is transparent
    out: Path | None = None  # a folder, or a file if there is one input; default: beside the input
    suffix: str | None = None  # behind the names of outputs; default: _colour, _drawn, _filled or _translated
    format: str | None = None  # png, jpg, webp, tif, gif, bmp or avif; default: the input's
    quality: int = 95  # 1 to 100, of jpg, webp and avif
    overwrite: bool = False  # write anew what is there; by default it is skipped
    tile: int | None = None  # longest side of what the network gets at once, in pixels; default: 2048
    hints: InputFile | None = None  # colorize: a picture that is transparent but for dots of colour, which spread

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.paths:
            raise UserError("nothing to translate; name a picture, a folder or a pattern")
        has_weights = self.weights is not None or self.task is None or self.task in DEFAULT_WEIGHTS
        require(has_weights, "task", f"{self.task} has no weights that ship; name trained ones by --weights")
        is_known = self.format is None or self.ending in FORMATS
        require(is_known, "format", f"must be one of {' '.join(FORMATS).replace('.', '')}, not {self.format}")
        require(1 <= self.quality <= 100, "quality", f"must be 1 to 100, not {self.quality}")
        is_name = self.suffix is None or not set(self.suffix) & {"/", "\\", "\0"}
        require(is_name, "suffix", f"{self.suffix} is part of a file's name; name folders by --out")

    def check_inputs(self) -> None:
        super().check_inputs()
        trained = self.trained_task
        if self.task not in (None, trained):
            raise UserError(
                f"--weights {self.weights} are for --task {trained}, not {self.task}; leave one of the two out"
            )
        fits = self.mask is None or trained == "inpaint"
        require(fits, "mask", f"means nothing with --task {trained}; leave it out")
        for name in ("hints", "tile"):
            fits = getattr(self, name) is None or (self.trained_core == "classes") == (name == "hints")
            require(fits, name, f"means nothing with the weights {self.source}; leave it out")

    @property
    def source(self) -> str:
        """The weights asked for, or those of --task."""
        return DEFAULT_WEIGHTS[self.task or "colorize"] if self.weights is None else self.weights

    @property
    def is_composite(self) -> bool:
        return True

    @property
    def trained_task(self) -> TaskName:
        """What the weights were trained for.

        Raises:
            UserError: there are no such weights, or they are of another kind.
        """
        return network_setting(self.source, "image", "translator", "task", SUFFIXES)

    @property
    def trained_core(self) -> Core:
        """How the weights were trained; those of before there was a choice do not say it.

        Raises:
            UserError: as `trained_task`.
        """
        return network_setting(self.source, "image", "translator", "core", ("gan", "classes", None)) or "gan"

    @property
    def colours_films(self) -> bool:
        """Whether films are taken, too."""
        return self.trained_core == "classes" and self.hints is None and self.mask is None

    @property
    def ending(self) -> str:
        """The ending of outputs, or "" for that of the input."""
        return f".{self.format.lower().removeprefix('.')}" if self.format else ""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(DeviceConfig):
    """Settings of `python -m image.translate.evaluate`."""

    data: Data  # what image.translate.train takes; its held-out part is the measure
    weights: Translator = DEFAULT_WEIGHTS["colorize"]  # a bundled name, a folder (weights or a run) or a Hub id
    n: int = 200  # pictures at most
    seed: int = 0  # of holes
    side: int | None = None  # compare whole scenes, shrunk to squares of so many pixels; default: as trained
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights>

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 2, "n", f"must be 2 or more, not {self.n}")
        fits = self.side is None or (self.side % STRIDE == 0 and self.side > 0)
        require(fits, "side", f"must be a multiple of {STRIDE}, not {self.side}")
        require_seed(self.seed)
