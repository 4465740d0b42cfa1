"""Encoder, decoder and critic of music: convolutions over time on piano rolls (see `music.rolls`)."""

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import FeatureModulation, MinibatchDeviation
from common.cores.cgan import ProjectionHead
from common.cores.game import Batch
from common.cores.likelihoods import Likelihood
from common.cores.vae import VAE
from common.randomness import Draw
from music.readout import NoteReadout
from music.rolls import PATCH, MusicContext, NetworkConfig, empty_condition

HALVINGS = 2  # of the patches, down to the narrow end; so `bar_steps` is a multiple of 8


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


class TimeBlock(nn.Module):
    """x + f(x), f two convolutions over time and zero at the start, modulated by a style vector if it has one."""

    def __init__(self, channels: int, style: int = 0, kernel: int = 5):
        super().__init__()
        self.first = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
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
        self.mix = nn.Conv1d(seen, channels, PATCH, stride=PATCH)
        self.mix_intervals = nn.Conv1d(12 * len(self.pairs), channels, 1, bias=False) if self.pairs else None
        self.place = nn.Parameter(torch.zeros(channels, config.bar_steps // PATCH))
        self.bars = config.bars

    def forward(self, roll: Tensor, mask: Tensor) -> Tensor:
        """Rolls (N, 2, T, S, P) and masks (N, T, S) -> (N, C, S / PATCH)."""
        n, steps = roll.shape[0], roll.shape[3]
        chroma = (roll[:, 0] @ self.fold).clamp(max=1)  # (N, T, S, 12)
        notes = roll.permute(0, 1, 2, 4, 3).reshape(n, -1, steps)
        seen = torch.cat([notes, chroma.transpose(2, 3).reshape(n, -1, steps), mask], 1)
        x = self.mix(seen) + self.place.repeat(1, self.bars)
        if self.mix_intervals is not None:
            upper, lower = (chroma[:, list(side), ::PATCH] for side in zip(*self.pairs, strict=True))
            both = (upper.unsqueeze(4) * lower.unsqueeze(3)).flatten(3)  # (N, pairs, S / PATCH, 144)
            intervals = (both @ self.intervals).transpose(2, 3).flatten(1, 2)  # (N, pairs * 12, S / PATCH)
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
        narrow = config.bar_steps // PATCH >> HALVINGS
        self.bar = nn.Linear(width * narrow, 2 * config.bar_latent)
        self.shared = nn.Linear(width * narrow, 2 * config.latent)

    def forward(self, roll: Tensor, condition: MusicContext) -> Tensor:
        """Rolls (N, 2, T, S, P) and condition -> (N, 2 * latents), all means before all log-variances."""
        x = self.features(roll, condition["mask"])
        for level, block in enumerate(self.blocks):
            x = block(F.avg_pool1d(x, 2) if 0 < level <= HALVINGS else x)
        n, width, _ = x.shape
        bars = F.leaky_relu(x, 0.2).view(n, width, self.config.bars, -1).transpose(1, 2).flatten(2)  # (N, bars, D)
        shared, own = self.shared(bars.mean(1)).chunk(2, 1), self.bar(bars).chunk(2, 2)
        return torch.cat([part for pair in zip(shared, own, strict=True) for part in (pair[0], pair[1].flatten(1))], 1)


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
        narrow = config.bar_steps // PATCH >> HALVINGS
        self.start = nn.Linear(style + config.bar_latent, width * narrow)
        self.middle = nn.ModuleList(TimeBlock(width, style) for _ in range(2))
        self.up = nn.ModuleList(TimeBlock(width, style) for _ in range(HALVINGS + 1))
        self.narrow = nn.Conv1d(width, width // 2, 1)  # the last block works at single steps, so with fewer channels
        self.fine = TimeBlock(width // 2, style)
        self.last = nn.Conv1d(width // 2, outputs, 1)

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
        bar = torch.cat([bars.view(len(z), config.bars, -1), style.unsqueeze(1).expand(-1, config.bars, -1)], 2)
        start = self.start(bar).view(len(z), config.bars, config.width, -1).transpose(1, 2).flatten(2)  # (N, C, S / 8)
        x = skips.pop() + start
        for block in self.middle:
            x = block(x, style)
        for level, block in enumerate(self.up):
            x = block(F.interpolate(x, scale_factor=2.0) + skips.pop() if level else x, style)
        x = self.fine(self.narrow(x).repeat_interleave(PATCH, 2), style)  # both steps of a patch start alike: held
        return self.last(F.leaky_relu(x, 0.2)).transpose(1, 2), condition


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


class MusicCritic(nn.Module):
    """Judges a roll and what of it was given: time blocks, the minibatch deviation, and a projection head."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.width
        self.features = RollFeatures(config, width)
        self.blocks = nn.ModuleList(TimeBlock(width) for _ in range(HALVINGS + 2))
        self.deviation = MinibatchDeviation()
        narrow = config.steps // PATCH >> HALVINGS
        self.last = nn.Sequential(nn.Flatten(), nn.Linear((width + 1) * narrow, 2 * width), nn.LeakyReLU(0.2))
        self.head = ProjectionHead(2 * width, MusicCondition(config, 2 * width))

    def forward(self, roll: Tensor, condition: MusicContext) -> Tensor:
        """Rolls (N, 2, T, S, P) and condition -> logits (N,)."""
        x = self.features(roll, condition["mask"])
        for level, block in enumerate(self.blocks):
            x = block(F.avg_pool1d(x, 2) if 0 < level <= HALVINGS else x)
        x = self.deviation(F.leaky_relu(x, 0.2).unsqueeze(3))
        return self.head(self.last(x), condition)
