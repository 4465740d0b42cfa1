"""Conditions, and the critic's head that reads them."""

import math

import pytest
import torch
from torch import Tensor, nn

from common.cores.cgan import ProjectionHead, WordAttention
from common.cores.conditions import ClassCondition, TextCondition
from common.data.pieces import END, PAD
from common.randomness import Draw


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


def descriptions() -> Tensor:
    """Four of them, of 3, 1, 0 and 2 pieces."""
    return torch.tensor([[7, 8, 9, END], [5, END, PAD, PAD], [END, PAD, PAD, PAD], [6, 5, END, PAD]])


def reader() -> TextCondition:
    torch.manual_seed(0)
    return TextCondition(12, 6, 8, 5).eval()


def test_one_of_several_descriptions_is_read_by_the_draw() -> None:
    texts = torch.arange(24).view(2, 3, 4)
    condition = reader()
    assert torch.equal(condition.read({"text": texts}), texts[:, 0])
    found = {tuple(condition.read({"text": texts}, Draw(0, step, rows=2))[1].tolist()) for step in range(40)}
    assert found == {tuple(row) for row in texts[1].tolist()}


def test_descriptions_are_hidden_and_swapped_but_not_for_empty_ones() -> None:
    condition, texts = reader(), descriptions()
    hidden = condition.drop(texts, torch.tensor([True, False, False, True]))
    assert hidden[:, 0].tolist() == [END, 5, END, END] and not hidden[0, 1:].any()
    assert torch.equal(condition.none(2, torch.device("cpu")), torch.tensor([[END], [END]]))
    swapped = condition.swap(texts)  # each the one before it
    assert [row.tolist() for row in swapped] == [texts[row].tolist() for row in (3, 0, 1, 3)]
    labels = ClassCondition(3, 2).swap(torch.tensor([0, 1, 3, 2]))
    assert labels.tolist() == [2, 0, 1, 2]


def test_padding_changes_nothing_and_pieces_and_their_order_do() -> None:
    condition, texts = reader(), descriptions()
    found = condition(texts)
    assert found.shape == (4, 5)
    torch.testing.assert_close(condition(nn.functional.pad(texts, (0, 2), value=PAD)), found)
    torch.testing.assert_close(condition(texts[1:2, :2]), found[1:2])
    assert not torch.allclose(condition(texts[:1, [1, 0, 2, 3]]), found[:1])


def test_attention_adds_nothing_at_first_and_looks_at_what_is_there() -> None:
    torch.manual_seed(0)
    condition, attention = reader(), WordAttention(8, 8)
    x = torch.randn(4, 8, 3, 3)
    reading = condition.encode(descriptions())
    assert torch.equal(attention(x, reading), x)
    nn.init.normal_(attention.out.weight)
    added = attention(x, reading) - x
    torch.testing.assert_close(attention(x, reading, 2.0) - x, 2 * added)
    reading.words[1, 2:] = 100.0  # padding
    torch.testing.assert_close(attention(x, reading)[1], x[1] + added[1])


def test_attention_to_one_word_is_its_value_everywhere() -> None:
    torch.manual_seed(0)
    condition, attention = reader(), WordAttention(8, 8)
    nn.init.normal_(attention.out.weight)
    x, reading = torch.zeros(1, 8, 2, 2), condition.encode(torch.tensor([[END]]))
    value = attention.key_value(reading.words)[0, 0, 8:]
    expected = attention.out(value[None, :, None, None])
    torch.testing.assert_close(attention(x, reading), expected.expand(-1, -1, 2, 2))


def test_gradients_reach_the_words() -> None:
    condition = reader()
    condition(descriptions()).square().sum().backward()
    grown = condition.embedding.weight.grad
    assert grown is not None and grown[5:10].abs().sum(1).min() > 0 and not grown[PAD].any()
    assert condition.places.grad is not None
    assert pytest.approx(0) == grown[11].abs().sum().item()
