"""Weights folders: `config.json`, `model.safetensors` and `README.md` (the card), as the Hugging Face Hub likes them.

GANs have a `critic.safetensors` beside them, with which other runs may begin.

Loading reads numbers and JSON and runs no code from any file.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from common.errors import UserError
from common.files import replacing, write_json, write_text
from common.weights_folders import CARD, CONFIG, CRITIC, FORMAT, MODEL, reading_config, ships

N = TypeVar("N", bound=nn.Module)
ROOM = 64  # times the numbers of a file may be registered while its network is built, some of them again and again


def save_weights(
    folder: Path, network: nn.Module, config: dict[str, Any], card: str, critic: nn.Module | None = None
) -> None:
    """Write a weights folder. Each file is replaced whole; the card comes first and the network's tensors last.

    Tensors of 32-bit floats are rounded to 16 bits (relative error 2^-11, far below what a metric can tell), so that
    weights are half as large; those with numbers that 16 bits cannot hold stay as they are.

    Args:
        critic: against which the network learned, for runs that begin with these weights; what of it never learns is
            left out.

    Raises:
        UserError: the disk is full or the folder cannot be written; the weights before are unharmed.
    """
    with replacing(folder / CARD) as temporary:
        write_text(temporary, card)
    write_json(folder / CONFIG, {"quartet": FORMAT} | config)
    if critic is not None:
        frozen = {name for name, parameter in critic.named_parameters() if not parameter.requires_grad}
        _save(folder / CRITIC, {name: tensor for name, tensor in critic.state_dict().items() if name not in frozen})
    _save(folder / MODEL, network.state_dict())


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    write_tensors(path, {name: _rounded(tensor.detach().cpu()) for name, tensor in tensors.items()})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all.

    Its bytes are made in memory: a temporary file of the library's own would stay for ever if the process were killed.

    Raises:
        UserError: the disk is full or the folder cannot be written; what was there before is unharmed.
    """
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()}, header)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load_model(folder: Path, network: N) -> N:
    """Load `model.safetensors` into `network`, names and shapes checked, and put it in evaluation mode.

    Raises:
        UserError: the file is damaged, holds numbers that are not finite, or is of another model.
    """
    path = folder / MODEL
    tensors = load_tensors(path)
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise UserError(f"{path} is damaged (some of its numbers are not finite); restore or retrain the weights")
    load_exactly(network, tensors, str(path))
    return network.eval()


def load_network(folder: Path, build: Callable[[], N]) -> N:
    """Build the network of a weights folder and load it, as `load_model`, after a look at what that would take.

    It is first built without its numbers, and its shapes are compared with those that `model.safetensors` states, so
    that a `config.json` of another model or size takes neither memory nor time. Weights that ship are as trusted as
    the code beside them, and that look, for which torch loads its compiler, would take most of a second.

    Raises:
        UserError: as `load_model`, or no network is built of these settings.
    """
    if ships(folder):
        return load_model(folder, build())
    shapes = _stated_shapes(folder / MODEL)
    most = ROOM * (sum(map(math.prod, shapes.values())) + ROOM)
    with reading_config(folder), torch.device("meta"), _at_most(most):
        planned = build()
    _require_same(_shapes(planned.state_dict()), shapes, str(folder / MODEL))
    return load_model(folder, build())


@contextmanager
def _at_most(numbers: int) -> Iterator[None]:
    """ValueError where modules that are built within have more numbers together."""
    seen = 0

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal seen
        seen += 0 if tensor is None else tensor.numel()
        if seen > numbers:
            raise ValueError(f"more than the {numbers // ROOM:,} numbers of {MODEL}")

    hooks = register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _stated_shapes(path: Path) -> dict[str, torch.Size]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: torch.Size(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is truncated or damaged ({error}); restore or retrain the weights") from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        UserError: it is missing, truncated or no safetensors file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is truncated or damaged ({error}); restore or retrain the weights") from error


def load_fitting(network: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[int, list[str]]:
    """Load those layers of another network's state dict that fit, all of a layer's tensors or none.

    Layers fit by name and shapes. Of numbered ones (`blocks.0`, `blocks.1`, ...) those of equal shapes are matched in
    their order, whatever their numbers, as a network for larger images has more of them.

    Returns:
        How many tensors were taken, and the names of the network's layers that stay as they were.
    """
    given, found, new = _layers(tensors), dict[str, Tensor](), []
    for layer, wanted in _layers(network.state_dict()).items():
        alike = (
            name for name, parts in given.items() if _row(name) == _row(layer) and _shapes(parts) == _shapes(wanted)
        )
        match = next(alike, None)
        if match is None:
            new.append(layer)
        else:
            found |= {f"{layer}.{part}" if part else layer: tensor for part, tensor in given.pop(match).items()}
    network.load_state_dict(found, strict=False)
    return len(found), new


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors of each layer by what their names have behind the layer's, which ends in its last number if any."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        read = ".condition." in name  # by what depends on the data, so it must not keep the rest from being taken
        numbered = None if read else re.match(r".+\.\d+(?=\.)", name)
        layer = numbered[0] if numbered else name.rpartition(".")[0] or name
        layers.setdefault(layer, {})[name[len(layer) + 1 :]] = tensor
    return layers


def _row(layer: str) -> str:
    """What the numbered layers of one row have in common."""
    return re.sub(r"\d+$", "", layer)


def _shapes(layer: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in layer.items()}


def _rounded(tensor: Tensor) -> Tensor:
    half = tensor.half() if tensor.dtype == torch.float32 else tensor
    return half if torch.isfinite(half).all() else tensor


def load_exactly(network: nn.Module, tensors: dict[str, Tensor], what: str) -> None:
    """Load a state dict whose names and shapes must be exactly the network's.

    Raises:
        UserError: naming the first name or shape that differs.
    """
    _require_same(_shapes(network.state_dict()), _shapes(tensors), what)
    network.load_state_dict(tensors)


def _require_same(expected: Mapping[str, torch.Size], given: Mapping[str, torch.Size], what: str) -> None:
    for key, shape in expected.items():
        if key not in given:
            raise UserError(f"{what} lacks the tensor {key}: it was made with another model or other settings")
        if given[key] != shape:
            shapes = f"{tuple(given[key])} where {tuple(shape)} is expected"
            raise UserError(f"{what} has {key} of shape {shapes}: it was made with other settings")
    if extra := sorted(set(given) - set(expected)):
        raise UserError(f"{what} has the unknown tensor {extra[0]}: it was made with another model or other settings")
