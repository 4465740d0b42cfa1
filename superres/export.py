"""`python -m superres.export`: write a trained generator as an ONNX file."""

from common.cli import run
from superres.config import ExportConfig

PROGRAM = "superres.export"


def main(config: ExportConfig) -> None:
    """Write a trained generator as an ONNX file: float32 (N, 3, H, W) in [0, 1] -> (N, 3, H * scale, W * scale).

    Height, width and N are free. Before the file is there, onnxruntime must have computed from it what torch computes.
    `python -m superres.upscale --weights FILE PICTURE` uses it in tiles.
    """
    import torch  # loads only once the command line is known to be good

    from common.export import report, write_onnx
    from superres.models import load_superres_model

    model = load_superres_model(config.weights, "cpu", config.sharpness)
    drawn = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 20, 24), (1, 3, 1, 1), (1, 3, 90, 77))
    examples = [{"image": torch.rand(shape, generator=drawn)} for shape in shapes]
    axes = {"image": {0: "pictures", 2: "height", 3: "width"}}
    facts = {"domain": "superres", "kind": "generator", "scale": model.scale, "radius": model.radius}
    difference = write_onnx(model.network, examples, axes, "large", facts | {"data": model.data}, config)
    print(report(config, model.name, difference))


if __name__ == "__main__":
    run(main, PROGRAM)
