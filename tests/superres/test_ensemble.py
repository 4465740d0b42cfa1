"""Self-ensembles: all eight ways there and back, the mean of what is made of them, and tiles that do not show."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.weights import save_weights
from superres.ensemble import Ensemble
from superres.models import load_superres_model
from superres.networks import NetworkConfig, build_generator
from superres.symmetries import SYMMETRIES, mirrored, unmirrored
from superres.upscaling import TiledUpscaler

CONFIG = NetworkConfig("fast", 2, 2, 8)


class TopRow(nn.Module):
    """Doubles images, and adds 1 to the upper row of what comes of it."""

    def forward(self, images: Tensor) -> Tensor:
        large = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
        large[:, :, 0] += 1
        return large


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    config = {"domain": "superres", "kind": "generator", "network": CONFIG.as_json(), "data": {"name": "none"}}
    save_weights(folder, build_generator(CONFIG), config, "Untrained.")
    return str(folder)


def test_every_way_leads_back_and_no_two_are_alike() -> None:
    images = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    ways = [mirrored(images, symmetry, (2, 3)) for symmetry in range(SYMMETRIES)]
    for symmetry, laid in enumerate(ways):
        assert torch.equal(unmirrored(laid, symmetry, (2, 3)), images)
    assert len({tuple(laid.flatten().tolist()) for laid in ways}) == SYMMETRIES


def test_the_mean_is_the_one_worked_out_by_hand() -> None:
    # A border is the upper one in two of the eight ways; corners belong to two borders.
    found = Ensemble(TopRow())(torch.zeros(1, 3, 2, 3))
    expected = torch.zeros(4, 6)
    expected[[0, -1]] += 0.25
    expected[:, [0, -1]] += 0.25
    assert torch.equal(found, expected.expand(1, 3, 4, 6))


def test_it_is_the_mean_of_eight_pictures_whatever_the_tiles(weights: str) -> None:
    picture = np.random.default_rng(0).integers(80, 176, (40, 44, 3), dtype=np.uint8)  # nothing is cut off
    plain, ensemble = load_superres_model(weights), load_superres_model(weights, ensemble=True)
    total = np.zeros((80, 88, 3))
    for is_mirror in (False, True):
        for turns in range(4):
            laid = np.rot90(picture[:, ::-1] if is_mirror else picture, turns)
            made = np.rot90(plain.upscale_picture(np.ascontiguousarray(laid)), -turns)
            total += made[:, ::-1] if is_mirror else made
    found = ensemble.upscale_picture(picture)
    assert np.abs(found - total / SYMMETRIES).max() <= 1.01  # the eight are rounded, and then the mean
    assert np.array_equal(found, TiledUpscaler(ensemble, tile=20).upscale(picture))
    assert not np.array_equal(found, plain.upscale_picture(picture))


def test_turned_pictures_become_the_same_turned(weights: str) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    model = load_superres_model(weights, ensemble=True)
    turned = model.upscale_picture(np.ascontiguousarray(np.rot90(picture)))
    assert np.abs(np.rot90(turned, -1).astype(int) - model.upscale_picture(picture)).max() <= 1
