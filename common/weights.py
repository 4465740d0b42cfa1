"""Weights folders: `config.json`, `model.safetensors` and `README.md` (the card), as the Hugging Face Hub likes them.

Loading reads numbers and JSON and runs no code from any file.
"""

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from common.errors import UserError
from common.files import replacing, write_json

FORMAT = 1
CONFIG, MODEL, CARD = "config.json", "model.safetensors", "README.md"

N = TypeVar("N", bound=nn.Module)


def save_weights(folder: Path, network: nn.Module, config: dict[str, Any], card: str) -> None:
    """Write a weights folder. Each file is replaced whole; the card comes first and the tensors last.

    Tensors of 32-bit floats are rounded to 16 bits (relative error 2^-11, far below what a metric can tell), so that
    weights are half as large; those with numbers that 16 bits cannot hold stay as they are.

    Raises:
        UserError: the disk is full or the folder cannot be written; the weights before are unharmed.
    """
    with replacing(folder / CARD) as temporary:
        temporary.write_text(card, encoding="utf-8")
    write_json(folder / CONFIG, {"quartet": FORMAT} | config)
    tensors = {name: _rounded(tensor.detach().cpu()).contiguous() for name, tensor in network.state_dict().items()}
    with replacing(folder / MODEL) as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def bundled(domain: str) -> dict[str, Path]:
    """The weights that ship with a domain, by name."""
    root = Path(str(files(domain))) / "weights"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG}"))}


def digest_of(folder: Path) -> str:
    """SHA-256 of the tensors of a weights folder, in hexadecimal digits."""
    return hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()


def find_weights(source: str, domain: str) -> Path:
    """Find a weights folder by bundled name, path or Hub id ("owner/name", fetched once and cached).

    Raises:
        UserError: there is nothing by that name, or the Hub cannot be reached.
    """
    path, shipped = Path(source), bundled(domain)
    if source in shipped:
        return shipped[source]
    if path.is_dir():
        if not (path / CONFIG).is_file() or not (path / MODEL).is_file():
            raise UserError(
                f"--weights {source}: the folder has no {CONFIG} and {MODEL}; name a weights folder or a run"
            )
        return path
    if path.exists():
        raise UserError(f"--weights {source} is a file; name the folder that holds {CONFIG} and {MODEL}")
    if source.count("/") == 1 and not source.startswith((".", "/", "~")):
        return _fetch(source)
    raise UserError(f"--weights {source}: no such folder, and bundled are {', '.join(shipped) or 'none'}")


def load_config(folder: Path, domain: str, kind: str) -> dict[str, Any]:
    """Read and check `config.json`: its format, and that it belongs to this domain and is of this kind.

    Raises:
        UserError: it is not a weights folder that this command can use.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); name another weights folder") from error
    if not isinstance(config, dict) or config.get("quartet") != FORMAT:
        raise UserError(f"{path} is not a config of format {FORMAT}; was it written by another program or version?")
    if config.get("domain") != domain or kind not in (config.get("kind"), "any"):
        found = f"{config.get('domain')}/{config.get('kind')}"
        raise UserError(f"{folder} holds {found} weights; this command wants {domain}/{kind}")
    return config


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


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        UserError: it is missing, truncated or no safetensors file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is truncated or damaged ({error}); restore or retrain the weights") from error


def _rounded(tensor: Tensor) -> Tensor:
    half = tensor.half() if tensor.dtype == torch.float32 else tensor
    return half if torch.isfinite(half).all() else tensor


def _fetch(source: str) -> Path:
    from huggingface_hub import snapshot_download  # slow to import, and needed here only
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, allow_patterns=[CONFIG, MODEL, CARD, "*.model"]))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"--weights {source}: not in the cache, and the Hub cannot be reached; go online once, or name a folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"--weights {source}: the Hub answered: {reason}") from error


def load_exactly(network: nn.Module, tensors: dict[str, Tensor], what: str) -> None:
    """Load a state dict whose names and shapes must be exactly the network's.

    Raises:
        UserError: naming the first name or shape that differs.
    """
    expected = network.state_dict()
    for key, value in expected.items():
        if key not in tensors:
            raise UserError(f"{what} lacks the tensor {key}: it was made with another model or other settings")
        if tensors[key].shape != value.shape:
            shapes = f"{tuple(tensors[key].shape)} where {tuple(value.shape)} is expected"
            raise UserError(f"{what} has {key} of shape {shapes}: it was made with other settings")
    if extra := sorted(set(tensors) - set(expected)):
        raise UserError(f"{what} has the unknown tensor {extra[0]}: it was made with another model or other settings")
    network.load_state_dict(tensors)
