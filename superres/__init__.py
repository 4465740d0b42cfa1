"""Super-resolution: SRGAN for pictures and video."""

from typing import Any


def enlarge(pixels: Any, weights: str | None = None, scale: float | None = None, sharpness: float | None = None) -> Any:
    """Make a picture larger, as `python -m superres.upscale` does.

    Args:
        pixels: uint8 or uint16, (H, W) or (H, W, C): grey, grey and alpha, RGB or RGBA.
        weights: a bundled name, a folder or a Hub id; by default x2-fast up to a `scale` of 2, else x4-fast.
        scale: pixels for each one, along each side, 1 to 16; by default the network's.
        sharpness: from 0, pixel-trained weights, to 1, their adversarial twin; by default `weights` as they are.

    Returns:
        Of the same type and channels, H * scale high and W * scale wide.

    Raises:
        UserError: a setting or the weights are of no use.
        ValueError: pixels of another type or shape.
    """
    import numpy as np

    from common.training.devices import pick_device
    from superres.config import UpscaleConfig
    from superres.models import load_superres_model
    from superres.upscaling import TiledUpscaler

    config = UpscaleConfig(paths=("pixels",), weights=weights, scale=scale, sharpness=sharpness)
    picture = np.asarray(pixels)
    is_picture = picture.ndim in (2, 3) and picture.size and picture.shape[2:] <= (4,)
    if not is_picture or picture.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels are uint8 or uint16, (H, W) or (H, W, C), not {picture.dtype} {picture.shape}")
    upscaler = TiledUpscaler(load_superres_model(config.source, pick_device(config.device), sharpness), scale)
    return upscaler.upscale(picture if picture.ndim == 3 else picture[..., None]).reshape(
        *upscaler.size(*picture.shape[:2]), *picture.shape[2:]
    )
