"""Conditions, and the critic's head that reads them."""

import math

import torch
from torch import nn

from common.cgan import ClassCondition, ProjectionHead


def test_a_class_condition_reads_drops_and_embeds() -> None:
    condition = ClassCondition(3, 5)
    raw = condition.read({"label": torch.tensor([0, 1, 2, 1]), "image": torch.zeros(4)})
    assert raw.tolist() == [0, 1, 2, 1]
    assert condition.drop(raw, torch.tensor([False, True, False, True])).tolist() == [0, 3, 2, 3]
    assert raw.tolist() == [0, 1, 2, 1]
    embedded = condition(condition.drop(raw, torch.tensor([False, True, True, False])))
    assert torch.equal(embedded, condition.embedding.weight[[0, 3, 3, 1]])


def test_weights_of_labels_embed_what_lies_between() -> None:
    condition = ClassCondition(2, 4)
    table = condition.embedding.weight
    between = condition(torch.tensor([[0.0, 1.0, 0.0], [0.25, 0.75, 0.0]]))
    torch.testing.assert_close(between, torch.stack([table[1], 0.25 * table[0] + 0.75 * table[1]]))


def test_the_projection_head_by_hand() -> None:
    condition = ClassCondition(1, 2)
    head = ProjectionHead(2, condition)
    with torch.no_grad():
        head.psi.weight.copy_(torch.tensor([[1.0, 2.0]]))
        head.psi.bias.fill_(0.5)
        condition.embedding.weight.copy_(torch.tensor([[5.0, 6.0], [-1.0, 1.0]]))
    features = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    # psi: 1 * 3 + 2 * 4 + 0.5; products: 5 * 3 + 6 * 4 and, for "no label", -3 + 4; the latter over sqrt(2)
    expected = torch.tensor([11.5 + 39 / math.sqrt(2), 11.5 + 1 / math.sqrt(2)])
    torch.testing.assert_close(head(features, torch.tensor([0, 1])), expected)
    torch.testing.assert_close(head(features), torch.tensor([11.5, 11.5]))


def test_a_head_without_condition_is_linear_and_flat() -> None:
    head = ProjectionHead(4)
    features = torch.randn(3, 4)
    logits = head(features)
    assert logits.shape == (3,)
    torch.testing.assert_close(logits, nn.functional.linear(features, head.psi.weight, head.psi.bias)[:, 0])


def test_gradients_of_the_head_equal_finite_differences() -> None:
    head = ProjectionHead(3, ClassCondition(2, 3)).double()
    features = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda h: head(h, torch.tensor([0, 1, 2, 1])), features)
