"""A trained composer as one thing to ask for music."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from common.errors import UserError
from common.processes import gathered, turns
from common.randomness import mix
from common.schema import from_json
from common.threads import one_thread, side_by_side
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from music.networks import Composer
from music.rolls import MusicContext, MusicSpec, NetworkConfig, given, steps_before, valid_steps
from music.score import Score
from music.theory import GRIDS, METRES, MODES, PITCHES, Key, Mode

ROUNDS = 4  # of rewriting; more are no better
KEPT = (0.3, 0.8)  # share of a piece that stands in the first and in the last of them
CHUNK = 64  # pieces that are written at a time, which what a seed means depends on


@dataclass(frozen=True)
class StyleFacts:
    """What is known of a style beside its name.

    Attributes:
        tunes: how many were trained on.
        voices: of the tracks, how many have notes in it, from the first on; the others are silent.
        notes_per_bar: that begin in a bar of one of these voices, the mean.
    """

    tunes: int
    voices: int
    notes_per_bar: float


@dataclass(frozen=True)
class MusicModel:
    """A composer with what is needed to use it.

    Attributes:
        network: (z, condition) -> rolls.
        config: what it was built from.
        name: of the weights.
        typical: what `music.metrics.measure` says of the music that it was trained on.
        tempo: quarter notes a minute that its music usually has.
        metres: the commonest metre of each style, and under "" that of all.
        temperature: at which notes are drawn, if nothing else is asked for.
        styles: what is known of each style; {} of weights that were trained before it was kept.
        guidance: by how much what a style changes is exaggerated, 1 not at all (classifier-free; Ho & Salimans 2022).
        shared: whether all processes compose the same, each some parts of it.
    """

    network: Composer
    config: NetworkConfig
    name: str = ""
    typical: dict[str, float] | None = None
    tempo: float = 100.0
    metres: dict[str, str] = field(default_factory=dict)
    temperature: float = 0.0
    styles: dict[str, StyleFacts] = field(default_factory=dict)
    guidance: float = 1.0
    shared: bool = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def voices(self, style: str) -> int:
        """How many tracks have notes in a style ("": any), from the first on."""
        return self.styles[style].voices if style in self.styles else len(self.config.tracks)

    def typical_of(self, style: str) -> dict[str, float] | None:
        """What is typical of a style ("": any), of which only the notes a bar are known by themselves."""
        if self.typical is None or style not in self.styles:
            return self.typical
        return self.typical | {"notes_per_bar": self.styles[style].notes_per_bar}

    def latents(self, count: int, seed: int = 0) -> Tensor:
        """Draw z, (count, latents), on the CPU, so that a seed means the same on every device."""
        return torch.randn(count, self.config.latents, generator=torch.Generator().manual_seed(seed))

    def condition(
        self,
        count: int,
        metre: str,
        mode: Mode,
        style: str = "",
        first: bool = True,
        last: bool = True,
        roll: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> MusicContext:
        """A condition for `count` pieces that are alike in all this.

        Args:
            style: "" for any.
            first, last: whether the window begins, and ends, its piece.
            roll: (2, T, S, P) of zeros and ones; what of it is given by `mask` (T, S). By default nothing is.
        """
        config = self.config
        numbers = {
            "metre": config.metres.index(metre),
            "mode": MODES.index(mode),
            "first": int(first),
            "last": int(last),
        }
        if config.styles:
            numbers["style"] = config.styles.index(style) if style else len(config.styles)
        condition = {name: torch.full((count,), number) for name, number in numbers.items()}
        tracks = len(config.tracks)
        roll = torch.zeros(2, tracks, config.steps, config.pitches) if roll is None else roll.float()
        mask = torch.zeros(tracks, config.steps) if mask is None else mask.float()
        given = repeat(roll * mask[None, :, :, None], "... -> n ...", n=count)
        return condition | {"given": given, "mask": repeat(mask, "... -> n ...", n=count)}

    def write(
        self, condition: MusicContext, seed: int = 0, temperature: float | None = None, rounds: int = ROUNDS
    ) -> Tensor:
        """Compose, then rewrite parts in view of the rest, round by round: rolls, bool (N, 2, T, S, P) on the CPU.

        In each round the network is given a random share of the bars of single voices and writes the others anew; the
        share grows from `KEPT[0]` to `KEPT[1]` (annealed block Gibbs sampling, as Coconet's; Huang et al. 2017).

        Args:
            temperature: at which notes are drawn; 0 takes the likeliest pitches. By default the model's own.
        """
        temperature = self.temperature if temperature is None else temperature

        def written(rows: slice) -> Tensor:
            chosen = rows_of(condition, rows)
            return self._written(chosen, mix(seed, rows.start) if rows.start else seed, temperature, rounds)

        return self.in_parts(len(condition["mode"]), written)

    def _written(self, condition: MusicContext, seed: int, temperature: float, rounds: int) -> Tensor:
        config, count = self.config, len(condition["mode"])
        generator = torch.Generator().manual_seed(mix(seed, 1))
        rolls = self.draw(self.latents(count, seed), condition, temperature, generator)[0]
        for number in range(rounds):
            share = KEPT[0] + (KEPT[1] - KEPT[0]) * number / max(rounds - 1, 1)
            kept = torch.rand(count, len(config.tracks), config.bars, generator=generator) < share
            kept = repeat(kept.float(), "n tracks bars -> n tracks (bars steps)", steps=config.bar_steps)
            mask = torch.maximum(condition["mask"].cpu(), kept)
            z = torch.randn(count, config.latents, generator=generator)
            some = condition | {"mask": mask, "given": given(rolls, mask)}
            rolls = struck(config, self.draw(z, some, temperature, generator)[0], condition)
        return rolls

    def in_parts(self, count: int, make: Callable[[slice], Tensor]) -> Tensor:
        """What is made of `count` rows, some at a time: by threads side by side and, where it is shared, by processes.

        Args:
            make: of some rows, as many results in their order, on the CPU.
        """
        parts = [slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        own, make = parts[turns()] if self.shared else parts, torch.inference_mode()(make)
        if len(own) == 1:
            with one_thread():  # of so few pieces more would wait for each other
                made = [make(own[0])]
        else:
            made = side_by_side(own, make, self.device)
        return torch.cat(gathered(made) if self.shared else made)

    def compose(self, z: Tensor, condition: MusicContext) -> Tensor:
        """The likeliest rolls, bool (N, 2, T, S, P) on the CPU, for latents z (N, latents).

        Args:
            condition: may also have a "bias" (N, T, S, P), which is added to the logits of pitches.
        """

        def composed(rows: slice) -> Tensor:
            outputs, chosen = self._read(z[rows], rows_of(condition, rows))
            return (self.network.notation.compose(outputs, chosen) > 0.5).cpu()

        return self.in_parts(len(z), composed)

    def draw(
        self, z: Tensor, condition: MusicContext, temperature: float, generator: torch.Generator, count: int = 1
    ) -> Tensor:
        """Rolls, bool (K, N, 2, T, S, P) on the CPU, drawn `count` times for each of latents z (N, latents), at once.

        Args:
            condition: as for `compose`.
            temperature: at which notes are drawn.
            generator: on the CPU, of the draw.
        """
        outputs, chosen = self._read(z, condition)
        noise = self.network.notation.noise(count * len(z), generator).to(outputs.device)
        return self.network.notation.draw(outputs, chosen, temperature, noise).cpu()

    @torch.inference_mode()
    def _read(self, z: Tensor, condition: MusicContext) -> tuple[Tensor, MusicContext]:
        """The network's outputs (N, S, size), and the condition that they are to be read by."""
        chosen = {name: tensor.to(self.device) for name, tensor in condition.items()}
        bias = chosen.pop("bias", None)
        outputs = self._outputs(z.to(self.device), chosen)
        return outputs if bias is None else self.network.notation.biased(outputs, bias), chosen

    def _outputs(self, z: Tensor, condition: MusicContext) -> Tensor:
        """What `compose` reads notes from, (N, S, size); what the style changes against any is exaggerated."""
        outputs, _ = self.network.vae.decode(z, condition)
        if self.guidance == 1 or not self.config.styles:
            return outputs
        style = torch.full_like(condition["style"], len(self.config.styles))
        free, _ = self.network.vae.decode(z, condition | {"style": style})
        return free + self.guidance * (outputs - free)

    @torch.inference_mode()
    def encode(self, rolls: Tensor, condition: MusicContext) -> Tensor:
        """The latents (N, latents) of rolls (N, 2, T, S, P): their posteriors' means, on the CPU."""
        chosen = {name: tensor.to(self.device) for name, tensor in condition.items()}
        return self.network.vae.encode(rolls.float().to(self.device), chosen).mean.cpu()

    def scores(self, rolls: Tensor, condition: MusicContext) -> list[Score]:
        """Rolls (N, 2, T, S, P) as pieces, their tonic at C."""
        return to_scores(self.config, rolls, condition["metre"], condition["mode"], self.tempo)


def rows_of(condition: MusicContext, rows: slice | Tensor | np.ndarray) -> MusicContext:
    """The condition of some rows."""
    return {name: tensor[rows] for name, tensor in condition.items()}


def struck(config: NetworkConfig, rolls: Tensor, condition: MusicContext) -> Tensor:
    """Begin all notes that do not sound at the step before: what they were held from may have been rewritten.

    What the condition itself gives stays as it is.
    """
    pitch, onset = rolls.unbind(1)  # (N, T, S, P)
    before = steps_before(config)[condition["metre"].cpu()]  # (N, S)
    rows = config.steps * torch.arange(pitch[:, :, 0, 0].numel()).view(*pitch.shape[:2], 1) + before[:, None]
    held = pitch.reshape(-1, config.pitches)[rows.flatten()].view(pitch.shape)
    held[:, :, 0] = False
    written = condition["mask"].cpu()[..., None] == 0
    return torch.stack([pitch, onset | (pitch & ~held & written)], 1)


def to_scores(config: MusicSpec, rolls: Tensor, metres: Tensor, modes: Tensor, tempo: float = 100.0) -> list[Score]:
    """Cut the filling off short bars, and put rolls (N, 2, T, S, P) back among MIDI's 128 pitches.

    Args:
        metres, modes: (N,), as numbers.
    """
    valid = valid_steps(config).numpy()
    scores = []
    for roll, metre, mode in zip(rolls.numpy() > 0, metres.tolist(), modes.tolist(), strict=True):
        sounding = np.zeros((*roll.shape[:2], int(valid[metre].sum()), PITCHES), bool)
        sounding[..., config.low : config.high + 1] = roll[:, :, valid[metre]]
        key = Key(0, MODES[mode])
        piece = Score(config.tracks, sounding[0], sounding[1], config.metres[metre], key, tempo, grid=config.grid)
        scores.append(piece)
    return scores


def from_score(config: NetworkConfig, score: Score, bars: int) -> Tensor:
    """The first `bars` bars of a piece as a roll, bool (2, T, bars * bar_steps, P); pitches out of range are left out.

    Args:
        score: its tonic at C, on the model's grid, and with as many tracks as the model.
    """
    bar = score.bar
    roll = np.zeros((2, len(config.tracks), bars, config.bar_steps, config.pitches), bool)
    whole = np.zeros((2, len(config.tracks), bars * bar, config.pitches), bool)
    own = np.stack([score.pitch, score.onset])[:, :, : bars * bar, config.low : config.high + 1]
    whole[:, :, : own.shape[2]] = own
    roll[..., :bar, :] = rearrange(whole, "... (bars steps) pitches -> ... bars steps pitches", steps=bar)
    return torch.from_numpy(rearrange(roll, "... bars steps pitches -> ... (bars steps) pitches"))


def load_music_model(
    source: str, device: torch.device | str = "cpu", guidance: float | None = None, shared: bool = False
) -> MusicModel:
    """Load a composer by bundled name, path (a weights folder or a run) or Hub id.

    Args:
        guidance: instead of what suits the weights.
        shared: of several processes all compose the same, each some parts of it.

    Raises:
        UserError: there is none, it is damaged or of another kind, or there is nothing to guide.
    """
    folder = find_weights(source, "music")
    config = load_config(folder, "music", "composer")
    with reading_config(folder):
        stated = from_json(_Stated, config, others=True)
    composer = load_network(folder, lambda: Composer(stated.network)).to(device)
    facts = stated.typical, stated.tempo, stated.metres, stated.temperature, stated.styles
    if guidance is not None and not stated.network.styles:
        raise UserError(f"--guidance: {folder.resolve().name} has one style alone; leave it out")
    guided = stated.guidance if guidance is None else guidance
    return MusicModel(composer, stated.network, folder.resolve().name, *facts, guided, shared)


@dataclass(frozen=True)
class _Stated:
    """What config.json must hold."""

    network: NetworkConfig
    typical: dict[str, Any]
    tempo: float
    metres: dict[str, str]
    temperature: float
    styles: dict[str, StyleFacts] = field(default_factory=dict)
    guidance: float = 1.0

    def __post_init__(self) -> None:
        known = set(self.network.metres)
        if self.network.grid not in GRIDS:
            raise ValueError("'grid'")
        if not known or known - set(METRES) or set(self.metres.values()) - known or "" not in self.metres:
            raise ValueError("'metres'")
        if not 10 <= self.tempo <= 400:
            raise ValueError("'tempo'")
        if not 0 <= self.guidance <= 20:
            raise ValueError("'guidance'")
        usual = self.typical.get("notes_per_bar")
        if not isinstance(usual, int | float) or not usual > 0:
            raise ValueError("'typical'")
        most = len(self.network.tracks)
        if any(not (1 <= facts.voices <= most and facts.notes_per_bar > 0) for facts in self.styles.values()):
            raise ValueError("'styles'")
