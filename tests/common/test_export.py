"""ONNX files: they hold what torch computes, or are not there; and what is said of files that are something else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from common.config import OnnxConfig
from common.errors import UserError
from common.export import load_onnx, report, write_onnx

for name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(name)

FACTS = {"domain": "superres", "kind": "generator", "scale": 3}


class Moody(nn.Module):
    """Something else wherever it is traced."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if torch.compiler.is_compiling() else x


def write(path: Path, network: nn.Module, half: bool = False, **facts: Any) -> str:
    torch.manual_seed(0)
    examples = [{"x": torch.rand(2, 3, 8, 9)}, {"x": torch.rand(1, 3, 5, 5)}]
    config = OnnxConfig(out=path, half=half)
    axes = {"x": {0: "n", 2: "height", 3: "width"}}
    return report(config, "small", write_onnx(network, examples, axes, "y", FACTS | facts, config))


@pytest.mark.parametrize("half", [False, True])
def test_files_compute_the_same_at_any_size(half: bool, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.PReLU(4)).eval()
    assert f"small in {16 if half else 32} bits" in write(tmp_path / "n.onnx", network, half)
    loaded = load_onnx(tmp_path / "n.onnx", "superres", "generator")
    assert loaded.facts["scale"] == 3
    image = torch.rand(1, 3, 31, 17)
    with torch.inference_mode():
        found = loaded(image)
        torch.testing.assert_close(found, network(image), rtol=0, atol=3e-2 if half else 1e-4)
    assert found.dtype == torch.float32 and network[0].weight.dtype == torch.float32


def test_what_computes_otherwise_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"up to 1 off torch's, where 0\.0001 is the most; nothing was written"):
        write(tmp_path / "n.onnx", Moody())
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(UserError, match=r"is no ONNX file that onnxruntime can load") as caught:
        load_onnx(path, "superres", "generator")
    assert "\n" not in str(caught.value)
    write(path, nn.PReLU(), domain="image")
    with pytest.raises(UserError, match=r"holds image/generator; name a file that `python -m superres.export` wrote"):
        load_onnx(path, "superres", "generator")
    write(path, nn.PReLU(), format=2)
    with pytest.raises(UserError, match="is another program's or version's network"):
        load_onnx(path, "superres", "generator")


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    config = OnnxConfig(out=tmp_path / "n.onnx")
    config.check_inputs()
    config.out.touch()
    with pytest.raises(UserError, match="is there already"):
        config.check_inputs()
    replace(config, overwrite=True).check_inputs()
