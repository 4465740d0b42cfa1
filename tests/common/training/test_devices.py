"""Which device a command computes on, and in which precision."""

from pathlib import Path

import pytest
import torch
from torch import nn

from common.config import Precision, PrecisionConfig
from common.errors import UserError
from common.training.devices import accelerator_for, bf16_wanted, hardware, pick_device, placed

BEST = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def test_auto_takes_the_best_there_is() -> None:
    assert pick_device("auto").type == BEST
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "cuda:", "meta", "xpu:0", "cuda:99", "no such thing"])
def test_what_is_no_device_here_is_told(name: str) -> None:
    with pytest.raises(UserError) as caught:
        pick_device(name)
    assert f"--device {name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "cpu" in str(caught.value)


@pytest.mark.skipif(BEST != "cpu", reason="this machine has an accelerator")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_accelerator_that_is_not_here_is_told(name: str) -> None:
    with pytest.raises(UserError, match=f"--device {name}.*use --device cpu"):
        pick_device(name)


def test_bf16_where_it_is_asked_for_or_helps() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    computes_in_it = torch.cpu.get_capabilities().get("avx512_bf16") or torch.cpu.get_capabilities().get("amx_bf16")
    assert bf16_wanted(PrecisionConfig(), cpu) == bool(computes_in_it)
    assert bf16_wanted(PrecisionConfig(precision="bf16"), cpu)
    assert not bf16_wanted(PrecisionConfig(precision="fp32"), cpu)
    assert bf16_wanted(PrecisionConfig(precision="bf16"), cuda)
    assert not bf16_wanted(PrecisionConfig(precision="fp32"), cuda)
    if BEST == "cuda":
        assert bf16_wanted(PrecisionConfig(), cuda) == torch.cuda.is_bf16_supported()


def test_the_accelerator_computes_where_it_is_told(tmp_path: Path) -> None:
    accelerator = accelerator_for(PrecisionConfig(device="cpu", precision="fp32"), tmp_path)
    assert accelerator.device.type == "cpu"
    assert accelerator.mixed_precision == "no"
    assert accelerator.num_processes == 1


@pytest.mark.parametrize(("threads", "words"), [(1, "1 CPU thread"), (2, "2 CPU threads")])
def test_threads_are_told_in_words(threads: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert hardware(accelerator_for(PrecisionConfig(device="cpu"), tmp_path)) == words


def test_each_accelerator_has_its_own_precision(tmp_path: Path) -> None:
    asked: tuple[Precision, ...] = ("fp32", "bf16", "fp32")
    for precision, mixed in zip(asked, ("no", "bf16", "no"), strict=True):
        accelerator = accelerator_for(PrecisionConfig(device="cpu", precision=precision), tmp_path)
        assert accelerator.mixed_precision == mixed


def test_a_placed_network_is_the_same_with_its_kernels_channels_last() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    before = [tensor.clone() for tensor in network.state_dict().values()]
    assert placed(network, BEST) is network
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert {tensor.device.type for tensor in network.state_dict().values()} == {BEST}
    assert all(torch.equal(a, b.cpu()) for a, b in zip(before, network.state_dict().values(), strict=True))
