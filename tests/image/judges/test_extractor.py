"""The features behind our distances: what the classifier sees, and by which name its figures go."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from common.evaluation.metrics import frechet_distance, halves
from image.data.loading import load_images
from image.judges.extractor import Classifier, Extractor, load_extractor, standardise


@pytest.fixture(scope="module")
def bundled() -> Extractor:
    return load_extractor()


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


# --- what the classifier sees


def test_small_images_are_padded_by_their_border() -> None:
    image = torch.arange(28.0 * 28).view(1, 1, 28, 28)
    seen = standardise(image)
    assert seen.shape == (1, 3, 32, 32)
    assert torch.equal(seen[:, :, 2:30, 2:30], image.expand(1, 3, 28, 28))
    assert torch.equal(seen[0, 0, 0], seen[0, 0, 2]) and torch.equal(seen[0, 0, :, 31], seen[0, 0, :, 29])


def test_an_odd_side_is_padded_too() -> None:
    image = torch.arange(27.0 * 27).view(1, 1, 27, 27)
    assert torch.equal(standardise(image)[0, 1, 2:29, 2:29], image[0, 0])


def test_large_images_are_averaged_over_areas() -> None:
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(standardise(image), image.view(2, 3, 32, 2, 32, 2).mean((3, 5)))


def test_height_and_width_are_brought_to_the_square_each_by_itself() -> None:
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(standardise(image), image.view(1, 3, 32, 2, 32, 3).mean((3, 5)))
    flat = torch.randn(1, 1, 16, 64, generator=torch.Generator().manual_seed(0))
    seen = standardise(flat)[:, :1]
    torch.testing.assert_close(seen[:, :, 8:24], flat.view(1, 1, 16, 32, 2).mean(4))
    assert torch.equal(seen[:, :, :8], seen[:, :, 8:9].expand(-1, -1, 8, -1))
    assert torch.equal(standardise(flat.mT), standardise(flat).mT)


def test_grey_and_the_same_grey_in_colour_are_one(bundled: Extractor) -> None:
    grey = random_images(3, 1, 28, 28)
    torch.testing.assert_close(bundled.features([grey]), bundled.features([grey.expand(-1, 3, -1, -1)]))


# --- the network


def test_features_lead_to_the_logits() -> None:
    network = Classifier(classes=5, width=8).eval()
    images = torch.randn(4, 3, 40, 40)
    features = network.features(images)
    assert features.shape == (4, 16) and (features >= 0).all()
    torch.testing.assert_close(network(images), network.head(features))


def test_batches_do_not_show(bundled: Extractor) -> None:
    images = random_images(20, 1, 28, 28)
    whole, parts = bundled.features([images]), bundled.features(images.split(7))
    assert whole.dtype == torch.float32 and whole.device.type == "cpu" and len(whole) == 20
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-4)
    assert torch.equal(bundled.labels([images]), bundled.labels(images.split(7)))


def test_labels_are_the_most_likely_classes(bundled: Extractor) -> None:
    images = random_images(6, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(bundled.labels([images]), bundled.network(images / 127.5 - 1).argmax(1))


# --- the bundled one


def test_its_name_holds_the_hash_of_its_file(bundled: Extractor, root: Path) -> None:
    content = (root / "image" / "weights" / "features" / "model.safetensors").read_bytes()
    assert bundled.name == f"features@{hashlib.sha256(content).hexdigest()[:8]}"


def test_it_tells_digits_apart(bundled: Extractor) -> None:
    test = load_images("digits").test.tensors
    images, labels = test["image"][:300], test["label"][:300]
    names = [bundled.classes[label] for label in bundled.labels([images]).tolist()]
    right = [name == f"digits: {label}" for name, label in zip(names, labels.tolist(), strict=True)]
    assert sum(right) > 0.9 * len(right)


def test_its_distance_between_kinds_is_far_above_that_within_one(bundled: Extractor, shapes: Path) -> None:
    arrays = load_images(str(shapes)).train.tensors
    bars, discs = (bundled.features([arrays["image"][arrays["label"] == label]]) for label in (0, 1))
    assert frechet_distance(bars, discs) > 5 * frechet_distance(*halves(bars))


# --- loading


def test_missing_and_foreign_weights_are_refused(cgan_run: Path) -> None:
    with pytest.raises(UserError, match="no-such"):
        load_extractor("no-such")
    with pytest.raises(UserError, match="holds image/gan weights"):
        load_extractor(str(cgan_run))


@pytest.mark.parametrize("key", ["classes", "width"])
def test_a_config_that_lacks_something_is_refused(key: str, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(root / "image" / "weights" / "features", folder)
    config = json.loads((folder / "config.json").read_text())
    del config[key]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=key):
        load_extractor(str(folder))
