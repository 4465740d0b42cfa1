"""The settings of the text commands; nothing here imports torch."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from common.config import (
    GanConfig,
    OutputConfig,
    RunConfig,
    SamplesConfig,
    VaeConfig,
    require,
    require_seed,
    require_unset,
)
from common.errors import UserError
from common.files import require_free
from common.inputs import InUnicode, ShardsName, Words
from common.training.runs import trained_on
from common.weights_folders import WeightsName, find_weights
from text.verse import MetreName, require_dictionary
from text.wishes import Wishes, check_wishes, word_range
from text.words import first_letter

Core = Literal["vae", "gan"]
DecoderName = Literal["gru", "transformer"]
NetSize = Literal["debug", "small", "base", "large"]
Sampler = Literal["prior", "mixture", "gan"]

DATA_SETS = ("bible",)  # built in
Data = Annotated[str, ShardsName(DATA_SETS)]
Writer = Annotated[str, WeightsName("text", ("writer",))]


class TextOrFile(InUnicode):
    """A text, or the name of a .txt file that holds it."""

    def check(self, given: str, value: str) -> None:
        super().check(given, value)
        if names_file(value) and not Path(value).expanduser().is_file():
            raise UserError(f"{given}: no such file")


GivenText = Annotated[str, TextOrFile()]


def names_file(given: str) -> bool:
    """Whether a text that is given is the name of a file; names with space in them are taken for texts."""
    return given.lower().endswith(".txt") and len(given.split()) == 1


WIDTHS: dict[NetSize, int] = {"debug": 16, "small": 192, "base": 256, "large": 512}  # of embeddings
LAYERS: dict[NetSize, int] = {"debug": 1, "small": 3, "base": 4, "large": 6}  # of the Transformer
DEFAULT_WEIGHTS = "styles"
MOST_TEXTS = 100_000  # of one command
MOST_CHARACTERS = 10_000  # of a text that is given on the command line
QUATRAIN = 4  # lines of verse where neither --rhyme nor --acrostic says how many
LONGEST = 512  # pieces of a text


@dataclass(frozen=True, kw_only=True)
class TrainConfig(GanConfig, VaeConfig, RunConfig):
    """Settings of `python -m text.train`; --help lists the last base's first."""

    data: Data = "bible"  # bible, or a path: a .txt, .jsonl, .csv, .tsv (all also .gz) or .parquet, or a folder or .zip
    core: Core = "vae"  # vae: of sequences; gan: of the latents of trained --weights, for --sampler gan
    weights: Writer | None = None  # vae: begin with its layers that fit; gan: whose latents are learned
    decoder: DecoderName = "gru"  # what writes the pieces
    net_size: NetSize = "base"  # width of embeddings: 16, 192, 256 or 512
    vocabulary: int = 4_000  # pieces at most
    longest: int = 48  # pieces of a text; longer ones are left out and counted
    latent: int = 32  # length of the latent vector
    free_bits: float = 0.25  # nats of KL a latent dimension that cost nothing, which keeps it from collapsing
    normalised: float = 0.0  # instead: deviation to which batch normalisation brings posterior means (0.6); 0: none
    condition_dropout: float = 0.0  # gan: how often the style is hidden
    dropout: float = 0.1  # of embeddings and of the decoder's outputs
    word_dropout: float = 0.0  # share of the pieces that the decoder is not told
    noise: float = 0.0  # share of the pieces that the encoder is not told (a denoising VAE)
    bag: float = 0.0  # weight of a term by which the latent alone tells the words of a text, so that it carries meaning
    snapshot: int = 20_000  # texts between two checkpoints, with samples and a look at the quality

    def __post_init__(self) -> None:
        super().__post_init__()
        require(512 <= self.vocabulary <= 32_000, "vocabulary", f"must be 512 to 32000, not {self.vocabulary}")
        require(4 <= self.longest <= LONGEST, "longest", f"must be 4 to {LONGEST}, not {self.longest}")
        for name in ("normalised", "bag"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")
        for name in ("dropout", "word_dropout", "noise"):
            require(0 <= getattr(self, name) < 1, name, f"must be in [0, 1), not {getattr(self, name)}")
        part = self.batch // self.accumulate
        alone = bool(self.normalised) and part == 1
        require(not alone, "normalised", "needs several texts at a time; choose a larger --batch or less --accumulate")
        if self.core == "vae":
            require_unset(self, "vae", GanConfig)
            known = self.weights is None or self.vocabulary == type(self).vocabulary
            require(known, "vocabulary", "is that of the --weights; leave it out")
            return
        require_unset(self, "gan", VaeConfig)
        require(self.weights is not None, "core", "gan learns the latents of trained weights; name them by --weights")
        for name in (
            "decoder",
            "vocabulary",
            "longest",
            "normalised",
            "dropout",
            "word_dropout",
            "noise",
            "bag",
            "latent",
        ):
            unset = getattr(self, name) == getattr(type(self), name)
            require(unset, name, "is that of the --weights with --core gan; leave it out")


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(OutputConfig):
    """Settings of `python -m text.generate`."""

    shares: ClassVar[bool] = True

    weights: Writer = DEFAULT_WEIGHTS  # a bundled name, a folder (weights or a run) or a Hub id
    style: Words | None = None  # such as poem, news, product or definition; default: all of the model's in turn
    n: int = 10  # texts, or steps of --interpolate
    sampler: Sampler = "mixture"  # of latents: the prior, a mixture fitted to the training data's, or a latent GAN
    temperature: float | None = None  # of the choice of pieces; 0: the likeliest; default 0.8, 0 with --interpolate
    top_k: int = 0  # choose among so many likeliest pieces; 0: all
    top_p: float = 0.9  # choose among the likeliest pieces that together have this probability; 1: all
    candidates: int = 32  # of so many texts a latent keep the best sentence, of known words if there is one; 1: plain
    beam: int = 1  # search with so many beams for the likeliest text of each latent; 1: sample piece by piece
    repetition_penalty: float = 1.1  # divides the odds of pieces already used; 1: none
    must: tuple[Words, ...] = ()  # words that occur, in any form
    avoid: tuple[Words, ...] = ()  # words that do not occur, in any form
    starts_with: Words = ""  # the letter that every text begins with
    acrostic: Words = ""  # a word whose letters begin the lines of every text, one a line
    words: str = ""  # how many words a text, or a line of --acrostic or --metre, has: 7, or 5-9
    metre: MetreName | None = None  # of English verse: common is iambic lines of four and three feet in turn
    hold: tuple[Words, ...] = ()  # with --acrostic or --metre: lines that stand, by number: "2=the sea is wide"
    rhyme: Words = ""  # with --metre: which lines rhyme, such as AABB or ABCB; as many lines, without it four
    max_length: int | None = None  # pieces of a text; default: what the model was trained for
    stanzas: int = 1  # texts that follow each other, each with a latent close to that of the first
    sentences: int = 1  # of every text, in styles of one: each with a latent close to the first's, on a word of it
    prompt: Words = ""  # how every text begins
    interpolate: tuple[GivenText, ...] = ()  # two texts between which --n texts are written; each may be a .txt file
    arithmetic: tuple[GivenText, ...] = ()  # three texts A B C for A - B + C on latents; each may be a .txt file
    like: GivenText = ""  # a text, or .txt file, in whose neighbourhood, in latent space, --n texts are written
    restyle: Words | None = None  # with --like: the style in which to say it
    seed: int = 0  # of the latents and pieces; means the same on every device, up to rounding
    out: Path | None = None  # .txt or .jsonl, which also has the styles; default: the terminal
    overwrite: bool = False  # write anew what is there

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.n <= MOST_TEXTS, "n", f"must be 1 to {MOST_TEXTS:,}, not {self.n}")
        temperature = self.temperature
        require(temperature is None or 0 <= temperature <= 10, "temperature", f"must be 0 to 10, not {temperature}")
        require(self.top_k >= 0, "top_k", f"must be 0 or more, not {self.top_k}")
        require(0 < self.top_p <= 1, "top_p", f"must be above 0 and at most 1, not {self.top_p}")
        require(1 <= self.candidates <= 64, "candidates", f"must be 1 to 64, not {self.candidates}")
        require(1 <= self.beam <= 64, "beam", f"must be 1 to 64, not {self.beam}")
        for name in ("temperature", "top_k", "top_p", "candidates"):
            unset = getattr(self, name) == getattr(type(self), name)
            require(unset or self.beam == 1, name, "means nothing with --beam, which draws nothing; leave it out")
        penalty = self.repetition_penalty
        require(1 <= penalty <= 10, "repetition_penalty", f"must be 1 to 10, not {penalty}")
        require(1 <= self.stanzas <= 100, "stanzas", f"must be 1 to 100, not {self.stanzas}")
        require(1 <= self.sentences <= 8, "sentences", f"must be 1 to 8, not {self.sentences}")
        require(1 in (self.sentences, self.stanzas), "sentences", "means nothing with --stanzas; leave one of them out")
        most = self.max_length
        require(most is None or 1 <= most <= LONGEST, "max_length", f"must be 1 to {LONGEST}, not {most}")
        require_seed(self.seed)
        self._check_given()
        self._check_wishes()
        is_known = self.out is None or self.out.suffix.lower() in (".txt", ".jsonl")
        require(is_known, "out", f"{self.out} must end in .txt or .jsonl")

    @property
    def wishes(self) -> Wishes:
        """What is wished of every text."""
        return Wishes(self.must, self.avoid, self.starts_with, word_range(self.words) if self.words else None)

    @property
    def lines(self) -> int:
        """How many lines are written one by one; 0 if texts are written as wholes."""
        return len(self.acrostic or self.rhyme) or (QUATRAIN if self.metre is not None else 0)

    @property
    def held(self) -> dict[int, str]:
        """The lines of --hold by their numbers, from 0 on.

        Raises:
            UserError: one has no number, or none of a line that is written.
        """
        found: dict[int, str] = {}
        for given in self.hold:
            number, _, line = (part.strip() for part in given.partition("="))
            fits = number.isdecimal() and 1 <= int(number) <= self.lines and bool(line) and "\n" not in line
            require(fits, "hold", f"{given!r} is no line, such as 2=the sea is wide, of {self.lines} lines")
            found[int(number) - 1] = line
        return found

    def _check_given(self) -> None:
        given = {"prompt": (self.prompt,), "like": (self.like,)}
        several = {"interpolate": self.interpolate, "arithmetic": self.arithmetic}
        for name, texts in (given | several).items():
            for text in texts:
                length = f"has {len(text):,} characters, of which models read at most {MOST_CHARACTERS:,}; shorten it"
                require(len(text) <= MOST_CHARACTERS, name, length)
        for name, count, said in (("interpolate", 2, "two"), ("arithmetic", 3, "three")):
            require(len(several[name]) in (0, count), name, f"takes {said} texts")
            require(all(text.strip() for text in several[name]), name, f"takes {said} texts that are not empty")
        ways = [name for name in ("interpolate", "arithmetic", "like") if getattr(self, name)]
        if len(ways) > 1:
            raise UserError(f"--{' and --'.join(ways)} exclude each other; name one")
        require(self.restyle is None or bool(self.like), "restyle", "says a given text anew; name it by --like")
        for name in ("sampler", "stanzas", "sentences", "prompt") if ways else ():
            unset = getattr(self, name) == getattr(type(self), name)
            require(unset, name, f"means nothing with --{ways[0]}; leave it out")

    def _check_wishes(self) -> None:
        check_wishes(self.wishes, self.prompt)
        wished = [
            name for name in ("must", "avoid", "starts_with", "acrostic", "words", "metre") if getattr(self, name)
        ]
        for name in wished:
            for other, drawn in (("beam", self.beam == 1), ("interpolate", not self.interpolate)):
                require(drawn, name, f"means nothing with --{other}, whose texts are not chosen; leave one of them out")
        require(not self.rhyme or self.metre is not None, "rhyme", "needs a --metre; name one")
        fits = re.fullmatch("[A-Z]{2,28}", self.rhyme) or not self.rhyme
        require(bool(fits), "rhyme", f"{self.rhyme} must be 2 to 28 capital letters, such as ABAB")
        if self.metre is not None:
            require_dictionary()
        alike = not (self.rhyme and self.acrostic) or len(self.rhyme) == len(self.acrostic)
        require(alike, "rhyme", f"{self.rhyme} and --acrostic {self.acrostic} must have as many letters")
        for name in ("prompt", "stanzas", "sentences", "like", "arithmetic") if self.lines else ():
            problem = "means nothing with --acrostic and --metre, which write line by line; leave it out"
            require(getattr(self, name) == getattr(type(self), name), name, problem)
        if self.hold:
            require(self.lines > 0, "hold", "stands among lines that --acrostic or --metre writes; name one")
            require(len(self.held) < self.lines, "hold", f"leaves none of {self.lines} lines to be written")
        if self.acrostic:
            require(self.acrostic.isalpha() and len(self.acrostic) <= 100, "acrostic", "must be a word of letters")
            require(not self.starts_with, "starts_with", "means nothing with --acrostic; leave one of them out")
            for number, line in self.held.items():
                letter = first_letter(self.acrostic[number])
                problem = f"{number + 1}={line} must begin with {letter}, as --acrostic {self.acrostic} has it"
                require(first_letter(line) == letter, "hold", problem)

    def check_inputs(self) -> None:
        super().check_inputs()
        if self.out is not None:
            require_free(self.out, self.overwrite)

    @property
    def source(self) -> str:
        return self.weights

    @property
    def is_composite(self) -> bool:
        return bool(self.interpolate or self.like or self.prompt or self.hold)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SamplesConfig):
    """Settings of `python -m text.evaluate`."""

    shares: ClassVar[bool] = True

    weights: Writer = DEFAULT_WEIGHTS  # a bundled name, a folder (weights or a run) or a Hub id
    data: Data | None = None  # whose held-out texts are the measure; default: the set that was trained on
    n: int = 1_000  # held-out texts, and as many samples
    importance: int = 32  # samples of the importance-weighted bound
    seed: int = 0  # of the latents and pieces and of the choice of texts
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights or samples>

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 10, "n", f"must be 10 or more, not {self.n}")
        require(self.importance >= 1, "importance", f"must be 1 or more, not {self.importance}")
        require_seed(self.seed)
        self._refuse_unread(("weights", "importance"))

    def check_inputs(self) -> None:
        super().check_inputs()
        data = self.data or trained_on(find_weights(self.weights, "text"), DATA_SETS)
        ShardsName(DATA_SETS).check(f"--data {data}", data)
