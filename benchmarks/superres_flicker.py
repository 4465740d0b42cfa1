"""`python benchmarks/superres_flicker.py`: how much upscaled films flicker.

Films are cut out of photos, so that their motion is known: one moves over a photo by whole pixels of the true film,
which are parts of a pixel of the small one; one stands still, with new noise in each frame. Flicker is the mean
difference in luma between a frame and the one before, moved as the film moves, in grey levels: 0 in the true film. Each
line also has the mean PSNR-Y over frames, and with --deflicker stands what `superres.upscale` makes of films with it.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from common.cli import run
from common.config import ThreadConfig, require
from common.pictures.photos import decode, find
from superres.metrics import luma, psnr_y
from superres.resize import low_resolution, upscale

SCALE = 4
MOTIONS = {"moving": (1, 3), "slow": (0, 1), "still": (0, 0)}  # pixels of the true film a frame, down and across

RGB = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class FlickerConfig(ThreadConfig):
    """Settings of the measurement."""

    data: str = "photos"  # folder, .zip or photos; the first ones that are large enough are taken
    weights: tuple[str, ...] = ("x4-fast", "x4-fast-gan", "x4-base", "x4-base-gan")
    films: int = 4  # of each kind
    frames: int = 6  # of each film
    side: int = 256  # of the true film, in pixels
    noise: float = 2.0  # standard deviation in the small film that stands still, in grey levels

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.frames > 1, "frames", f"must be 2 or more, not {self.frames}")
        fits = self.side >= 64 and self.side % SCALE == 0
        require(fits, "side", f"must be a multiple of 4 from 64 on, not {self.side}")


@dataclass(frozen=True)
class Film:
    """Small and true frames, and by how many true pixels each moves beyond the one before."""

    small: Sequence[RGB]
    true: Sequence[RGB]
    motion: tuple[int, int]


def main(config: FlickerConfig) -> None:
    """Print flicker and PSNR of each of the weights, and of bicubic."""
    from superres.models import load_superres_model

    films = {kind: list(films_of(config, kind)) for kind in MOTIONS}
    print(f"films of {config.frames} frames, x{SCALE}, {config.films} of a kind; noise of {config.noise:g} levels\n")
    print(f"{'':<28}" + "".join(f"{kind + ' flicker':>16}{'PSNR-Y':>8}" for kind in MOTIONS))
    enlarge: dict[str, Callable[[RGB], RGB]] = {"bicubic": lambda small: upscale(small, SCALE)}
    enlarge |= {name: load_superres_model(name).upscale_picture for name in config.weights}
    for name, method in enlarge.items():
        made = {kind: [[method(small) for small in film.small] for film in films[kind]] for kind in MOTIONS}
        line(name, films, made)
        line(f"{name} --deflicker", films, {kind: list(map(deflickered, films[kind], made[kind])) for kind in MOTIONS})


def films_of(config: FlickerConfig, kind: str) -> list[Film]:
    """Films of one of the kinds."""
    down, across = MOTIONS[kind]
    found, draw = list[Film](), np.random.default_rng(0)
    for file in find(config.data)[1]().files.values():
        photo = decode(file)
        y, x = ((length - config.side) // 2 for length in photo.shape[:2])
        if min(y - config.frames * down, x - config.frames * across) < 0:
            continue
        starts = [(y + k * down, x + k * across) for k in range(config.frames)]
        true = [photo[top : top + config.side, left : left + config.side] for top, left in starts]
        small = [low_resolution(frame, SCALE) for frame in true]
        if kind == "still":
            small = [with_noise(frame, config.noise, draw) for frame in small]
        found.append(Film(small, true, MOTIONS[kind]))
    return found[: config.films]


def with_noise(frame: RGB, deviation: float, draw: np.random.Generator) -> RGB:
    """A frame as a camera gives it."""
    return (frame + draw.normal(0, deviation, frame.shape)).round().clip(0, 255).astype(np.uint8)


def deflickered(film: Film, made: Sequence[RGB]) -> list[RGB]:
    """What `superres.upscale --deflicker` makes of upscaled frames."""
    from superres.video.deflicker import Deflicker

    deflicker = Deflicker()
    return [deflicker(small, large) for small, large in zip(film.small, made, strict=True)]


def flicker(frames: Sequence[RGB], motion: tuple[int, int]) -> float:
    """Mean difference between a frame and the one before, moved, in grey levels of luma."""
    down, across = motion
    differences = []
    for before, after in pairwise(frames):
        moved, seen = luma(before)[down:, across:], luma(after)
        differences.append(np.abs(moved - seen[: moved.shape[0], : moved.shape[1]]).mean())
    return float(np.mean(differences))


def line(name: str, films: dict[str, list[Film]], made: dict[str, list[list[RGB]]]) -> None:
    """Print the figures of one method."""
    found = ""
    for kind, of_kind in films.items():
        shaking = np.mean([flicker(frames, film.motion) for film, frames in zip(of_kind, made[kind], strict=True)])
        fidelity = [
            psnr_y(large, true, SCALE)
            for film, frames in zip(of_kind, made[kind], strict=True)
            for large, true in zip(frames, film.true, strict=True)
        ]
        found += f"{shaking:>16.2f}{np.mean(fidelity):>8.2f}"
    print(f"{name:<28}{found}", flush=True)


if __name__ == "__main__":
    run(main, "benchmarks.superres_flicker")
