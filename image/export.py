"""`python -m image.export`: write a trained generator or VAE as an ONNX file."""

from typing import TYPE_CHECKING

from common.cli import run
from image.config import ExportConfig

if TYPE_CHECKING:
    from torch import Tensor

    from image.models import ImageModel

PROGRAM = "image.export"


def main(config: ExportConfig) -> None:
    """Write what draws as an ONNX file: z (N, latent), float32 from N(0, I), and labels (N,), int64, if it has classes.

    It gives images (N, C, H, W) in [-1, 1]; the names of classes stand in the file's metadata. Before the file is
    there, onnxruntime must have computed from it what torch computes.
    """
    from common.export import report, write_onnx  # torch loads only once the command line is known to be good
    from image.models import Drawing, load_image_model

    model = load_image_model(config.weights)
    examples = [_example(model, count) for count in (2, 1, 5)]
    axes = {name: {0: "pictures"} for name in examples[0]}
    facts = {"domain": "image", "kind": "generator", "classes": model.classes, "data": model.data}
    difference = write_onnx(Drawing(model), examples, axes, "images", facts, config)
    print(report(config, model.name, difference))


def _example(model: "ImageModel", count: int) -> "dict[str, Tensor]":
    """Inputs for so many pictures."""
    import torch

    labels = {"labels": torch.arange(count) % len(model.classes)} if model.classes else {}
    return {"z": model.latents(count, seed=count)} | labels


if __name__ == "__main__":
    run(main, PROGRAM)
