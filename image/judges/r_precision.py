"""What `image.evaluate` measures of models that draw descriptions: whether the pictures are of them."""

import random
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from common.evaluation.metrics import nearest
from common.evaluation.report import Metric
from image.data.loading import Captions, ImageData
from image.judges.features import FeatureExtractor
from image.judges.text_scorer import TrainedScorer
from image.models import ImageModel

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white")
THINGS = ("heart", "circle", "square", "star", "book", "apple", "car", "cat", "flower", "hat", "ball", "moon")
COMBINATIONS = 50  # of known words that were in no description, at most
MAX_DESCRIPTIONS = 1_000  # descriptions of a kind
PROMPTS, SAMPLES = 64, 4  # on the sheet, and samples of each
CHOICES = 100  # descriptions from which the right one is to be told


def combinations(captions: Sequence[Captions], words: frozenset[str], seed: int = 0) -> list[str]:
    """Descriptions of known words that no picture has: a coloured thing, alone or with another."""
    known = {text for side in captions for texts in side.texts for text in texts}
    plain = [f"{colour} {thing}" for colour, thing in product(COLOURS, THINGS)]
    joined = [f"{colour} {one} with {two}" for colour, one, two in product(COLOURS, THINGS, THINGS) if one != two]
    draw, found = random.Random(seed), []
    for group in (plain, joined):
        fitting = [text for text in group if text not in known and set(text.split()) <= words]
        found += draw.sample(fitting, min(COMBINATIONS // 2, len(fitting)))
    return found


def alignment(model: ImageModel, data: ImageData, scorer: TrainedScorer, seed: int = 0) -> list[Metric]:
    """R-precision of samples of training, new and held-out descriptions, beside that of the real pictures of these."""
    assert model.tokenizer is not None and data.captions is not None
    known, held_out = (chosen(side, seed) for side in data.captions)
    new = combinations(data.captions, model.tokenizer.words, seed)
    training, testing = (
        [side.texts[row][0] for row in rows] for side, rows in zip(data.captions, (known, held_out), strict=True)
    )
    every = list(dict.fromkeys([*training, *testing, *new]))
    texts, number = scorer.texts(every), {text: index for index, text in enumerate(every)}

    def precision(pictures: Tensor, asked: Sequence[str]) -> float:
        right = torch.tensor([number[text] for text in asked])
        return r_precision(scorer.pictures(pictures), texts, right, seed)

    figures = []
    for name, asked, pictures in (
        ("training descriptions", training, data.train.tensors["image"][known]),
        ("new combinations of known words", new, None),
        ("held-out descriptions", testing, data.test.tensors["image"][held_out]),
    ):
        if not asked:
            continue
        drawn = model.sample(len(asked), model.tokenizer.tokens(asked), seed)
        real = None if pictures is None else precision(pictures, asked)
        figures.append(Metric(f"R-precision, {name}", precision(drawn, asked), real, "higher", len(asked)))
    return figures


def chosen(captions: Captions, seed: int) -> Tensor:
    """Rows of up to `MAX_DESCRIPTIONS` descriptions, int64 (N,)."""
    return torch.randperm(len(captions.texts), generator=torch.Generator().manual_seed(seed))[:MAX_DESCRIPTIONS]


def drawn_prompts(
    model: ImageModel, data: ImageData, extractor: FeatureExtractor, features: Tensor, seed: int = 0
) -> list[tuple[str, Tensor]]:
    """Descriptions that were not picked, each with samples and the training picture nearest to the first of them.

    A third of them were trained on, a third are new combinations (if there are any), and a third were held out.

    Args:
        features: of all training pictures, (M, D).
    """
    assert model.tokenizer is not None and data.captions is not None
    sides = [[side.texts[row][0] for row in chosen(side, seed)] for side in data.captions]
    new = combinations(data.captions, model.tokenizer.words, seed)
    groups = [texts for texts in (sides[0], new, sides[1]) if texts]
    prompts = [text for group in zip(*groups, strict=False) for text in group][:PROMPTS]
    rows = []
    for row, text in enumerate(prompts):
        images = model.sample(SAMPLES, model.tokenizer.tokens([text]).expand(SAMPLES, -1), seed=row)
        _, index = nearest(extractor.features([images[:1]]), features)
        rows.append((text, torch.cat([images, data.train.tensors["image"][index]])))
    return rows


def r_precision(pictures: Tensor, texts: Tensor, right: Tensor, seed: int = 0, choices: int = CHOICES) -> float:
    """Share of pictures to which their own description is nearer than any of `choices` - 1 others (Xu et al. 2018).

    Args:
        pictures: (N, D), of length 1.
        texts: all different descriptions, (M, D), of length 1.
        right: which of these is each picture's own, int64 (N,).
        seed: of the choice of others, which differ from picture to picture.
    """
    scores = pictures @ texts.T
    own = scores.gather(1, right[:, None])
    order = torch.rand(scores.shape, generator=torch.Generator().manual_seed(seed)).scatter_(1, right[:, None], -1)
    others = order.topk(min(choices, len(texts)) - 1, 1).indices
    return (own > scores.gather(1, others)).all(1).float().mean().item()
