"""Encoder, decoder and critic of music: convolutions over time on piano rolls (see `music.rolls`)."""

from itertools import combinations

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import FeatureModulation, MinibatchDeviation
from common.cores.cgan import ProjectionHead
from common.cores.game import Batch
from common.cores.likelihoods import Likelihood
from common.cores.vae import VAE
from common.randomness import Draw
from music.readout import NoteReadout
from music.rolls import MusicContext, NetworkConfig, empty_condition, steps_before
from music.theory import GRID

HALVINGS = 2  # of the patches, down to the narrow end; so `bar_steps` is in half notes


class MusicCondition(nn.Module):
    """Embeds mode, metre, style and the place in the piece.

    Of a condition it reads "mode", "metre", "first" and "last" (begins, ends the piece), int64 (N,), and with styles
    "style", where the index `len(styles)` means "any".
    """

    def __init__(self, config: NetworkConfig, width: int):
        super().__init__()
        sizes = {"mode": 2, "metre": len(config.metres), "first": 2, "last": 2}
        if config.styles:
            sizes["style"] = len(config.styles) + 1
        self.tables = nn.ModuleDict({name: nn.Embedding(size, width) for name, size in sizes.items()})

    def forward(self, condition: MusicContext) -> Tensor:
        """Embed a condition as (N, width)."""
        return torch.stack([table(condition[name]) for name, table in self.tables.items()]).sum(0)


class WholeCondition(nn.Module):
    """The condition of the VAE, whose networks read it as it is."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config

    def read(self, batch: Batch, draw: Draw | None = None) -> MusicContext:
        """What is known of windows as loaded, with nothing of them given; `music.rolls.read_condition` gives some."""
        return empty_condition(self.config, batch)

    def forward(self, condition: MusicContext) -> MusicContext:
        return condition


# ---- blocks ----------------------------------------------------------------------------------------------------------


class TimeConvolution(nn.Conv1d):
    """A convolution over time, by the two-dimensional one with channels last, which CPUs do twice as fast."""

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, S) -> (N, C', S'), with channels last in memory, as is best for x."""
        if len(x) == 1:  # of which that is not so
            return super().forward(x)
        stride, padding = (1, *self.stride), (0, *map(int, self.padding))
        wide = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return F.conv2d(wide, self.weight.unsqueeze(2), self.bias, stride, padding).squeeze(2)


class TimeBlock(nn.Module):
    """x + f(x), f two convolutions over time and zero at the start, modulated by a style vector if it has one."""

    def __init__(self, channels: int, style: int = 0, kernel: int = 5):
        super().__init__()
        self.first = TimeConvolution(channels, channels, kernel, padding=kernel // 2)
        self.second = TimeConvolution(channels, channels, kernel, padding=kernel // 2)
        self.modulation = FeatureModulation(style, channels) if style else None
        nn.init.kaiming_normal_(self.first.weight, a=0.2)
        for parameter in (self.first.bias, self.second.weight, self.second.bias):
            assert parameter is not None
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """x (N, C, S), style (N, style) -> (N, C, S)."""
        h = self.first(F.leaky_relu(x, 0.2))
        if self.modulation is not None and style is not None:
            h = self.modulation(h.unsqueeze(3), style).squeeze(3)
        return x + self.second(F.leaky_relu(h, 0.2))


class RollFeatures(nn.Module):
    """What a network sees of each patch of a roll, mixed to C channels, with a learned mark for the place in the bar.

    Beside pitches and onsets it sees the pitch classes of each track and, for each pair of pitched tracks, the interval
    classes between them as a patch begins: parallel fifths are then two equal intervals in a row, and no longer a
    matter of counting.
    """

    fold: Tensor
    intervals: Tensor

    def __init__(self, config: NetworkConfig, channels: int):
        super().__init__()
        tracks = range(len(config.tracks))
        pitched = [track for track in tracks if config.tracks[track].kind != "drums"]
        self.pairs = list(combinations(pitched, 2))
        pitch_class = torch.arange(config.low, config.high + 1) % 12
        self.register_buffer("fold", F.one_hot(pitch_class, 12).float(), persistent=False)  # (P, 12)
        upper, lower = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
        interval = ((upper - lower) % 12).flatten()
        self.register_buffer("intervals", F.one_hot(interval, 12).float(), persistent=False)  # (144, 12)
        seen = len(config.tracks) * (2 * config.pitches + 12 + 1)
        self.mix = TimeConvolution(seen, channels, config.patch, stride=config.patch)
        self.mix_intervals = TimeConvolution(12 * len(self.pairs), channels, 1, bias=False) if self.pairs else None
        self.place = nn.Parameter(torch.zeros(channels, config.bar_steps // config.patch))
        self.bars, self.patch = config.bars, config.patch

    def forward(self, roll: Tensor, mask: Tensor) -> Tensor:
        """Rolls, of any type (N, 2, T, S, P), and masks (N, T, S) -> (N, C, S / patch)."""
        chroma = (roll[:, 0].to(mask.dtype) @ self.fold).clamp(max=1)  # (N, T, S, 12)
        notes = rearrange(roll, "n two tracks steps pitches -> n steps (two tracks pitches)")
        classes = rearrange(chroma, "n tracks steps classes -> n steps (tracks classes)")
        place = repeat(self.place, "c steps -> c (bars steps)", bars=self.bars)
        x = self.mix(torch.cat([notes, classes, mask.mT], 2).mT) + place
        if self.mix_intervals is not None:
            upper, lower = (chroma[:, list(side), :: self.patch] for side in zip(*self.pairs, strict=True))
            both = rearrange(upper[..., :, None] * lower[..., None, :], "n pairs steps a b -> n pairs steps (a b)")
            intervals = rearrange(both @ self.intervals, "n pairs steps classes -> n (pairs classes) steps")
            x = x + self.mix_intervals(intervals)
        return x


# ---- the networks ----------------------------------------------------------------------------------------------------


class Encoder(nn.Module):
    """A whole roll, and what of it is given, to the means and log-variances of its latents."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width, self.config = config.width, config
        self.features = RollFeatures(config, width)
        self.blocks = nn.ModuleList(TimeBlock(width) for _ in range(HALVINGS + 2))
        narrow = config.bar_steps // config.patch >> HALVINGS
        self.bar = nn.Linear(width * narrow, 2 * config.bar_latent)
        self.shared = nn.Linear(width * narrow, 2 * config.latent)

    def forward(self, roll: Tensor, condition: MusicContext) -> Tensor:
        """Rolls (N, 2, T, S, P) and condition -> (N, 2 * latents), all means before all log-variances."""
        x = self.features(roll, condition["mask"])
        for level, block in enumerate(self.blocks):
            x = block(F.avg_pool1d(x, 2) if 0 < level <= HALVINGS else x)
        bars = rearrange(F.leaky_relu(x, 0.2), "n c (bars steps) -> n bars (c steps)", bars=self.config.bars)
        shared = rearrange(self.shared(bars.mean(1)), "n (two d) -> n two d", two=2)  # means and log-variances
        own = rearrange(self.bar(bars), "n bars (two d) -> n two (bars d)", two=2)
        return torch.cat([shared, own], 2).flatten(1)


class Decoder(nn.Module):
    """Latents and a condition to what `music.readout.NoteReadout` reads as notes.

    A U-Net reads the given part; its narrow end joins the latents of the bars, and a style vector, made of the shared
    latent and the condition, modulates every block on the way back.
    """

    def __init__(self, config: NetworkConfig, outputs: int):
        super().__init__()
        self.config = config
        width, style = config.width, 2 * config.latent
        self.condition = MusicCondition(config, config.latent)
        self.style = nn.Sequential(
            nn.Linear(2 * config.latent, style), nn.LeakyReLU(0.2), nn.Linear(style, style), nn.LeakyReLU(0.2)
        )
        self.features = RollFeatures(config, width)
        self.down = nn.ModuleList(TimeBlock(width) for _ in range(HALVINGS + 1))
        narrow = config.bar_steps // config.patch >> HALVINGS
        self.start = nn.Linear(style + config.bar_latent, width * narrow)
        self.middle = nn.ModuleList(TimeBlock(width, style) for _ in range(2))
        self.up = nn.ModuleList(TimeBlock(width, style) for _ in range(HALVINGS + 1))
        self.narrow = TimeConvolution(
            width, width // 2, 1
        )  # the last block works at single steps, so with fewer channels
        self.fine = TimeBlock(width // 2, style, kernel=config.grid + 1)  # an eighth to both sides
        # The steps of a patch start alike. Two are told apart by what is beside them; of six the place is marked.
        self.mark = nn.Parameter(torch.zeros(width // 2, config.patch)) if config.grid > GRID else None
        self.last = TimeConvolution(width // 2, outputs, 1)

    def forward(self, z: Tensor, condition: MusicContext) -> tuple[Tensor, MusicContext]:
        """z (N, latents) and condition -> outputs (N, S, size), and the condition that they are to be read by."""
        config = self.config
        shared, bars = z.split([config.latent, config.bars * config.bar_latent], 1)
        style = self.style(torch.cat([shared, self.condition(condition)], 1))
        x = self.features(condition["given"], condition["mask"])
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool1d(x, 2) if level else x)
            skips.append(x)
        own = rearrange(bars, "n (bars d) -> n bars d", bars=config.bars)
        start = self.start(torch.cat([own, repeat(style, "n d -> n bars d", bars=config.bars)], 2))
        x = skips.pop() + rearrange(start, "n bars (c steps) -> n c (bars steps)", c=config.width)
        for block in self.middle:
            x = block(x, style)
        for level, block in enumerate(self.up):
            x = block(F.interpolate(x, scale_factor=2.0) + skips.pop() if level else x, style)
        x = repeat(self.narrow(x), "n c patches -> n c (patches steps)", steps=config.patch)  # all start alike: held
        if self.mark is not None:
            x = x + self.mark.repeat(1, config.steps // config.patch)
        outputs = self.last(F.leaky_relu(self.fine(x, style), 0.2))
        return rearrange(outputs, "n size steps -> n steps size"), condition


class RollLikelihood(Likelihood):
    """Notes as `NoteReadout` reads them: categorical for the pitch of a mono track, Bernoulli for the rest."""

    def __init__(self, notation: NoteReadout):
        super().__init__()
        self.notation = notation

    def nll(self, output: tuple[Tensor, MusicContext], data: Tensor) -> Tensor:
        """-log p of what of rolls (N, 2, T, S, P) is not given, (N,) nats."""
        outputs, condition = output
        return (self.notation.nats(outputs, condition, data) * (1 - condition["mask"])).sum((1, 2))

    def mean(self, output: tuple[Tensor, MusicContext]) -> Tensor:
        """The likeliest roll, (N, 2, T, S, P) of zeros and ones, in which what is given stands unchanged."""
        return self.notation.compose(*output)


class Composer(nn.Module):
    """The generator: latents and a condition to a roll in which what is given stands unchanged.

    It is the decoder of a conditional VAE of what is not given, which learns from whole rolls what to do with latents;
    as a GAN's generator it also learns from a critic of what it makes of the prior's.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.notation = NoteReadout(config)
        decoder = Decoder(config, self.notation.size)
        self.vae = VAE(Encoder(config), decoder, RollLikelihood(self.notation), WholeCondition(config))

    def forward(self, z: Tensor, condition: MusicContext) -> Tensor:
        """z (N, latents) and condition -> rolls (N, 2, T, S, P)."""
        return self.vae.likelihood.mean(self.vae.decode(z, condition))


class Successions(nn.Module):
    """What is wrong between voices is often an interval that stands twice: a map of those, (N, C, S / patch).

    For each pair of mono tracks it sees the interval class, 0 to 11, with which both move from one step to the next
    and which is the same before and after, so that parallel fifths and octaves are one number each.
    """

    fold: Tensor
    before: Tensor

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        super().__init__()
        self.mono = [index for index, track in enumerate(config.tracks) if track.kind == "mono"]
        pitch_class = torch.arange(config.low, config.high + 1) % 12
        self.register_buffer("fold", F.one_hot(pitch_class, 12).float(), persistent=False)  # (P, 12)
        self.register_buffer("before", steps_before(config), persistent=False)
        pairs, patch = len(self.mono) * (len(self.mono) - 1) // 2, config.patch
        self.mix = TimeConvolution(12 * pairs, channels, patch, stride=patch, bias=False) if pairs else None

    def forward(self, roll: Tensor, condition: MusicContext) -> Tensor | float:
        if self.mix is None:
            return 0.0
        pitch, before = roll[:, 0, self.mono], self.before[condition["metre"]]  # (N, M, S, P), (N, S)
        earlier = before[:, None, :, None]
        moved = 1 - (pitch * pitch.gather(2, earlier.expand_as(pitch))).sum(3)  # (N, M, S)
        upper, lower = torch.triu_indices(len(self.mono), len(self.mono), 1).unbind()
        chroma = pitch @ self.fold
        interval = torch.stack([(chroma[:, upper] * chroma[:, lower].roll(k, 3)).sum(3) for k in range(12)], 2)
        again = interval * interval.gather(3, before[:, None, None, :].expand_as(interval))  # (N, pairs, 12, S)
        both = (moved[:, upper] * moved[:, lower]).unsqueeze(2)
        return self.mix(rearrange(again * both, "n pairs classes steps -> n (pairs classes) steps"))


class MusicCritic(nn.Module):
    """Judges a roll and what of it was given, as a whole and each bar by itself.

    Time blocks and, for the whole, the minibatch deviation and a projection head.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width, self.bars = config.width, config.bars
        self.features = RollFeatures(config, width)
        self.successions = Successions(config, width)
        self.blocks = nn.ModuleList(TimeBlock(width) for _ in range(HALVINGS + 2))
        self.deviation = MinibatchDeviation()
        narrow = config.steps // config.patch >> HALVINGS
        self.bar = nn.Linear(width * narrow // config.bars, 1)
        self.last = nn.Sequential(nn.Flatten(), nn.Linear((width + 1) * narrow, 2 * width), nn.LeakyReLU(0.2))
        self.head = ProjectionHead(2 * width, MusicCondition(config, 2 * width))

    def forward(self, roll: Tensor, condition: MusicContext) -> Tensor:
        """Rolls (N, 2, T, S, P) and condition -> logits (N, 1 + bars), of the whole and of each bar."""
        x = self.features(roll, condition["mask"]) + self.successions(roll, condition)
        for level, block in enumerate(self.blocks):
            x = block(F.avg_pool1d(x, 2) if 0 < level <= HALVINGS else x)
        x = F.leaky_relu(x, 0.2)
        bars = self.bar(rearrange(x, "n c (bars steps) -> n bars (c steps)", bars=self.bars)).squeeze(2)
        whole = self.head(self.last(self.deviation(x.unsqueeze(3))), condition)
        return torch.cat([whole.unsqueeze(1), bars], 1)
