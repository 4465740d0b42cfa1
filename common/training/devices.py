"""Which device a command computes on, and in which precision."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import GeneralTracker
from torch import nn

from common.config import PrecisionConfig, check_device
from common.errors import UserError

N = TypeVar("N", bound=nn.Module)


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA, then MPS, then the CPU. Of several processes each has its own GPU.

    Raises:
        UserError: there is no such device here.
    """
    check_device(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name == "cuda" else name)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps: not available here; use --device cpu")
    return device


def placed(network: N, device: torch.device | str) -> N:
    """The network itself, moved to a device and with its kernels channels last, as convolutions are fastest."""
    return network.to(device).to(memory_format=torch.channels_last)


def bf16_wanted(config: PrecisionConfig, device: torch.device) -> bool:
    """Whether to autocast to bfloat16: where asked, and by default where the processor computes in it."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def accelerator_for(config: PrecisionConfig, out: Path, trackers: Sequence[GeneralTracker] = ()) -> Accelerator:
    """Accelerate's view of the device and of the processes that torchrun or `accelerate launch` started.

    Args:
        out: folder of the run.
        trackers: who is told of figures, once they are started.
    """
    device = pick_device(config.device)
    if device.index is not None and device.type == "cuda":
        torch.cuda.set_device(device)
    AcceleratorState._reset_state()  # accelerate holds the precision of a process's first run for all its later ones
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="bf16" if bf16_wanted(config, device) else "no",
        log_with=list(trackers) or None,
        project_dir=out,
    )


@contextmanager
def flushing() -> Iterator[None]:
    """Denormal numbers are 0 within: moments of near-zero gradients would slow a CPU down many times."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that this process has held on a GPU or, for one that computes on the CPU, at all; None if unknown.

    Where there is no GPU that includes the program itself, some half a gigabyte.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource  # which Windows has not

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def hardware(accelerator: Accelerator) -> str:
    """What computes, in words, for the cards of models."""
    processes = f"{accelerator.num_processes} x " if accelerator.num_processes > 1 else ""
    if accelerator.device.type == "cuda":
        return f"{processes}{torch.cuda.get_device_name(accelerator.device)}"
    if accelerator.device.type == "mps":
        return f"{processes}MPS"
    threads = torch.get_num_threads()
    return f"{processes}{threads} CPU thread{'s' if threads > 1 else ''}"
