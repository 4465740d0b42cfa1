"""`python -m image.generate`: draw with a trained model."""

import sys

from common.cli import run
from image.config import GenerateConfig

PROGRAM = "image.generate"


def main(config: GenerateConfig) -> None:
    """Draw with a trained model: samples, also of descriptions, interpolations, arithmetic and reconstructions.

    One seed gives the same pictures on every machine, up to rounding. --interpolate and --arithmetic move on spheres
    around the origin, near which the prior has its mass.
    """
    from common.training.devices import pick_device  # torch loads only once the command line is known to be good
    from image.generation import make_gallery, write_gallery
    from image.models import load_image_model

    model = load_image_model(config.source, pick_device(config.device))
    gallery = make_gallery(model, config)
    for note in gallery.notes:
        print(f"{PROGRAM}: {note}", file=sys.stderr)
    print(f"wrote {write_gallery(gallery, config)}: {gallery.what}")


if __name__ == "__main__":
    run(main, PROGRAM)
