"""Model files of other programs: tiny random networks of architectures that people share, made by spandrel itself."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from common.errors import UserError
from superres.config import UpscaleConfig
from superres.models import load_superres_model
from superres.upscale import main
from superres.upscaling import TiledUpscaler

pytest.importorskip("spandrel")

SWIN = {"img_size": 16, "depths": [2], "num_heads": [2], "window_size": 8, "mlp_ratio": 2, "upsampler": "pixelshuffle"}
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "ESRGAN": ("ESRGAN", {"num_filters": 8, "num_blocks": 1, "scale": 4}),
    "shuffled ESRGAN": ("ESRGAN", {"in_nc": 12, "num_filters": 8, "num_blocks": 1, "scale": 4, "shuffle_factor": 2}),
    "Compact": ("Compact.__arch.SRVGG.SRVGGNetCompact", {"num_feat": 8, "num_conv": 2, "upscale": 2}),
    "SPAN": ("SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2}),
    "SwinIR": ("SwinIR", {"embed_dim": 12, "upscale": 2, **SWIN}),
    "DAT": ("DAT", {"img_size": 16, "embed_dim": 32, "split_size": [4, 8], "depth": [2], "num_heads": [2]}),
    "OmniSR": ("OmniSR", {"num_feat": 16, "block_num": 1, "res_num": 1, "up_scale": 2, "window_size": 8}),
}
LOCAL = {"ESRGAN", "shuffled ESRGAN", "Compact", "SPAN"}


def network(name: str) -> nn.Module:
    place, settings = SMALL[name]
    module, _, cls = f"spandrel.architectures.{place}".rpartition(".") if "." in place else ("", "", place)
    torch.manual_seed(0)
    return getattr(importlib.import_module(module or f"spandrel.architectures.{place}"), cls)(**settings).eval()


@pytest.fixture(params=SMALL)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, nn.Module, str]:
    """The name of an architecture, a network, and a file that holds it."""
    made, path = network(request.param), tmp_path / "4x-name.pth"
    torch.save({"params_ema": made.state_dict()}, path)
    return request.param, made, str(path)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_scale_and_reach_are_found_and_pixels_are_those_of_the_network(saved: tuple[str, nn.Module, str]) -> None:
    name, made, path = saved
    model = load_superres_model(path)
    assert model.scale == (4 if name == "ESRGAN" else 2)
    assert model.reach.is_local == (name in LOCAL)
    image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model.upscale(image), made(image).clamp(0, 1), rtol=0, atol=1e-5)
    found = TiledUpscaler(model, 1.5).upscale(noise(19, 23))
    assert found.shape == (29, 35, 3)


def test_tiles_change_nothing_where_networks_are_local(saved: tuple[str, nn.Module, str]) -> None:
    name, _, path = saved
    model, pixels = load_superres_model(path), noise(120, 140)
    whole = TiledUpscaler(model, tile=1000).upscale(pixels).astype(int)
    least = TiledUpscaler(model).least
    tiled = TiledUpscaler(model, tile=least + (7 if name in LOCAL else 30))
    assert len(tiled.tiles(*pixels.shape[:2])) > 1
    difference = np.abs(tiled.upscale(pixels) - whole)
    assert difference.max() <= (1 if name in LOCAL else 8)


def test_memory_bounds_the_tiles(saved: tuple[str, nn.Module, str]) -> None:
    model = load_superres_model(saved[2])
    assert 100 < model.reach.cost < 100_000
    upscaler = TiledUpscaler(model)
    assert upscaler.tile == upscaler.least or upscaler.tile**2 * model.reach.cost <= 1 << 32


def test_the_command_takes_files_and_says_once_where_tiles_are_not_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(network("OmniSR").state_dict(), tmp_path / "2x.safetensors")
    for name in ("a.png", "b.png"):
        Image.fromarray(noise(20, 22)).save(tmp_path / name)
    main(UpscaleConfig(paths=(str(tmp_path),), weights=str(tmp_path / "2x.safetensors")))
    with Image.open(tmp_path / "b_x2.png") as large:
        assert large.size == (44, 40)
    assert capsys.readouterr().err.count("looks too far for exact tiles; they overlap by 32 pixels") == 1


class Command:
    """What a pickle runs when it is opened by a program that lets it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def write_command(path: Path) -> None:
    torch.save({"params": Command(path.with_name("run"))}, path)


def write_infinite(path: Path) -> None:
    state = network("Compact").state_dict()
    state["body.0.weight"][0] = torch.inf
    torch.save(state, path)


def write_grey(path: Path) -> None:
    place, settings = SMALL["ESRGAN"]
    made = importlib.import_module(f"spandrel.architectures.{place}").ESRGAN(**settings, in_nc=1, out_nc=1)
    torch.save(made.state_dict(), path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (write_command, "cannot be read as numbers alone, and no code of a file is run"),
        (lambda path: path.write_bytes(b"no model"), "cannot be read as numbers alone"),
        (lambda path: torch.save([1, 2], path), "holds no network's weights"),
        (lambda path: torch.save({"weight": torch.ones(3)}, path), "holds no network that spandrel knows"),
        (write_infinite, "some of its numbers are not finite"),
        (write_grey, "is ESRGAN of 1 channels into 1, x4; this command wants one that makes colour pictures larger"),
    ],
    ids=["code", "bytes", "list", "unknown", "infinite", "grey"],
)
def test_files_of_no_use_are_refused_in_a_line(write: Callable[[Path], Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "name.pth"
    write(path)
    with pytest.raises(UserError) as caught:
        load_superres_model(str(path))
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
