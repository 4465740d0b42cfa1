"""Images: train, sample and measure GANs and VAEs."""

from collections.abc import Sequence
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

run_path(str(Path(__file__).parents[1] / "common" / "shadowing.py"), run_name=__name__)


def draw(
    weights: str | None = None,
    *,
    n: int | None = None,
    label: str | Sequence[str] = (),
    text: str | Sequence[str] = (),
    guidance: float = 1.0,
    truncation: float | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> "list[Image]":
    """Draw pictures, as `python -m image.generate` does; `.save("picture.png")` saves one.

    Args:
        weights: a bundled name, a folder (of weights or of a run), or a Hub id; by default digits-cgan, or emoji-text
            for `text`.
        n: pictures of each `label` or `text` that is named, or of all classes together; by default 4 of each `text`, or
            64 in all or somewhat more, so that all classes get as many.
        label: one or more classes to draw, by name or number; by default all, evenly.
        text: one or more descriptions to draw, by weights that read such.
        guidance: above 1 nearer to the `text`, and less varied.
        truncation: multiplies the latents; below 1 more typical, above 1 more varied; by default what the
            weights say, or 0.7 of GANs and 1 of VAEs.
        sampler: of latents: "prior", or a VAE's "mixture", fitted to the training data's; by default that of VAEs.
        seed: of the latents; means the same on every device.
        device: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        RGB pictures, those of a class or description together.

    Raises:
        UserError: a setting or the weights are of no use.
    """
    settings, words = dict(locals()), {"label": label, "text": text}
    from common.errors import UserError
    from common.pictures.sheets import pictures
    from common.training.devices import pick_device
    from image.config import GenerateConfig
    from image.generation import make_gallery
    from image.models import load_image_model

    several = {name: (given,) if isinstance(given, str) else tuple(given) for name, given in words.items()}
    config = GenerateConfig(out="pictures/", **settings | several)
    gallery = make_gallery(load_image_model(config.source, pick_device(device)), config)
    if gallery.refused:
        raise UserError("; ".join(gallery.refused))
    return [picture for _, images in gallery.rows for picture in pictures(images)]
