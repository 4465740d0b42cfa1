"""Super-resolution: SRGAN for pictures and video."""

from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from PIL.Image import Image

run_path(str(Path(__file__).parents[1] / "common" / "shadowing.py"), run_name=__name__)


@overload
def enlarge(
    picture: "str | Path | Image",
    weights: str | None = None,
    scale: float | None = None,
    sharpness: float | None = None,
    device: str = "auto",
    denoise: float | None = None,
    ensemble: bool = False,
) -> "Image": ...


@overload
def enlarge(
    picture: "NDArray[Any]",
    weights: str | None = None,
    scale: float | None = None,
    sharpness: float | None = None,
    device: str = "auto",
    denoise: float | None = None,
    ensemble: bool = False,
) -> "NDArray[Any]": ...


def enlarge(
    picture: "str | Path | Image | NDArray[Any]",
    weights: str | None = None,
    scale: float | None = None,
    sharpness: float | None = None,
    device: str = "auto",
    denoise: float | None = None,
    ensemble: bool = False,
) -> "Image | NDArray[Any]":
    """Make a picture larger, as `python -m superres.upscale` does; `.save("large.png")` saves what comes of a picture.

    Args:
        picture: a file, a PIL picture (L, LA, RGB or RGBA; others become RGB or RGBA), or pixels, uint8 or uint16,
            (H, W) or (H, W, C): grey, grey and alpha, RGB or RGBA.
        weights: a bundled name, a folder, a Hub id or a model file; by default x2-fast up to a `scale` of 2, above it
            x4-fast.
        scale: pixels for each one, along each side, 1 to 16; by default the network's.
        sharpness: from 0, pixel-trained weights, to 1, their adversarial twin; by default `weights` as they are.
        device: auto, cpu, cuda, cuda:1 or mps.
        denoise: from 0, weights for clean pictures, to 1, their twin for noisy ones; without `sharpness`.
        ensemble: the mean over eight ways to turn and mirror it: nearer to the truth, eight times the time.

    Returns:
        H * scale high and W * scale wide; of pixels, pixels of the same type and channels; else a PIL picture. What
        belongs to a file beside its pixels (profile, EXIF, further frames) is kept by the command alone.

    Raises:
        UserError: a setting, the weights or the file are of no use.
        ValueError: pixels of another type or shape.
    """
    import numpy as np
    from PIL import Image

    from common.training.devices import pick_device
    from superres.config import UpscaleConfig
    from superres.models import load_superres_model
    from superres.upscaling import TiledUpscaler

    config = UpscaleConfig(
        paths=("picture",),
        weights=weights,
        scale=scale,
        sharpness=sharpness,
        denoise=denoise,
        ensemble=ensemble,
        device=device,
    )
    pixels = picture if isinstance(picture, np.ndarray) else _pixels(picture)
    is_picture = pixels.ndim in (2, 3) and pixels.size and pixels.shape[2:] <= (4,)
    if not is_picture or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels are uint8 or uint16, (H, W) or (H, W, C), not {pixels.dtype} {pixels.shape}")
    model = load_superres_model(config.source, pick_device(device), sharpness, denoise, ensemble)
    upscaler = TiledUpscaler(model, scale)
    large = upscaler.upscale(pixels if pixels.ndim == 3 else pixels[..., None]).reshape(
        *upscaler.size(*pixels.shape[:2]), *pixels.shape[2:]
    )
    return large if isinstance(picture, np.ndarray) else Image.fromarray(large)


def _pixels(picture: "str | Path | Image") -> "NDArray[Any]":
    """Of a file, upright, or a PIL picture, uint8, (H, W) or (H, W, C)."""
    import numpy as np
    from PIL import Image, ImageOps

    from common.pictures.opening import open_image
    from common.pictures.reading import naming
    from common.pictures.tiff_reading import eight_bits, whole_numbers

    if not isinstance(picture, Image.Image):
        with naming(Path(picture)), open_image(Path(picture)) as opened:
            return _pixels(ImageOps.exif_transpose(opened))
    if picture.mode[0] in "IF":  # numbers of more than 8 bits, which Pillow would cut off
        return eight_bits(whole_numbers(np.asarray(picture))[..., None])[..., 0]
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return np.asarray(picture)
