"""`python -m image.export`: what draws as ONNX file draws what the weights do."""

from pathlib import Path

import pytest
import torch

from common.export import OnnxNetwork
from common.weights import save_weights
from image.config import ExportConfig
from image.data.loading import to_uint8
from image.export import main
from image.models import load_image_model
from image.networks import NetworkConfig, build_generator, build_vae

for name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(name)


@pytest.mark.parametrize(("kind", "classes"), [("residual", ("cat", "dog")), ("dcgan", ()), ("vae", ("cat", "dog"))])
def test_an_exported_network_draws_what_the_weights_do(kind: str, classes: tuple[str, ...], tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NetworkConfig("dcgan" if kind == "dcgan" else "residual", "24x16", 1, 4, 8, len(classes))
    config = {"domain": "image", "kind": "vae" if kind == "vae" else "gan", "network": network.as_json()}
    build = build_vae if kind == "vae" else build_generator
    save_weights(tmp_path, build(network), config | {"classes": classes, "data": {"name": "none"}}, "Untrained.")
    main(ExportConfig(weights=str(tmp_path), out=tmp_path / "net.onnx"))
    model, written = load_image_model(str(tmp_path)), OnnxNetwork(tmp_path / "net.onnx")
    z, labels = model.latents(3), torch.tensor([1, 0, 1])
    drawn = written(z, labels) if classes else written(z)
    assert drawn.shape == (3, 1, 16, 24) and written.facts["classes"] == list(classes)
    differences = to_uint8(drawn).int() - model.decode(z, labels if classes else None).int()
    assert differences.abs().max() <= 1
