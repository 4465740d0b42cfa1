"""A trained network as an ONNX file, which other programs run without torch, and such a file as a network again.

What the file holds, and what must be known to use it, such as a scale, stands in its metadata as JSON under "quartet".
"""

import copy
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common.config import OnnxConfig, require_extra
from common.errors import UserError
from common.files import replacing
from common.weights_folders import FORMAT

MOST = {False: 1e-4, True: 3e-2}  # by which numbers of 32 and of 16 bits may differ from what torch computes in 32
ADVICE = "name a file that `python -m {}.export` wrote"

Inputs = Mapping[str, Tensor]


def write_onnx(
    network: nn.Module,
    examples: Sequence[Inputs],
    axes: Mapping[str, dict[int, str]],
    output: str,
    facts: dict[str, Any],
    config: OnnxConfig,
) -> float:
    """Write a network as an ONNX file that takes and gives float32, once onnxruntime computes what torch does.

    Args:
        network: of as many positional inputs as an example has.
        examples: inputs by name; the network is traced on the first, of a batch above 1, and compared on all of them.
        axes: of each input, those whose length is free, and what they are called.
        output: its name.
        facts: what `load_onnx` gives back, and the "domain" and "kind" that it asks for.

    Returns:
        The largest difference from torch in float32.

    Raises:
        UserError: the difference is too large, or the file cannot be written.
    """
    inputs, traced = examples[0], _Traced(network, config.half).eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "# The axis name")  # two axes that are of one length have one name
        program = torch.onnx.export(
            traced,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=(tuple(axes[name] for name in inputs),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["quartet"] = json.dumps({"format": FORMAT} | facts)
    with replacing(config.out) as temporary:
        program.save(temporary)
        written = OnnxNetwork(temporary)
        difference = max(_difference(network, written, example) for example in examples)
        if not difference <= MOST[config.half]:
            raise UserError(
                f"--out {config.out}: onnxruntime's results are up to {difference:.2g} off torch's, where "
                f"{MOST[config.half]:g} is the most; nothing was written{', leave --half out' if config.half else ''}"
            )
    return difference


def report(config: OnnxConfig, name: str, difference: float) -> str:
    """What was written, in a line."""
    bits, size = 16 if config.half else 32, config.out.stat().st_size / 1e6
    return f"wrote {config.out}: {name} in {bits} bits, {size:.1f} MB, at most {difference:.1g} off torch's results"


class OnnxNetwork(nn.Module):
    """A network that onnxruntime computes on the CPU, on as many threads as torch takes.

    Attributes:
        facts: what the file says of itself; empty if it is not one of ours.

    Raises:
        UserError: the file is no ONNX file.
    """

    def __init__(self, path: Path) -> None:
        require_extra(str(path), "onnx", "onnxruntime")
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self.facts = json.loads(self.session.get_modelmeta().custom_metadata_map.get("quartet", "{}"))
        except Exception as error:  # its exceptions have no class in common
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path} is no ONNX file that onnxruntime can load ({reason})") from error

    def forward(self, *inputs: Tensor) -> Tensor:
        """The first output, float32 on the CPU."""
        names = [one.name for one in self.session.get_inputs()]
        given = {name: value.contiguous().numpy() for name, value in zip(names, inputs, strict=True)}
        return torch.from_numpy(np.asarray(self.session.run(None, given)[0]))


def load_onnx(path: Path, domain: str, kind: str) -> OnnxNetwork:
    """Load what `write_onnx` wrote of a network of this kind.

    Raises:
        UserError: it is no such file.
    """
    network = OnnxNetwork(path)
    found = network.facts
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UserError(f"{path} is another program's or version's network; {ADVICE.format(domain)}")
    if (found.get("domain"), found.get("kind")) != (domain, kind):
        raise UserError(f"{path} holds {found.get('domain')}/{found.get('kind')}; {ADVICE.format(domain)}")
    return network


class _Traced(nn.Module):
    """A network of whatever inputs, which it gets and gives in 32 bits, and computes on in 16 if `half`."""

    def __init__(self, network: nn.Module, half: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).half() if half else network
        self.change: Callable[[Tensor], Tensor] = Tensor.half if half else Tensor.float

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(*(self.change(one) if one.is_floating_point() else one for one in inputs)).float()


@torch.inference_mode()
def _difference(network: nn.Module, written: OnnxNetwork, example: Inputs) -> float:
    inputs = tuple(example.values())
    return float((network(*inputs) - written(*inputs)).abs().max())
