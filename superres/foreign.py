"""Networks from model files: those that `superres.export` wrote, and those of other programs that spandrel knows.

Of a file numbers and names alone are read, and no code of it is run. What tiles must know is then measured: how far
convolutions look, whether that is all that outputs depend on, and how much memory they take.
"""

import warnings
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from common.config import require_extra
from common.errors import UserError
from common.export import load_onnx
from common.weights import load_tensors
from superres.networks import Reach

OVERLAP = 32  # of tiles, in input pixels, where outputs depend on more than could be covered
MOST = 48  # input pixels that are covered at most: with more, tiles would be nearly all margin
SIDE = 48  # of the picture that is measured on, in pixels
MORE = 3  # times the memory of tensors: convolutions have copies of their own, and the result is copied
BLOCK = 16  # side of what is changed in it, which is more than most windows of attention

Network = tuple[nn.Module, Reach]


def load_foreign(path: Path) -> Network:
    """The network of a model file: (N, 3, H, W) -> (N, 3, H * scale, W * scale), in [0, 1].

    Raises:
        UserError: it is damaged, or no upscaler of colour pictures that can be used here.
    """
    if path.suffix.lower() == ".onnx":
        return _onnx(path)
    with warnings.catch_warnings(action="ignore"):  # of what architectures call that torch will call otherwise
        network = Described(path)
        return network, measured(network, network.scale, network.step)


def scale_of(path: Path) -> int:
    """By how much a model file's network enlarges; as `load_foreign`."""
    return _onnx(path)[1].scale if path.suffix.lower() == ".onnx" else Described(path).scale


def _onnx(path: Path) -> Network:
    network = load_onnx(path, "superres", "generator")
    return network, Reach(network.facts["scale"], network.facts["radius"])


class Described(nn.Module):
    """A network whose architecture, scale and sizes spandrel finds from its tensors.

    Attributes:
        scale: outputs per input pixel, along each side.
        step: sides of inputs are multiples of so many pixels; others are padded and cut.

    Raises:
        UserError: as `load_foreign`.
    """

    def __init__(self, path: Path) -> None:
        require_extra(str(path), "models", "spandrel")
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError, canonicalize_state_dict

        super().__init__()
        state = canonicalize_state_dict(read_state(path))
        try:
            found = ModelLoader().load_from_state_dict(state)
        except UnsupportedModelError as error:
            advice = "of a weights folder or run, name the folder"
            raise UserError(f"{path} holds no network that spandrel knows; {advice}") from error
        except Exception as error:  # of tensors that are missing or of other shapes, in whichever way it notices
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path} is damaged, or holds no network that spandrel can build ({reason})") from error
        channels = found.input_channels, found.output_channels
        if not isinstance(found, ImageModelDescriptor) or channels != (3, 3) or found.scale < 2:
            kind = f"{found.architecture.name} of {channels[0]} channels into {channels[1]}, x{found.scale}"
            raise UserError(f"{path} is {kind}; this command wants one that makes colour pictures larger")
        self.network: nn.Module = found.model.eval().requires_grad_(False)
        self._found, self.scale, self.step = found, found.scale, found.size_requirements.multiple_of

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H * scale, W * scale), in [0, 1]."""
        return self._found(images.contiguous())


def read_state(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors or .pth file by their names; the latter may hold them in further dictionaries.

    Raises:
        UserError: it is damaged, or more than numbers would have to be read; or numbers are not finite.
    """
    if path.suffix.lower() == ".safetensors":
        state: Any = load_tensors(path)
    else:
        try:
            state = torch.load(path, "cpu", weights_only=True)
        except Exception as error:  # of pickles, archives, numbers and whatever else a file may hold
            raise UserError(
                f"{path} cannot be read as numbers alone, and no code of a file is run: it is damaged, or holds more "
                "than weights; look for it as .safetensors"
            ) from error
    if not isinstance(state, dict):
        raise UserError(f"{path} holds no network's weights")
    if not all(leaf.isfinite().all() for leaf in tree_leaves(state) if isinstance(leaf, Tensor)):
        raise UserError(f"{path} is damaged (some of its numbers are not finite); get it anew")
    return state


@torch.inference_mode()
def measured(network: nn.Module, scale: int, step: int) -> Reach:
    """What tiles must know of a network, on the CPU."""
    side = -(-SIDE // step) * step
    with Watch(side) as watch:
        network(torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)))
    radius, cost = int(watch.reach) + 2 + step, int(MORE * watch.most / side**2)  # 2 for interpolation
    is_local = radius <= MOST and depends_on_no_more(network, scale, radius)
    return Reach(scale, radius if is_local else OVERLAP, step, cost, is_local)


def depends_on_no_more(network: nn.Module, scale: int, radius: int) -> bool:
    """Whether no output changes to the last bit when inputs further than `radius` away do."""
    before = torch.rand(1, 3, *2 * [4 * BLOCK + radius], generator=torch.Generator().manual_seed(1))
    after, beyond = before.clone(), (BLOCK + radius) * scale
    after[..., :BLOCK, :BLOCK] = 1 - after[..., :BLOCK, :BLOCK]
    changed = network(before) != network(after)
    return not changed[..., beyond:, :].any() and not changed[..., beyond:].any()


class Watch(TorchDispatchMode):
    """Looks at each operation that torch computes on a picture.

    Attributes:
        reach: how far convolutions look, one after the other, in pixels of the picture.
        most: bytes that were in use at a time.

    Args:
        side: of the picture, in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.reach, self.most, self._side, self._used = 0.0, 0, side, 0
        self._known = weakref.WeakKeyDictionary[Any, None]()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if "conv" in operation.__name__ and len(args[0]) == 1 and args[1].ndim == 4:  # else it is of kernels
            dilation = args[5][0] if len(args) > 5 else 1
            self.reach += (max(args[1].shape[2:]) - 1) / 2 * dilation * self._side / args[0].shape[-1]
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._hold(tensor.untyped_storage())
        return result

    def _hold(self, memory: torch.UntypedStorage) -> None:
        if memory not in self._known:
            self._known[memory] = None
            self._used += memory.nbytes()
            self.most = max(self.most, self._used)
            weakref.finalize(memory, self._free, memory.nbytes())

    def _free(self, count: int) -> None:
        self._used -= count
