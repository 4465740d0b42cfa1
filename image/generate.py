"""`python -m image.generate`: draw with a trained model."""

import sys

from common.cli import run
from common.processes import rank
from common.weights_folders import find_weights, read_config, reading_config
from image.config import GenerateConfig

PROGRAM = "image.generate"


def main(config: GenerateConfig) -> None:
    """Draw with a trained model: samples, also of descriptions, interpolations, arithmetic and reconstructions.

    One seed gives the same pictures on every machine, up to rounding. --interpolate and --arithmetic move on spheres
    around the origin, near which the prior has its mass. If some of several descriptions cannot be drawn, the others
    are, and the exit code is 2.
    """
    if config.list_text:
        if rank() == 0:
            list_texts(config.source)
        return
    from common.training.devices import pick_device  # torch loads only once the command line is known to be good
    from image.generation import make_gallery, write_gallery
    from image.models import load_image_model

    model = load_image_model(config.source, pick_device(config.device), shared=True)
    gallery = make_gallery(model, config)
    written = write_gallery(gallery, config)
    if rank() == 0:
        for note in (*gallery.notes, *gallery.refused):
            print(f"{PROGRAM}: {note}", file=sys.stderr)
        print(f"wrote {written}: {gallery.what}")
    if gallery.refused:
        sys.exit(2)


def list_texts(source: str) -> None:
    """Print what weights learned to draw, a line each: descriptions, or their words where only these were kept."""
    config = read_config(find_weights(source, "image"))
    kind = "descriptions" if "descriptions" in config else "words"
    with reading_config(find_weights(source, "image")):
        known = config["descriptions"].splitlines() if "descriptions" in config else config["words"].split()
    print(f"{PROGRAM}: {source} learned from these {len(known):,} {kind}", file=sys.stderr)
    print("\n".join(known))


if __name__ == "__main__":
    run(main, PROGRAM)
