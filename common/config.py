"""The settings that all domains share, as frozen dataclasses from which the command lines are made.

Nothing here imports torch, so that `--help` answers at once.
"""

import math
import re
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

from tyro.constructors import PrimitiveConstructorSpec

from common.errors import UserError
from common.files import require_free, require_nameable
from common.inputs import DataName, InputFile, check_inputs, flag_of


def _resume(words: list[str]) -> bool | Literal["auto"]:
    """What stands behind --resume."""
    if words not in ([], ["auto"]):
        raise ValueError(f"--resume takes nothing or auto, not {' '.join(words)}")
    return "auto" if words else True


Precision = Literal["auto", "fp32", "bf16"]
LossName = Literal["nonsaturating", "hinge", "least-squares", "wasserstein", "relativistic"]
Order = Literal["shuffled", "keyed"]  # of an epoch; shuffled: a list of all items, as runs of before have it
NEWEST: Order = "keyed"
Optimizer = Literal["adam", "muon"]
Tracker = Literal["tensorboard", "wandb", "mlflow", "trackio", "none"]
Transformation = Literal["translation", "affine", "cutout", "colour"]
Resume = Annotated[
    bool | Literal["auto"],
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="[auto]",
        instance_from_str=_resume,
        is_instance=lambda value: value in (True, False, "auto"),
        str_from_instance=lambda value: [] if value is True else [str(value)],
    ),
]
MAX_LR = 1.0  # learning rate


def require(condition: bool, flag: str, problem: str) -> None:
    """Raise a UserError about a flag unless the condition holds."""
    if not condition:
        raise UserError(f"--{flag.replace('_', '-')} {problem}")


def require_extra(given: str, extra: str, *modules: str) -> None:
    """Raise a UserError if modules of an optional extra, which `given` needs, are not installed."""
    if missing := [name for name in modules if find_spec(name) is None]:
        raise UserError(f"{given} needs {' and '.join(missing)}; pip install 'quartet-gen[{extra}]'")


def check_device(name: str) -> None:
    """Raise a UserError unless `name` is auto or written as a device is; whether there is one here, torch knows."""
    is_known = name == "auto" or re.fullmatch(r"(cpu|cuda|mps)(:\d{1,2})?", name, re.ASCII)
    require(is_known is not None, "device", f"{name} is no device; use auto, cpu, cuda, cuda:1 or mps")


def require_seed(seed: int) -> None:
    """Raise a UserError unless --seed is one that every generator takes."""
    require(0 <= seed < 1 << 31, "seed", f"must be 0 to 2^31 - 1, not {seed}")


def require_lr(name: str, value: float | None) -> None:
    """Raise a UserError unless a learning rate is usable: Adam moves every weight by about as much in a step."""
    require(value is None or 0 < value <= MAX_LR, name, f"must be above 0 and at most {MAX_LR:g}, not {value}")


class Checked:
    """Configs check themselves when made; each calls its bases', so that a command may combine several.

    Attributes:
        shares: whether several processes, as torchrun starts them, share the command's work; the others refuse it.
    """

    shares: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """The end of the chain: no number is infinite or none at all, whatever else is asked of it."""
        for name in (field.name for field in fields(cast(Any, self))):
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                finite = not isinstance(number, float) or math.isfinite(number)
                require(finite, flag_of(type(self), name), f"must be finite, not {number}")

    def check_inputs(self) -> None:
        """Look whether the files, data sets and weights that the settings name are there, before anything heavy loads.

        Raises:
            UserError: naming the first flag that names nothing, or nothing that the command can use.
        """
        check_inputs(self)


def require_unset(config: Any, core: str, *unread: type, read: tuple[str, ...] = ()) -> None:
    """Refuse settings of configs that a core does not read, unless they are what `config` has by default.

    Args:
        config: a dataclass that inherits from all of `unread`.
        unread: configs; what these share with every core (`ModelConfig`) is read.
        read: names in them that the core reads nevertheless.
    """
    name = first_set(config, *unread, read=read)
    require(name is None, name or "", f"means nothing with --core {core}; leave it out")


def first_set(config: Any, *configs: type, read: tuple[str, ...] = ()) -> str | None:
    """The first setting of `configs`, as `require_unset` takes them, that is not as by default; None if all are."""
    shared = {field.name for field in fields(ModelConfig)} | set(read)
    defaults = {field.name: field.default for field in fields(config)}
    names = (field.name for base in configs for field in fields(base) if field.name not in shared)
    return next((name for name in names if getattr(config, name) != defaults[name]), None)


@dataclass(frozen=True, kw_only=True)
class ThreadConfig(Checked):
    """How many cores a command takes."""

    threads: int | None = None  # that compute on the CPU; default: one a core; beside busy programs, fewer are faster

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.threads is None or 1 <= self.threads <= 1024, "threads", f"must be 1 to 1024, not {self.threads}")


@dataclass(frozen=True, kw_only=True)
class DeviceConfig(ThreadConfig):
    """Where a command computes."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1 or mps

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device(self.device)


@dataclass(frozen=True, kw_only=True)
class OnnxConfig(ThreadConfig):
    """What every export command shares."""

    out: Path  # the file, .onnx
    half: bool = False  # numbers of 16 bits: half as large, and less exact
    overwrite: bool = False  # replace --out if it is there

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.out.suffix.lower() == ".onnx", "out", f"{self.out} must end in .onnx")

    def check_inputs(self) -> None:
        super().check_inputs()
        require_nameable(self.out)
        require_free(self.out, self.overwrite)
        require_extra("export", "onnx", "onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True, kw_only=True)
class SamplesConfig(DeviceConfig):
    """What a command that measures weights or, instead, samples of any origin reads."""

    samples: Annotated[str | None, DataName(())] = None  # measure these and no weights; they are of the kind of --data
    data: str | None = None

    def _refuse_unread(self, of_weights: tuple[str, ...], of_samples: tuple[str, ...] = ()) -> None:
        """Refuse settings that weights alone or samples alone are measured by, where it is the other."""
        require(self.samples is None or self.data is not None, "samples", "are held against --data; name it")
        unread, told = (of_samples, "without") if self.samples is None else (of_weights, "with")
        for name in unread:
            unset = getattr(self, name) == getattr(type(self), name)
            require(unset, name, f"means nothing {told} --samples; leave it out")


@dataclass(frozen=True, kw_only=True)
class OutputConfig(DeviceConfig):
    """What every command that makes files with trained weights shares."""

    settings_from: InputFile | None = None  # take the settings that this result was made with; flags beside it win
    provenance: bool = True  # write into results how they were made: command, seed, version and weights

    @property
    def source(self) -> str:
        """The weights in use, by bundled name, path or Hub id."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """All weights in use."""
        return (self.source,)

    @property
    def is_composite(self) -> bool:
        """Whether results are inputs that were changed, and not made from nothing."""
        return False


@dataclass(frozen=True, kw_only=True)
class PrecisionConfig(DeviceConfig):
    """Where a command trains, and in which precision."""

    precision: Precision = "auto"  # auto: bf16 on GPUs and CPUs that compute in it, else fp32


@dataclass(frozen=True, kw_only=True)
class RunConfig(PrecisionConfig):
    """What every train command shares: its limits, its folder and its randomness."""

    shares: ClassVar[bool] = True

    out: Path | None = None  # folder of the run; default runs/<domain>-<data>-<model>
    steps: int | None = None  # stop after so many steps
    examples: int | None = None  # stop after so many training examples, in whole batches
    minutes: float | None = None  # stop after so many minutes, and save
    batch: int = 64  # examples a step, over all processes together
    accumulate: int = 1  # split each batch into so many parts that go through the device one by one
    seed: int = 0  # of weights, data order and noise
    resume: Resume = False  # go on from the newest checkpoint of --out; auto: from the newest whole one, or begin
    overwrite: bool = False  # delete an existing run of that name first
    stop_when_done: bool = False  # end as soon as as much training again as the best took has brought nothing better
    track: tuple[Tracker, ...] = ("tensorboard",)  # who is told of the figures beside metrics.jsonl; several, or none
    snapshot: int = 20_000  # examples between two checkpoints, with a sample sheet and a look at the quality
    compile: bool = False  # compile generators (pays on GPUs and long runs)
    final_lr: float = 0.1  # the learning rate at the end, as a share of that at the start (cosine in between)
    warm_up: int = 0  # examples over which the learning rate rises from 0
    optimizer: Optimizer | None = None  # adam, or muon (orthogonal updates of matrices); default: what suits best

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "examples", "minutes", "batch", "accumulate", "snapshot"):
            value = getattr(self, name)
            fits = value == getattr(type(self), name) or value > 0
            require(fits, flag_of(type(self), name), f"must be above 0, not {value}")
        require(self.batch % self.accumulate == 0, "accumulate", f"{self.accumulate} must divide --batch {self.batch}")
        require(not (self.resume and self.overwrite), "resume", "and --overwrite exclude each other; name one")
        require_seed(self.seed)
        require(self.warm_up >= 0, "warm_up", f"must be 0 or more, not {self.warm_up}")
        require(0 <= self.final_lr <= 1, "final_lr", f"must be in [0, 1], not {self.final_lr}")
        require(bool(self.track), "track", "names nothing; name one or more, or none")
        require(len(self.track) == 1 or "none" not in self.track, "track", "none excludes all others; name it alone")
        require(len(set(self.track)) == len(self.track), "track", "names one twice; name each once")

    def check_inputs(self) -> None:
        super().check_inputs()
        for name in self.track:
            is_there = name == "none" or is_installed(name)
            require(is_there, "track", f"{name} is not installed; `pip install {name}`, or leave it out")


def is_installed(package: str) -> bool:
    """Whether there is such a distribution; a folder of its name, as trackers leave them, is none."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


Settings = TypeVar("Settings", bound=RunConfig)


def with_limits(config: Settings, examples: int | None = None, minutes: float | None = None) -> Settings:
    """The settings of a run, with these limits if none is given: whichever comes first ends it."""
    is_limited = config.steps is not None or config.examples is not None or config.minutes is not None
    return config if is_limited else replace(config, examples=examples, minutes=minutes)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Checked):
    """What GANs and VAEs share."""

    latent: int = 64  # length of the latent vector
    lr: float | None = None  # learning rate; default 5e-4 for GANs and 1e-3 for VAEs
    average: float = 10_000  # half-life of the moving average of the weights, in examples
    average_ramp: float = 0.05  # the share of the examples seen that this half-life may be; runs that go on bear more

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("latent", "average", "average_ramp"):
            value = getattr(self, name)
            require(value > 0, name, f"must be above 0, not {value}")
        require_lr("lr", self.lr)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Checked):
    """What is done to the images that a critic sees, and how often."""

    augment: tuple[Transformation, ...] | None = None  # default: translation, colour and cutout where data are few
    augment_strength: float = 1.0  # probability of each; where an adaptive one starts
    augment_target: float | None = None  # adaptive: keep mean(sign(real logits)) here (0.6 in Karras et al. 2020)
    augment_images: float = 500_000  # adaptive: examples in which the strength may go from 0 to 1
    augment_warm_up: float = 0.0  # share of the run in which a fixed strength grows from 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.augment_images > 0, "augment_images", f"must be above 0, not {self.augment_images}")
        for name in ("augment_strength", "augment_warm_up"):
            require(0 <= getattr(self, name) <= 1, name, f"must be in [0, 1], not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class GanConfig(ModelConfig):
    """The rules of the two-player game."""

    loss: LossName = "relativistic"  # adversarial loss
    penalty: float = 0.5  # weight of R1 + R2 (of the interpolation penalty for wasserstein); 0 turns it off
    penalty_end: float | None = None  # its weight at the end (cosine in between); default: the same
    penalty_every: int = 4  # lazy: applied every so many steps, as many times heavier (Karras et al. 2020)
    critic_lr: float | None = None  # the critic's learning rate; default: --lr
    betas: tuple[float, float] = (0.0, 0.99)  # of Adam
    condition_dropout: float = 0.1  # how often the condition is hidden, so that one network also samples without it

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("penalty", "penalty_end"):
            value = getattr(self, name)
            require(value is None or value >= 0, name, f"must be 0 or more, not {value}")
        require(self.penalty_every >= 1, "penalty_every", f"must be 1 or more, not {self.penalty_every}")
        require_lr("critic_lr", self.critic_lr)
        require(all(0 <= beta < 1 for beta in self.betas), "betas", f"must be in [0, 1), not {self.betas}")
        dropout = self.condition_dropout
        require(0 <= dropout <= 1, "condition_dropout", f"must be in [0, 1], not {dropout}")


@dataclass(frozen=True, kw_only=True)
class VaeConfig(ModelConfig):
    """The terms of the evidence lower bound."""

    beta: float = 1.0  # weight of the KL term
    beta_warm_up: float = 0.0  # examples over which beta rises from 0
    free_bits: float = 0.0  # nats of KL a latent dimension that cost nothing

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("beta", "beta_warm_up", "free_bits"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")
