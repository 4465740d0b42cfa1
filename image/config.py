"""The settings of the image commands; nothing here imports torch."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tyro.conf import arg

from common.config import (
    AugmentConfig,
    Checked,
    GanConfig,
    OnnxConfig,
    OutputConfig,
    RunConfig,
    SamplesConfig,
    VaeConfig,
    first_set,
    require,
    require_seed,
    require_unset,
)
from common.errors import UserError
from common.files import require_free
from common.inputs import ShardsName, Words
from common.training.runs import trained_on
from common.weights_folders import WeightsName, find_weights, read_config

Core = Literal["cgan", "gan", "tgan", "cvae", "vae"]
Net = Literal["residual", "dcgan"]
NetSize = Literal["debug", "small", "base", "large"]
Sampler = Literal["prior", "mixture"]
Likelihood = Literal["bernoulli", "logistic", "gaussian"]
Output = Literal["tanh", "linear"]
Finish = Literal["shuffle", "smooth"]
Fit = Literal["crop", "pad", "squares"]
Critic = Literal["plain", "aided"]
Size = int | str  # of pictures in pixels: one number for squares, or width x height, such as 96x64
Features = Literal["squeezenet", "features", "inception"]  # of SqueezeNet, our own classifier, Inception-v3

DATA_SETS = ("digits", "fashion-mnist", "mnist", "cifar10", "celeba", "emoji")  # built in
Data = Annotated[str, ShardsName(DATA_SETS)]
VAES = ("vae", "cvae")
GENERATORS = ("gan", "vae")  # kinds of weights that draw
Generator = Annotated[str, WeightsName("image", GENERATORS)]
Wordless = Annotated[str, WeightsName("image", GENERATORS, words=False)]
Classifier = Annotated[str, WeightsName("image", ("classifier",))]
Scorer = Annotated[str, WeightsName("image", ("scorer",))]
Images = Annotated[int | None, arg(name="images")]
Batch = Annotated[int, arg(help_behavior_hint="(default: 64; GANs and VAEs of 48 pixels or more on a CPU: 16)")]

WIDTHS: dict[NetSize, int] = {"debug": 4, "small": 16, "base": 32, "large": 64}  # see `image.networks`

PICTURES = (".png", ".jpg", ".jpeg", ".webp")  # what a sheet can be written as (`common.pictures.sheets`)
ANIMATIONS = (".gif", ".mp4")
WITHOUT_TEXT = 'draw descriptions; give one or more by --text, such as "red heart"'
ON_A_SHEET = 10_000  # pictures at most
# Settings of networks, and of the words that they read, which come with the --weights that a run begins with.
FROM_WEIGHTS = ("net", "net_size", "output", "finish", "likelihood", "latent", "spectral_norm", "vocabulary", "longest")
CACHE_SIZE = 50.0  # GB that decoded pictures of a user's own may take on the disk
MIN_SIDE, MAX_SIDE = 8, 1_024  # of pictures that are learned from, in pixels


def height_and_width(size: Size) -> tuple[int, int]:
    """What a --size stands for, in pixels: 64 -> (64, 64), 96x64 -> (64, 96).

    Raises:
        UserError: it is neither one number nor two.
    """
    numbers = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", str(size), re.ASCII)
    if numbers is None:
        raise UserError(f"--size {size} is no size; give one number for squares, or width x height, such as 96x64")
    width, height = numbers[1], numbers[2] or numbers[1]
    return int(height), int(width)


def as_size(height: int, width: int) -> Size:
    """The --size that stands for a height and a width in pixels."""
    return height if height == width else f"{width}x{height}"


def require_truncation(truncation: float | None) -> None:
    """Raise a UserError unless it is above 0, or left to the weights."""
    require(truncation is None or 0 < truncation < math.inf, "truncation", f"must be above 0, not {truncation}")


def pictures_in(folder: Path) -> list[str]:
    """The names of the pictures that lie directly in a folder, which need not be there, in order."""
    return sorted(path.name for path in folder.glob("*") if path.suffix.lower() in PICTURES)


@dataclass(frozen=True, kw_only=True)
class SubjectConfig(Checked):
    """What is trained, on what."""

    data: Data = "digits"  # digits, fashion-mnist, mnist, cifar10, celeba, emoji; a folder, .zip or shards of pictures
    size: Size | None = None  # in pixels: a side of squares, or width x height (96x64); default: the data's own, or 64
    fit: Fit = "crop"  # how pictures come to that shape; squares: nine parts of each, of photos of scenes
    grey: bool | None = None  # one channel or three; default: one if no picture has colour
    weights: Generator | None = None  # what it begins with, as far as layers fit; a bundled name, a folder or a Hub id
    core: Core | None = None  # c: by class (if there are any); t: by words; default: cgan; cvae if large in short time
    net: Net = "residual"  # residual: modern, no normalisation; dcgan: the paper's (GANs only)
    net_size: NetSize = "small"  # width of the networks: 4, 16, 32 or 64 channels at full resolution
    output: Output = "tanh"  # end of the residual generator; linear where much is pure black or white (tanh gets stuck)
    finish: Finish | None = None  # how the last doubling is made: shuffle is faster, smooth (default) shows no weave
    likelihood: Likelihood = "logistic"  # of VAEs; logistic: discretised over the 256 levels
    spectral_norm: bool = False  # on every layer of the critic

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            height_and_width(self.size)
        require(not (self.is_vae and self.net == "dcgan"), "net", "dcgan has no VAE; use --net residual")
        require(self.core != "tgan" or self.net == "residual", "net", "dcgan reads no text; use --net residual")

    @property
    def is_vae(self) -> bool:
        """Whether it is a VAE that is trained."""
        return self.core in VAES


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig(Checked):
    """How descriptions are taken to pieces."""

    vocabulary: int = 2_000  # pieces at most that descriptions are made of
    longest: int = 24  # pieces of a description at most; longer ones are cut in training

    def __post_init__(self) -> None:
        super().__post_init__()
        require(512 <= self.vocabulary <= 32_000, "vocabulary", f"must be 512 to 32000, not {self.vocabulary}")
        require(2 <= self.longest <= 512, "longest", f"must be 2 to 512, not {self.longest}")


@dataclass(frozen=True, kw_only=True)
class TextConfig(VocabularyConfig):
    """What only models of described pictures (--core tgan) read."""

    families: bool = False  # draw pictures of one family, such as skins of one gesture, less often than those of none
    mismatch: float = 0.5  # weight with which real pictures with another one's description count as false
    pixel: float = 0.0  # weight of the mean absolute difference from the very picture that is described
    adversarial: float = 1.0  # weight of what the critic says (tgan; VAEs with --critic: in nats a value); 0: none

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("mismatch", "pixel", "adversarial"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig(Checked):
    """What models read that are to come near to a very picture (--core tgan, vae and cvae)."""

    perceptual: float | None = None  # weight of distance in SqueezeNet's features; default: VAEs of 48 pixels or more 5

    def __post_init__(self) -> None:
        super().__post_init__()
        value = self.perceptual
        require(value is None or value >= 0, "perceptual", f"must be 0 or more, not {value}")


@dataclass(frozen=True, kw_only=True)
class SamplerConfig(Checked):
    """Where a trained VAE draws from."""

    neighbours: bool | None = None  # draw near each training picture, not by a mixture; default: --core vae of few


@dataclass(frozen=True, kw_only=True)
class JoiningConfig(Checked):
    """When critics join a VAE."""

    critic_after: int = 0  # VAEs with --critic: images of the run after which it joins

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.critic_after >= 0, "critic_after", f"must be 0 or more, not {self.critic_after}")


@dataclass(frozen=True, kw_only=True)
class CriticConfig(Checked):
    """Who judges what a GAN draws."""

    critic: Critic | None = None  # aided: by a second one too, on trained features; default: GANs from 48 pixels on
    aid: float = 0.5  # aided: weight of what the second one says

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.aid > 0, "aid", f"must be above 0, not {self.aid}; --critic plain does without it")
        require(self.critic != "plain" or self.aid == type(self).aid, "aid", "means nothing with --critic plain")


OF_CRITICS = (CriticConfig, GanConfig, AugmentConfig)
OF_VAES = (VaeConfig, PerceptualConfig, SamplerConfig, JoiningConfig)
OF_WORDS = (VocabularyConfig, TextConfig)
UNREAD: dict[Core | None, tuple[type, ...]] = {  # settings that a core does not read
    None: OF_WORDS,
    "gan": (*OF_WORDS, *OF_VAES),
    "cgan": (*OF_WORDS, *OF_VAES),
    "tgan": (VaeConfig, SamplerConfig, JoiningConfig),
    "vae": OF_WORDS,
    "cvae": (*OF_WORDS, SamplerConfig),  # which is to draw a class near pictures of others, too
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(
    TextConfig,
    CriticConfig,
    GanConfig,
    VaeConfig,
    PerceptualConfig,
    SamplerConfig,
    JoiningConfig,
    AugmentConfig,
    RunConfig,
    SubjectConfig,
):
    """Settings of `python -m image.train`; --help lists the last base's first."""

    cache_size: float = CACHE_SIZE  # GB that decoded pictures may take on the disk; what is more is decoded on demand
    mirror: bool | None = None  # learn from mirror images too; default: yes, but not of digits, garments and emoji
    lr: float | None = None  # learning rate; default 5e-4 for GANs, 1e-3 for VAEs and 3e-3 for those by --perceptual
    batch: Batch = 0  # images a step, over all processes together; on few cores small ones learn faster
    examples: Images = None  # stop after so many training images, in whole batches

    def __post_init__(self) -> None:
        super().__post_init__()
        core = self.named_core or "cgan"
        require_unset(self, core, *UNREAD[self.named_core], read=("adversarial",) if core in VAES else ())
        if core in VAES and self.critic is None:
            require_unset(self, f"{core} without --critic", *OF_CRITICS, JoiningConfig)
            alone = self.adversarial == type(self).adversarial
            require(alone, "adversarial", f"means nothing with --core {core} without --critic; leave it out")
        learns = core != "tgan" or self.pixel + (self.perceptual or 0) + self.adversarial > 0
        require(learns, "pixel", "and --perceptual and --adversarial cannot all be 0")
        require(self.cache_size > 0, "cache_size", f"must be above 0, not {self.cache_size}")
        if self.weights is not None:
            for name in FROM_WEIGHTS:
                unset = getattr(self, name) == getattr(type(self), name)
                require(unset, name, "is that of the --weights; leave it out")
        if not self.adversarial:
            for name in ("mismatch", "augment", "penalty", "critic", "critic_lr", "spectral_norm"):
                unset = getattr(self, name) == getattr(type(self), name)
                require(unset, name, "means nothing with --adversarial 0; leave it out")
        part = self.batch // self.accumulate
        # The residual critic compares groups of four, which must not mix real and fake images.
        require(part % 4 == 0, "batch", f"must be a multiple of 4 in each of its --accumulate parts, not {part}")

    @property
    def named_core(self) -> Core | None:
        """--core, or the one whose own settings are named; None leaves it to the data, the time and the device."""
        if self.core is not None:
            return self.core
        if first_set(self, SamplerConfig):
            return "vae"
        if first_set(self, *OF_VAES):
            return "cvae"
        return "cgan" if first_set(self, *OF_CRITICS) or self.net == "dcgan" or self.spectral_norm else None

    def check_inputs(self) -> None:
        super().check_inputs()
        if self.weights is not None:
            kinds = ("vae",) if self.named_core in VAES else GENERATORS
            words = True if self.core == "tgan" else None
            WeightsName("image", kinds, words).check(f"--weights {self.weights}", self.weights)


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(OutputConfig):
    """Settings of `python -m image.generate`."""

    shares: ClassVar[bool] = True

    weights: Generator | None = None  # a bundled name, a folder (weights or a run) or a Hub id; default: digits-cgan
    out: str = "samples.png"  # .png, .jpg, .webp: a sheet; .gif, .mp4: an animation; a folder: single pictures
    overwrite: bool = False  # write anew what is there
    n: int | None = None  # of each --label, or --text (default 4), or of all (default about 64); strips or columns (8)
    label: tuple[str, ...] = ()  # classes to draw, by name or number; default: all, evenly
    text: tuple[Words, ...] = ()  # descriptions to draw, each in quotes; default weights: emoji-text
    list_text: bool = False  # print the descriptions that the weights learned from, and draw nothing
    guidance: float = 1.0  # above 1 nearer to the --text, and less varied
    seed: int = 0  # of the latents; means the same on every device
    truncation: float | None = None  # multiplies latents; below 1 typical, above varied; GANs 0.7 or so, VAEs 1
    sampler: Sampler | None = None  # of latents: the prior, or (VAEs: default) a mixture fitted to training data
    interpolate: Literal["seeds", "labels"] | None = None  # strips from --seed to --to-seed, or from label to label
    to_seed: int | None = None  # where --interpolate seeds ends; default: --seed + 1
    frames: int | None = None  # pictures in a strip; default about 10 in a sheet and 24 a step in an animation
    arithmetic: tuple[str, ...] = ()  # A B C for A - B + C, each LABEL, LABEL@SEED (SEED if unlabelled) or a picture
    mix: tuple[int, int] | None = None  # GANs: coarse shapes of one seed's pictures in the style of another's
    reconstruct: Data | None = None  # VAEs: held-out pictures of this data set above their reconstructions

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("n", 1), ("frames", 2), ("seed", 0), ("to_seed", 0)):
            value = getattr(self, name)
            require(value is None or least <= value < 1 << 31, name, f"must be {least} to 2^31 - 1, not {value}")
        for seed in self.mix or ():
            require(0 <= seed < 1 << 31, "mix", f"takes two seeds, 0 to 2^31 - 1, not {seed}")
        given = " ".join(self.arithmetic)
        require(len(self.arithmetic) in (0, 3), "arithmetic", f"takes three words A B C for A - B + C, not {given!r}")
        require(0 <= self.guidance <= 20, "guidance", f"must be 0 to 20, not {self.guidance}")
        require_truncation(self.truncation)
        require(bool(self.out), "out", "names nothing; name a file or a folder")
        endings = (*ANIMATIONS, *PICTURES)
        require(self.ending in ("", *endings), "out", f"{self.out} must end in {', '.join(endings)}, /")
        fits = not self.ending or (self.n or 0) * max(1, len(self.label + self.text)) <= ON_A_SHEET
        require(fits, "n", f"{self.n} are too many pictures for one file; name a folder")
        self._require_one_mode()

    def check_inputs(self) -> None:
        super().check_inputs()
        describes = bool(self.text) or self.list_text
        if not describes and "words" in read_config(find_weights(self.source, "image")):
            raise UserError(f"--weights {self.source} {WITHOUT_TEXT}")
        encoded = self.reconstruct is not None or self.sampler == "mixture"
        wanted = WeightsName("image", ("vae",) if encoded else GENERATORS, words=describes)
        flag = f"--sampler {self.sampler}: " if self.sampler == "mixture" else ""
        wanted.check(f"{flag}--weights {self.source}", self.source)
        if self.list_text:
            return
        require_free(self.out, self.overwrite)
        if self.ending == "" and not self.overwrite and (found := pictures_in(Path(self.out))):
            raise UserError(f"--out {self.out} holds {found[0]} already; name a new folder, or add --overwrite")

    @property
    def source(self) -> str:
        """The weights asked for, or those that draw what is asked for."""
        suited = "emoji-text" if self.text or self.list_text else "digits-cgan"
        return suited if self.weights is None else self.weights

    @property
    def is_composite(self) -> bool:
        return self.reconstruct is not None or any(Path(term).suffix.lower() in PICTURES for term in self.arithmetic)

    @property
    def ending(self) -> str:
        """The ending of --out in small letters; "" for a folder."""
        path = Path(self.out)
        return "" if self.out.endswith("/") or path.is_dir() else path.suffix.lower()

    def _require_one_mode(self) -> None:
        """Refuse two modes at once, and flags that the mode would leave unread."""
        names = ("interpolate", "arithmetic", "mix", "reconstruct", "list_text")
        modes = [name.replace("_", "-") for name in names if getattr(self, name)]
        if len(modes) > 1:
            raise UserError(f"--{modes[0]} and --{modes[1]} exclude each other; name one")
        mode = f"with --{modes[0]}" if modes else "without --interpolate"
        walks = self.interpolate or (self.arithmetic and self.ending in ANIMATIONS)
        unread = {
            "to_seed": self.interpolate != "seeds",
            "frames": not walks,
            "label": bool(self.arithmetic or self.reconstruct or self.list_text),
            "text": bool(modes),
            "seed": self.mix is not None,
            "truncation": bool(self.reconstruct),
            "sampler": bool(self.reconstruct),
        }
        require(not (self.label and self.text), "label", "and --text exclude each other; name one")
        require(bool(self.text) or self.guidance == 1, "guidance", "means nothing without --text; leave it out")
        for name, ignored in unread.items():
            given = getattr(self, name) != getattr(type(self), name)
            require(not (ignored and given), name, f"means nothing {mode}; leave it out")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SamplesConfig):
    """Settings of `python -m image.evaluate`."""

    shares: ClassVar[bool] = True

    weights: Generator = "digits-cgan"  # a bundled name, a folder (weights or a run) or a Hub id
    data: Data | None = None  # whose held-out pictures are the measure; default: the set that was trained on
    n: int = 10_000  # samples, and as many real pictures (fewer if there are fewer held out)
    seed: int = 0  # of the latents and of the choice of real pictures
    sampler: Sampler | None = None  # of latents: the prior, or (VAEs: default) a mixture fitted to training data
    truncation: float = 1.0  # multiplies the latents; below 1 only a part of what is learned is measured
    extractor: Features | None = None  # whose features are compared; default: squeezenet, or else features, our own
    classifier: Classifier | None = None  # judge of labels, a name or folder; default: <data>-classifier if bundled
    scorer: Scorer | None = None  # judge of descriptions, likewise; default: <data>-scorer if bundled
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights or samples>
    size: Size | None = None  # --samples: of all pictures in pixels; default: that of --data as it is learned from

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 16, "n", f"must be 16 or more, not {self.n}")
        require_seed(self.seed)
        require_truncation(self.truncation)
        self._refuse_unread(("weights", "sampler", "truncation", "classifier", "scorer"), ("size",))
        if self.size is not None:
            height_and_width(self.size)

    def check_inputs(self) -> None:
        super().check_inputs()
        if self.sampler == "mixture":
            WeightsName("image", ("vae",)).check(f"--weights {self.weights}", self.weights)
        data = self.data or trained_on(find_weights(self.weights, "image"), DATA_SETS)
        ShardsName(DATA_SETS).check(f"--data {data}", data)


@dataclass(frozen=True, kw_only=True)
class ExportConfig(OnnxConfig):
    """Settings of `python -m image.export`."""

    weights: Wordless = "digits-cgan"  # a bundled name, a folder (weights or a run) or a Hub id
