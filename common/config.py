"""The settings that all domains share, as frozen dataclasses from which the command lines are made.

Nothing here imports torch, so that `--help` answers at once.
"""

import re
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from common.errors import UserError
from common.files import require_free, require_nameable
from common.inputs import check_inputs, flag_of

Precision = Literal["auto", "fp32", "bf16"]
LossName = Literal["nonsaturating", "hinge", "least-squares", "wasserstein", "relativistic"]
Transformation = Literal["translation", "affine", "cutout", "colour"]


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


class Checked:
    """Configs check themselves when made; each calls its bases', so that a command may combine several."""

    def __post_init__(self) -> None:
        """The end of the chain."""

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
    shared = {field.name for field in fields(ModelConfig)} | set(read)
    defaults = {field.name: field.default for field in fields(config)}
    for name in (field.name for base in unread for field in fields(base) if field.name not in shared):
        problem = f"means nothing with --core {core}; leave it out"
        require(getattr(config, name) == defaults[name], name, problem)


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
class PrecisionConfig(DeviceConfig):
    """Where a command trains, and in which precision."""

    precision: Precision = "auto"  # auto: bf16 on GPUs and CPUs that compute in it, else fp32


@dataclass(frozen=True, kw_only=True)
class RunConfig(PrecisionConfig):
    """What every train command shares: its limits, its folder and its randomness."""

    out: Path | None = None  # folder of the run; default runs/<domain>-<data>-<model>
    steps: int | None = None  # stop after so many steps
    examples: int | None = None  # stop after so many training examples, in whole batches
    minutes: float | None = None  # stop after so many minutes, and save
    batch: int = 64  # examples a step, over all processes together
    accumulate: int = 1  # split each batch into so many parts that go through the device one by one
    seed: int = 0  # of weights, data order and noise
    resume: bool = False  # go on from the newest checkpoint of --out
    overwrite: bool = False  # delete an existing run of that name first
    stop_when_done: bool = False  # end as soon as as much training again as the best took has brought nothing better
    snapshot: int = 20_000  # examples between two checkpoints, with a sample sheet and a look at the quality
    compile: bool = False  # compile generators (pays on GPUs and long runs)
    final_lr: float = 0.1  # the learning rate at the end, as a share of that at the start (cosine in between)
    warm_up: int = 0  # examples over which the learning rate rises from 0

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

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("latent", "lr", "average"):
            value = getattr(self, name)
            require(value is None or value > 0, name, f"must be above 0, not {value}")


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
        require(self.critic_lr is None or self.critic_lr > 0, "critic_lr", f"must be above 0, not {self.critic_lr}")
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
