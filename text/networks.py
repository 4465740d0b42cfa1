"""Networks of text: an encoder that reads a whole text, and decoders that write one piece after another.

Tokens are int64 (N, L), each row a text's pieces, then `END`, then `PAD`. Shapes in comments: W is the width, D the
latent.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from common.cores.cgan import ProjectionHead
from common.cores.conditions import ClassCondition
from common.cores.likelihoods import Likelihood
from common.cores.samplers import AggregateSampler
from common.cores.vae import VAE, NormalisedMean, Posterior
from common.data.pieces import END, PAD

HIDDEN = 256  # units a layer of the networks of latents
DecoderName = Literal["gru", "transformer"]
State = Any  # what a decoder remembers of the pieces so far, tensors (N, ...)


@dataclass(frozen=True)
class NetworkConfig:
    """What the networks are built from.

    Attributes:
        vocabulary: how many pieces there are.
        starts: the piece that begins a text of each style; one of no style if there are no styles.
        styles: names; () if the model takes no style.
        decoder: gru or transformer.
        width: W, of embeddings.
        layers: of the Transformer.
        latent: D.
        longest: pieces of a text, `END` included.
        dropout: of embeddings and outputs.
        normalised: deviation to which batch normalisation brings posterior means over the data; 0: it does not.
    """

    vocabulary: int
    starts: tuple[int, ...]
    styles: tuple[str, ...] = ()
    decoder: DecoderName = "gru"
    width: int = 256
    layers: int = 4
    latent: int = 32
    longest: int = 48
    dropout: float = 0.0
    normalised: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values, for config.json."""
        return asdict(self)


class TokenLikelihood(Likelihood):
    """A categorical distribution over pieces at every place; padding counts nothing."""

    def nll(self, output: Tensor, data: Tensor) -> Tensor:
        """Logits (N, L, V) and tokens (N, L) -> nats (N,)."""
        return self.nats(output, data).sum(1)

    def nats(self, output: Tensor, data: Tensor) -> Tensor:
        """Logits (N, L, V) and tokens (N, L) -> nats of every piece (N, L)."""
        logits = rearrange(output.float(), "n l v -> (n l) v")
        nats = F.cross_entropy(logits, data.flatten(), ignore_index=PAD, reduction="none")
        return nats.view(data.shape)

    def mean(self, output: Tensor) -> Tensor:
        """The likeliest piece at every place, (N, L)."""
        return output.argmax(-1)


class Encoder(nn.Module):
    """Two GRUs, one from each end, and the greatest value of each unit over the text.

    The maximum and not the last state, because that alone keeps many latents in use (Long et al. 2019). What it gives
    of a text does not depend on the padding.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.forwards = nn.GRU(width, width, batch_first=True)
        self.backwards = nn.GRU(width, width, batch_first=True)
        self.parameters_of = nn.Linear(2 * width, 2 * config.latent)
        self.normalise = NormalisedMean(config.latent, config.normalised) if config.normalised else nn.Identity()

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """(N, L, W), lengths (N,) -> mean and log-variance, (N, 2D)."""
        places = torch.arange(embedded.shape[1], device=embedded.device)
        turned = (lengths[:, None] - 1 - places).clamp(min=0)  # (N, L), each text from its own end
        mirrored = embedded.gather(1, turned[:, :, None].expand_as(embedded))
        both = torch.cat([self.forwards(embedded)[0], self.backwards(mirrored)[0]], 2)
        padding = places >= lengths[:, None]
        return self.normalise(self.parameters_of(both.masked_fill(padding[:, :, None], -1).amax(1)))  # GRUs give > -1


class GruDecoder(nn.Module):
    """A GRU of twice the width; z is its first state, and is added to every input (Bowman et al. 2016)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.first = nn.Linear(config.latent, 2 * config.width)
        self.every = nn.Linear(config.latent, config.width)
        self.rnn = nn.GRU(config.width, 2 * config.width, batch_first=True)
        self.narrow = nn.Linear(2 * config.width, config.width)

    def forward(self, embedded: Tensor, z: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Go on from a state, or begin: (N, L, W), z (N, D) -> what is next after each place (N, L, W), and a state."""
        before = torch.tanh(self.first(z)) if state is None else state
        outputs, after = self.rnn(embedded + self.every(z)[:, None], before[None].to(embedded.dtype))
        return self.narrow(outputs), after[0]

    def topic(self, z: Tensor) -> Tensor:
        """What the latent says by itself, before any piece, (N, D) -> (N, W)."""
        return self.narrow(torch.tanh(self.first(z)))


class TransformerDecoder(nn.Module):
    """A causal Transformer, normalised before each block (Xiong et al. 2020); z is added to every input."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.every = nn.Linear(config.latent, config.width)
        self.places = nn.Parameter(0.02 * torch.randn(config.longest, config.width))
        self.blocks = nn.ModuleList(Block(config.width, config.dropout) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, embedded: Tensor, z: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Decode as `GruDecoder.forward` does; the state is the keys and values of every block."""
        start = 0 if state is None else state[0][0].shape[2]
        x = embedded + self.every(z)[:, None] + self.places[start : start + embedded.shape[1]]
        after = []
        for block, before in zip(self.blocks, state or [None] * len(self.blocks), strict=True):
            x, own = block(x, before)
            after.append(own)
        return self.norm(x), after

    def topic(self, z: Tensor) -> Tensor:
        """What the latent says by itself, as `GruDecoder.topic`."""
        return self.norm(self.every(z))


class Block(nn.Module):
    """Causal attention with 64 units a head, then two layers, each added to its input (Vaswani et al. 2017)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = max(1, width // 64)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attend, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, before: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(N, L, W), and the keys and values so far, each (N, heads, L', W / heads)."""
        parts = self.attend(self.norms[0](x))
        query, key, value = rearrange(parts, "n l (three heads d) -> three n heads l d", three=3, heads=self.heads)
        if before is not None:
            key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        mask = None if x.shape[1] == 1 else _causal(x.shape[1], key.shape[2], x.device)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.dropout(self.joined(rearrange(attended, "n heads l d -> n l (heads d)")))
        return x + self.dropout(self.think(self.norms[1](x))), (key, value)


def _causal(queries: int, keys: int, device: torch.device) -> Tensor:
    """Which keys each of the last places may see, bool (queries, keys): those up to its own."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


DECODERS: dict[DecoderName, type[GruDecoder] | type[TransformerDecoder]] = {
    "gru": GruDecoder,
    "transformer": TransformerDecoder,
}


class SequenceVAE(VAE):
    """A VAE of texts (Bowman et al. 2016), of a style if the model has styles.

    Pieces have one embedding for the encoder, the decoder and the output (Press & Wolf 2017).
    """

    decoder: GruDecoder | TransformerDecoder
    likelihood: TokenLikelihood
    starts: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        condition = ClassCondition(len(config.styles), config.width) if config.styles else None
        decoder = DECODERS[config.decoder](config)
        super().__init__(Encoder(config), decoder, TokenLikelihood(), condition, AggregateSampler(config.latent))
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.dropout = nn.Dropout(config.dropout)
        self.latent = config.latent
        self.scale = config.width**0.5  # of embeddings at the input, where they should be of the order of 1
        self.register_buffer("starts", torch.tensor(config.starts), persistent=False)

    def encode(self, x: Tensor, condition: Tensor | None = None) -> Posterior:
        """q(z | x), for tokens (N, L)."""
        lengths = (x != PAD).sum(1)
        return Posterior.from_parameters(self.encoder(self._inputs(x, condition), lengths))

    def nll(self, x: Tensor, z: Tensor, condition: Tensor | None = None, heard: Tensor | None = None) -> Tensor:
        """The negative log-likelihood -log p(x | z), (N,) nats.

        Args:
            heard: tokens (N, L) that the decoder is told in the place of x while it says x, some of them dropped.
        """
        return self.nats(x, z, condition, heard).sum(1)

    def nats(self, x: Tensor, z: Tensor, condition: Tensor | None = None, heard: Tensor | None = None) -> Tensor:
        """`nll` piece by piece, (N, L)."""
        told = torch.cat([self.begin(len(x), condition), (x if heard is None else heard)[:, :-1]], 1)
        return self.likelihood.nats(self.step(told, z, condition)[0], x)

    def bag_nll(self, x: Tensor, z: Tensor) -> Tensor:
        """How badly the latent alone tells which pieces a text has, in any order, (N,) nats (Zhao et al. 2017)."""
        told = F.log_softmax(F.linear(self.decoder.topic(z), self.embedding.weight, self.bias).float(), 1)
        return -told.gather(1, x).masked_fill((x == PAD) | (x == END), 0).sum(1)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits of the first piece, (N, 1, V); `step` goes on from there."""
        return self.step(self.begin(len(z), condition), z, condition)[0]

    def begin(self, count: int, condition: Tensor | None = None) -> Tensor:
        """The pieces that begin `count` texts, (N, 1)."""
        return self.starts.expand(count)[:, None] if condition is None else self.starts[condition][:, None]

    def step(self, told: Tensor, z: Tensor, condition: Tensor | None, state: State = None) -> tuple[Tensor, State]:
        """Logits of what follows each of the pieces told, (N, L, V), and the state after them."""
        outputs, after = self.decoder(self._inputs(told, condition), z, state)
        return F.linear(self.dropout(outputs), self.embedding.weight, self.bias), after

    def _inputs(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        embedded = self.embedding(tokens) * self.scale
        style = self._embed(condition)
        return self.dropout(embedded if style is None else embedded + style[:, None])


class LatentGenerator(nn.Module):
    """Makes latents of noise as the texts of a style have them: three layers beside a shortcut."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.condition = ClassCondition(len(config.styles), HIDDEN) if config.styles else None
        self.first, self.layers = nn.Linear(config.latent, HIDDEN), _layers(HIDDEN, config.latent)
        nn.init.zeros_(self.layers[-1].get_parameter("weight"))  # it begins as the prior

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Noise (N, D) and labels (N,) -> latents (N, D)."""
        h = self.first(z)
        return z + self.layers(h if self.condition is None or label is None else h + self.condition(label))


class LatentCritic(nn.Module):
    """Tells latents of texts from a generator's (N, D) -> logits (N,)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(config.latent, HIDDEN), *_layers(HIDDEN, HIDDEN), nn.LeakyReLU(0.2))
        self.head = ProjectionHead(HIDDEN, ClassCondition(len(config.styles), HIDDEN) if config.styles else None)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.head(self.layers(z), label)


def _layers(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )  # fmt: skip


class Writer(nn.Module):
    """All that is trained and saved: a VAE of texts, and a generator of its latents.

    Attributes:
        has_generator: whether the generator is trained, which it is after the VAE.
    """

    has_generator: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.vae = SequenceVAE(config)
        self.generator = LatentGenerator(config)
        self.register_buffer("has_generator", torch.tensor(False))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """What the latent GAN plays with: noise (N, D) and labels (N,) -> latents (N, D)."""
        return self.generator(z, label)


def reordered(state: State, rows: Tensor) -> State:
    """A decoder's state with its rows chosen, repeated or left out, int64 (N',)."""
    return tree_map(lambda tensor: tensor[rows], state)


def dropped(tokens: Tensor, uniform: Tensor, share: float, replacement: int) -> Tensor:
    """Tokens with a share of the pieces replaced, but for `END` and padding.

    Args:
        uniform: in [0, 1), at least as wide as tokens.
    """
    hit = uniform[:, : tokens.shape[1]] < share
    return tokens.masked_fill(hit & (tokens != PAD) & (tokens != END), replacement)
