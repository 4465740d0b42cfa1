"""The settings of the music commands; nothing here imports torch."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

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
from common.inputs import InputFile, ShardsName
from common.training.runs import trained_on
from common.weights_folders import WeightsName, bundled, find_weights, load_config, read_config, reading_config
from music.chord_symbols import parse_progression
from music.io.engraving import require_engraver
from music.ranges import parse_ranges
from music.sound.config import MAKER, Maker
from music.sound.notes import parse_band
from music.theory import GRID, METRES, parse_key

Core = Literal["gan", "vae"]
Ending = Literal["tonic", "open"]
NetSize = Literal["debug", "small", "base", "large"]

DATA_SETS = ("chorales", "dances", "styles")  # built in
Data = Annotated[str, ShardsName(DATA_SETS)]
COMPOSERS = WeightsName("music", ("composer",))
Composer = Annotated[str, COMPOSERS]

ENGRAVED, SOUNDING = (".svg", ".pdf"), (".wav", ".png")
WRITTEN = (".mid", ".musicxml")
ENDINGS = (*WRITTEN, *ENGRAVED, *SOUNDING)  # what a piece can be written as
LONGEST = 64  # bars of a piece
MOST_CANDIDATES = 4096  # that memory has room for
DEFAULT_WEIGHTS = "chorales"
BARS_AT_A_TIME = 4  # that a network composes
BARS = 8  # of a piece, where none are asked for
STYLES = {"chorale": "chorales", "pop": "pop"}  # bundled weights by a style that is their only one
# Quarter notes a minute at which a style is usually danced; a tune book has no tempi that a model could learn.
TEMPI = {"reel": 220.0, "jig": 172.0, "slip jig": 166.0, "hornpipe": 160.0, "strathspey": 126.0}
FROM_WEIGHTS = ("bars", "grid", "net_size", "latent", "bar_latent")  # settings that come with the --weights of a run

WIDTHS: dict[NetSize, int] = {"debug": 8, "small": 96, "base": 128, "large": 256}  # channels; see `music.networks`


@dataclass(frozen=True, kw_only=True)
class TrainConfig(GanConfig, VaeConfig, RunConfig):
    """Settings of `python -m music.train`."""

    data: Data = "chorales"  # chorales, dances, styles, or POP909, a folder, .zip or .tar of MIDI, MusicXML or ABC
    core: Core = "vae"  # vae: a conditional VAE; gan: the same, whose decoder also learns from a critic
    weights: Composer | None = None  # what it begins with; a bundled name, a folder (weights or a run) or a Hub id
    bars: int = BARS_AT_A_TIME  # that the network composes at a time; longer pieces go on from their last bars
    grid: Literal[4, 12] = GRID  # steps a quarter note: 4 for sixteenths; 12 for triplets, too, up to twice as slow
    net_size: NetSize = "small"  # width of the networks: 8, 96, 128 or 256 channels
    bar_latent: int = 32  # length of the latent vector that each bar has beside the shared one
    content: float = 20.0  # gan: weight of the VAE's loss beside the critic's; 0: the critic alone
    parallels: float = 0.1  # weight of parallel fifths and octaves a bar beyond those of real windows; 0: none
    lr: float | None = None  # learning rate; default 3e-4 for the GAN and 1e-3 for the VAE
    critic_lr: float | None = 4e-4  # the critic's learning rate
    penalty: float = 0.5  # weight of R1 + R2 (of the interpolation penalty for wasserstein); 0 turns it off

    def __post_init__(self) -> None:
        super().__post_init__()
        require(2 <= self.bars <= 16, "bars", f"must be 2 to 16, not {self.bars}")
        require(self.bar_latent > 0, "bar_latent", f"must be above 0, not {self.bar_latent}")
        for name in ("content", "parallels"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")
        if self.core == "vae":
            require_unset(self, "vae", GanConfig, read=("condition_dropout",))
            for name in ("content", "compile"):
                unset = getattr(self, name) == getattr(type(self), name)
                require(unset, name, "means nothing with --core vae; leave it out")
        if self.weights is not None:
            for name in FROM_WEIGHTS:
                unset = getattr(self, name) == getattr(type(self), name)
                require(unset, name, "is that of the --weights; leave it out")
        part = self.batch // self.accumulate
        # The critic compares groups of four, which must not mix real and composed pieces.
        require(part % 4 == 0, "batch", f"must be a multiple of 4 in each of its --accumulate parts, not {part}")

    def check_inputs(self) -> None:
        super().check_inputs()
        if self.weights is not None:
            COMPOSERS.check(f"--weights {self.weights}", self.weights)


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(OutputConfig):
    """Settings of `python -m music.generate`."""

    shares: ClassVar[bool] = True

    weights: Composer | None = None  # a bundled name, a folder (weights or a run) or a Hub id; default: by --style
    # One or more of .mid, .musicxml, .svg and .pdf (engraved), .wav (sound) and .png (piano roll and spectrogram).
    out: tuple[str, ...] = ("song.mid",)
    stems: Path | None = None  # a folder for a .wav of each voice, which sum to the whole
    chords_out: Path | None = None  # a text file for the chord symbols of each bar, as found in what was written
    overwrite: bool = False  # write anew what is there
    style: str = ""  # chorale, pop, reel, jig, palestrina, quartet, ... (a wrong one lists all); default: chorale
    key: str | None = None  # such as "D minor"; default: C major, or that of --melody
    tempo: float | None = None  # quarter notes a minute; default: as usual in the style, or that of the given piece
    metre: str | None = None  # such as 3/4; default: the style's usual one
    bars: int | None = None  # length; default 8, or 16 with --from; with --continue, what is added
    pickup: float | None = None  # quarter notes before the first bar line, such as 1 or 0.5; default: none
    form: str = ""  # sections of equal length, such as AABA: equal letters are the same music
    temperature: float | None = None  # of the choice of pitches; 0: the likeliest; default: what suits the weights
    guidance: float | None = None  # above 1 nearer to the --style, and less varied; default: what suits the weights
    rounds: int = 4  # in which parts of every few bars are rewritten in view of the rest; in twice as many faulty ones
    candidates: int = 32  # drawn for every few bars, of which the best by rules of harmony is kept; 1: the plain draw
    chords: str = ""  # asked for, bar by bar: "Dm | G7 | C Am | F"; they begin again where the piece is longer
    instruments: str = ""  # General MIDI, by track, separated by commas: "violin,viola,cello"
    # Pitches of a piece, C3-A5, or of a voice by name or number: "soprano C4-A5" "bass E2-C4". What is given stays.
    range_: Annotated[tuple[str, ...], tyro.conf.arg(name="range")] = ()
    density: float | None = None  # notes a bar and voice, as near as candidates come; default: as usual in the style
    ending: Ending | None = None  # tonic: the last bar is on the tonic; open: on the dominant
    humanise: float = 0.0  # 0 to 1: how far from even in loudness and time it is played; scores stay exact
    melody: InputFile | None = None  # MIDI, MusicXML or ABC, whose tune is kept, and gets the other voices
    continue_: Annotated[InputFile | None, tyro.conf.arg(name="continue")] = None  # MIDI, MusicXML or ABC to go on from
    from_: Annotated[InputFile | None, tyro.conf.arg(name="from")] = None  # a piece from which to go, ...
    to: InputFile | None = None  # ... window by window, to this one
    arithmetic: tuple[InputFile, ...] = ()  # three pieces A B C: the piece A - B + C, by latents
    rewrite: InputFile | None = None  # a MIDI file of which --at-bars and --voices are written anew; all else stays
    at_bars: str = ""  # such as 5-8, counted from the beginning of --rewrite; default: all
    voices: tuple[str, ...] = ()  # of --rewrite, by name or number: alto tenor; default: all
    band: str = ""  # who plays .wav, .png and --stems, by voice: made instruments; the last plays on for the rest
    band_weights: Maker | None = None  # that make the instruments of --band; default: instruments
    soundfont: InputFile | None = None  # .sf2 for .wav and .png; default: the small General MIDI one in pretty_midi
    seed: int = 0  # of the latents; means the same on every device

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.out), "out", "names no file; name one or more")
        for out in self.out:
            require(Path(out).suffix.lower() in ENDINGS, "out", f"{out} must end in {', '.join(ENDINGS)}")
        if self.key is not None:
            parse_key(self.key)
        require(self.tempo is None or 10 <= self.tempo <= 400, "tempo", f"must be 10 to 400, not {self.tempo}")
        known = ", ".join(METRES)
        require(self.metre is None or self.metre in METRES, "metre", f"must be one of {known}, not {self.metre}")
        temperature = self.temperature
        require(temperature is None or 0 <= temperature <= 2, "temperature", f"must be 0 to 2, not {temperature}")
        require_guidance(self.guidance)
        require(self.guidance is None or bool(self.style), "guidance", "means nothing without --style; name one")
        require(0 <= self.rounds <= 1000, "rounds", f"must be 0 to 1000, not {self.rounds}")
        bars = self.bars
        require(bars is None or 1 <= bars <= LONGEST, "bars", f"must be 1 to {LONGEST}, not {bars}")
        most = MOST_CANDIDATES
        require(1 <= self.candidates <= most, "candidates", f"must be 1 to {most:,}, not {self.candidates}")
        parse_ranges(self.range_)
        for name in ("ending", "density"):
            chosen = getattr(self, name) is None or self.candidates > 1
            require(chosen, name, "is chosen among --candidates; ask for 2 or more")
        density = self.density
        require(density is None or 0.1 <= density <= 32, "density", f"must be 0.1 to 32, not {density}")
        pickup = self.pickup
        on_grid = pickup is None or (0 < pickup < 6 and pickup * 4 % 1 == 0)
        require(on_grid, "pickup", f"must be a multiple of 0.25 quarter notes, above 0 and below a bar, not {pickup}")
        require(0 <= self.humanise <= 1, "humanise", f"must be 0 to 1, not {self.humanise}")
        if self.chords:
            parse_progression(self.chords)
            require(self.candidates > 1, "chords", "are fitted by choosing among --candidates; ask for 2 or more")
            require(not self.form, "chords", "means nothing with --form; write them out bar by bar")
        require_seed(self.seed)
        self._check_given()
        self._check_sound()
        self._require_read()
        require(not self.form or self.form.isalpha(), "form", f"takes letters such as AABA, not {self.form!r}")
        length, sections = self.bars or BARS, len(self.form or "A")
        require(length % sections == 0, "bars", f"{length} cannot be split over the {sections} sections of --form")

    def _check_given(self) -> None:
        """Pieces that are given, and what of them is anew."""
        require((self.from_ is None) == (self.to is None), "from", "and --to belong together; name both")
        require(len(self.arithmetic) in (0, 3), "arithmetic", "takes three files A B C for A - B + C")
        if len(self.jobs) > 1:
            raise UserError(f"--{self.jobs[0]} and --{self.jobs[1]} exclude each other; name one")
        if self.rewrite is None:
            for name in ("at_bars", "voices"):
                require(not getattr(self, name), name, "means something with --rewrite alone; name the piece")
        else:
            require(bool(self.at_bars or self.voices), "rewrite", "needs --at-bars, --voices or both: what is anew")
        if self.at_bars:
            parse_bars(self.at_bars)

    def _check_sound(self) -> None:
        """Who plays, and whether it is heard."""
        sounds = self.stems is not None or any(out.lower().endswith(SOUNDING) for out in self.out)
        for name in ("soundfont", "band"):
            require(not getattr(self, name) or sounds, name, "means something to sound alone; add --out song.wav")
        require(not (self.soundfont and self.band), "band", "and --soundfont exclude each other; name one")
        heard = all(out.lower().endswith(SOUNDING) for out in self.out)
        unheard = f"is heard by nobody where --band plays and --out has no {' or '.join(WRITTEN)}; leave it out"
        require(not (self.instruments and self.band and heard), "instruments", unheard)
        require(bool(self.band) or self.band_weights is None, "band_weights", "means something with --band alone")

    def check_inputs(self) -> None:
        super().check_inputs()
        COMPOSERS.check(f"--weights {self.source}", self.source)
        for out in self.out:
            require_free(out, self.overwrite)
            if out.lower().endswith(ENGRAVED):
                require_engraver(out)
        if self.band:
            folder = find_weights(self.band_source, "music", f"--band-weights {self.band_source}")
            with reading_config(folder):
                config = load_config(folder, "music", "sound")
                classes, ranges = config["classes"], config["ranges"]
            require(bool(ranges), "band", f"needs notes, and the sounds of {self.band_source} have no pitch")
            players = len(parse_band(self.band, classes))
            if self.rewrite is None:
                self._require_voices(players)
        if self.chords_out is not None and self.chords_out.exists() and not self.overwrite:
            raise UserError(f"--chords-out {self.chords_out} is there already; name another, or add --overwrite")
        if self.stems is not None and self.stems.exists() and not self.overwrite:
            raise UserError(f"--stems {self.stems} is there already; name another folder, or add --overwrite")

    @property
    def source(self) -> str:
        """The weights asked for, or the bundled ones that know --style.

        Raises:
            UserError: none of them does.
        """
        if self.weights is not None:
            return self.weights
        if not self.style:
            return DEFAULT_WEIGHTS
        shipped = composers()
        known = {style: name for style, name in STYLES.items() if name in shipped}
        tunes: dict[str, int] = {}
        for name, config in shipped.items():
            for style in config["network"]["styles"]:
                if known.setdefault(style, name) == name and style in config.get("styles", {}):
                    tunes[style] = config["styles"][style]["tunes"]
        if self.style not in known:
            raise UserError(f"--style {self.style}: unknown; there are {told_styles(sorted(known), tunes) or 'none'}")
        return known[self.style]

    @property
    def band_source(self) -> str:
        """The weights that make the instruments of --band."""
        return str(self.band_weights or MAKER)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source, self.band_source) if self.band else (self.source,)

    @property
    def is_composite(self) -> bool:
        return bool(self.jobs)

    def _require_voices(self, players: int) -> None:
        """Refuse more players of --band than there are voices."""
        folder = find_weights(self.source, "music")
        with reading_config(folder):
            config = load_config(folder, "music", "composer")
            names = [track["name"] for track in config["network"]["tracks"]]
            names = names[: config.get("styles", {}).get(self.style, {"voices": len(names)})["voices"]]
        require(
            players <= len(names), "band", f"names {players}, and {self.source} writes {len(names)}: {', '.join(names)}"
        )

    def _require_read(self) -> None:
        """Refuse flags that what is to be done with given files would leave unread."""
        drawn = ("form", "metre", "pickup", "rounds", "candidates", "temperature", "seed")
        blended = ("chords", "range_", "density", "ending", *drawn)
        unread: dict[str, tuple[str, ...]] = {
            "melody": ("form", "metre", "bars", "pickup"),
            "continue": ("chords", "form", "metre", "key", "pickup"),
            "from": blended,
            "arithmetic": (*blended, "bars"),
            "rewrite": (
                "chords",
                "form",
                "metre",
                "bars",
                "pickup",
                "tempo",
                "instruments",
                "humanise",
                "density",
                "ending",
            ),
        }
        for job in self.jobs:
            for name in unread[job]:
                default = getattr(type(self), name)
                require(getattr(self, name) == default, name.rstrip("_"), f"means nothing with --{job}; leave it out")

    @property
    def jobs(self) -> list[str]:
        """The flags that give pieces to work on; [] to compose from nothing."""
        given = {"melody": self.melody, "continue": self.continue_, "from": self.from_, "arithmetic": self.arithmetic}
        given |= {"rewrite": self.rewrite}
        return [name for name, files in given.items() if files]


def require_guidance(guidance: float | None) -> None:
    """Refuse a --guidance that is out of its range."""
    require(guidance is None or 0 <= guidance <= 20, "guidance", f"must be 0 to 20, not {guidance}")


def told_styles(styles: Iterable[str], tunes: Mapping[str, int]) -> str:
    """Styles in words, each with how many tunes it was learned from where that is known."""
    return ", ".join(f"{style} ({tunes[style]:,} tunes)" if style in tunes else style for style in styles)


def composers() -> dict[str, dict[str, Any]]:
    """The `config.json` of the bundled weights that compose, by name."""
    configs = {name: read_config(folder) for name, folder in bundled("music").items()}
    return {name: config for name, config in configs.items() if COMPOSERS.suits(config)}


def parse_bars(text: str) -> tuple[int, int]:
    """The first and the last bar of --at-bars, from 1 on: "5-8", or "5" alone.

    Raises:
        UserError: it is neither.
    """
    match = re.fullmatch(r"\s*(\d{1,4})\s*(?:[-–]\s*(\d{1,4})\s*)?", text, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    require(1 <= first <= last, "at_bars", f"takes bars from 1 on, such as 5-8 or 5, not {text!r}")
    return first, last


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SamplesConfig):
    """Settings of `python -m music.evaluate`."""

    shares: ClassVar[bool] = True

    weights: Composer = DEFAULT_WEIGHTS  # a bundled name, a folder (weights or a run) or a Hub id
    data: Data | None = None  # whose held-out tunes are the measure; default: the set that was trained on
    n: int = 512  # compositions, and as many windows of held-out tunes (fewer if there are fewer)
    guidance: float | None = None  # as of music.generate; default: what suits the weights
    candidates: int = 32  # of the column of picked compositions
    seed: int = 0  # of the latents and of the choice of windows
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights or samples>

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 16, "n", f"must be 16 or more, not {self.n}")
        require(self.candidates >= 2, "candidates", f"must be 2 or more, not {self.candidates}")
        require_seed(self.seed)
        require_guidance(self.guidance)
        self._refuse_unread(("weights", "candidates", "guidance"))

    def check_inputs(self) -> None:
        super().check_inputs()
        data = self.data or trained_on(find_weights(self.weights, "music"), DATA_SETS)
        ShardsName(DATA_SETS).check(f"--data {data}", data)
