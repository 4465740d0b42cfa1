"""`python -m superres.export`: what upscales as ONNX file upscales as the weights do."""

from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import UserError
from common.weights import save_weights
from superres import enlarge
from superres.config import ExportConfig, UpscaleConfig
from superres.export import main
from superres.models import load_superres_model
from superres.networks import NetworkConfig, build_generator
from superres.upscaling import TiledUpscaler

for name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(name)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A folder of weights, and the file that it was exported to."""
    torch.manual_seed(0)
    folder, network = tmp_path_factory.mktemp("weights"), NetworkConfig("base", 2, 1, 8, attention=True)
    config = {"domain": "superres", "kind": "generator", "network": network.as_json(), "data": {"name": "none"}}
    save_weights(folder, build_generator(network), config, "Untrained.")
    main(ExportConfig(weights=str(folder), out=folder / "net.onnx"))
    return str(folder), str(folder / "net.onnx")


def test_an_exported_network_upscales_in_tiles_as_the_weights_do(files: tuple[str, str]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 33, 3), np.uint8)
    ours, theirs = map(load_superres_model, files)
    assert ours.reach == theirs.reach and theirs.device.type == "cpu"
    whole = TiledUpscaler(ours).upscale(pixels).astype(int)
    for tile in (None, 2 * theirs.reach.radius + 5):
        assert np.abs(TiledUpscaler(theirs, tile=tile).upscale(pixels) - whole).max() <= 1
    assert enlarge(pixels, weights=files[1], scale=3).shape == (120, 99, 3)


def test_results_are_named_by_the_scale_that_the_file_tells(files: tuple[str, str]) -> None:
    config = UpscaleConfig(paths=("a.png",), weights=files[1])
    config.check_inputs()
    assert config.mark == "_x2"


def test_what_a_file_cannot_do_is_refused(files: tuple[str, str], tmp_path: Path) -> None:
    settings = {"paths": ("a.png",), "weights": files[1]}
    with pytest.raises(UserError, match=r"--device cuda is nothing for .*, which runs on the CPU"):
        UpscaleConfig(**settings, device="cuda")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is a file, which has no twin to blend with"):
        UpscaleConfig(**settings, sharpness=0.5).check_inputs()  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"nothing\.onnx: no such file"):
        UpscaleConfig(paths=("a.png",), weights=str(tmp_path / "nothing.onnx")).check_inputs()
