"""How well pictures and descriptions go together, by a network trained for that alone."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cli import command
from common.cores.augment import deform
from common.cores.conditions import one_description
from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.data.arrays import Arrays
from common.randomness import Draw, mix
from common.training.launch import Run
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from image.data.loading import ImageData, described, load_images, to_model
from image.data.prompts import PromptTokenizer
from image.judges.config import ScorerConfig
from image.judges.r_precision import CHOICES, r_precision
from image.judges.text_scorer import Scorer, TrainedScorer


def prepare(config: ScorerConfig) -> Run:
    """What `image.judges.scorer` carries out.

    Raises:
        UserError: the data are of no use.
    """
    data, captions, _ = described(load_images(config.data, config.size))
    tokenizer = PromptTokenizer.learn(captions, config.vocabulary, config.longest)
    data = replace(data, train=Arrays(data.train.tensors | {"text": tokenizer.all_tokens(captions)}))
    monitor = ScorerMonitor(config, data, tokenizer)

    def finds(out: str) -> str:
        share, chance = monitor.held_out()
        return f"finds the right one of {CHOICES} descriptions in {share:.3f} of cases (chance {chance:.3f})"

    return Run(
        "image.judges.scorer",
        config,
        f"image-{data.name}-scorer",
        scorer_game(monitor.network, config.lr),
        data.train,
        monitor,
        examples="images",
        sheets="",
        training=len(data.train),
        held_out=len(data.test),
        then=finds,
        beside=tokenizer.pieces.files,
    )


def scorer_game(network: Scorer, lr: float) -> Game:
    """One player that tells which description of a batch belongs to which picture, and the other way round."""

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        tokens = one_description(batch, draw)
        images = deform(to_model(batch["image"]), draw.uniform(3)).contiguous(memory_format=torch.channels_last)
        logits = network.sharpness.exp() * network.pictures(images).float() @ network.texts(tokens).float().T
        value = contrastive(logits, (tokens[:, None] == tokens).all(2))
        return value, {"scorer": value}

    return Game({"scorer": Player(network, loss, OptimizerConfig(lr, weight_decay=1e-2), average=5_000)}, "scorer")


def contrastive(logits: Tensor, alike: Tensor) -> Tensor:
    """The mean cross-entropy of rows and of columns, (N, N); what is `alike` is as right as what belongs together."""
    target = alike / alike.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class ScorerMonitor(Monitor):
    """The trainer's eyes on a scorer. Nothing is tuned on held-out pictures.

    Args:
        data: its training pictures have descriptions in pieces, "text".
    """

    def __init__(self, config: ScorerConfig, data: ImageData, tokenizer: PromptTokenizer) -> None:
        torch.manual_seed(mix(config.seed, 0))
        self.config, self.data, self.tokenizer = config, data, tokenizer
        side = data.train.tensors["image"].shape[-1]
        self.sizes = {"pieces": len(tokenizer.pieces), "width": config.width, "side": side}
        self.network = Scorer(**self.sizes)
        self.product: nn.Module = self.network

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Keep the latest weights."""
        self.product = network
        return Verdict()

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The config and card of the scorer's weights folder."""
        config = {
            "domain": "image",
            "kind": "scorer",
            "network": {"sizes": self.sizes, "longest": self.tokenizer.longest},
            "words": " ".join(sorted(self.tokenizer.words)),
            "data": {"name": self.data.name},
        }
        held_out, chance = self.held_out()
        card = f"""# A scorer of pictures and descriptions

Says which description belongs to which picture; used to judge models that draw descriptions.

- Command: `{command("image.judges.scorer", self.config)}`
- These weights: after {facts["images"]:,} pictures, {in_minutes(facts["seconds"])} on {facts["hardware"]}
- Data: {self.data.source}; {len(self.data.train):,} training pictures, {len(self.data.test):,} held out
- Of a held-out picture it finds the right one of {CHOICES} descriptions in {held_out:.3f} of all cases (chance \
{chance:.3f})

Known faults: it knows no order of words, so "red heart on blue square" is to it as the other way round.
"""
        return config, card

    def held_out(self) -> tuple[float, float]:
        """R-precision of held-out pictures among all held-out descriptions, and that of chance."""
        assert isinstance(self.product, Scorer) and self.data.captions is not None
        scorer = TrainedScorer(self.product.eval(), self.tokenizer, "")
        chief = [texts[0] for texts in self.data.captions[1].texts]
        texts = list(dict.fromkeys(chief))
        right = torch.tensor([texts.index(text) for text in chief])
        found = r_precision(scorer.pictures(self.data.test.tensors["image"]), scorer.texts(texts), right)
        return found, 1 / min(CHOICES, len(texts))
