"""Previews: scenes from all over a film, upright and in step, by each of the weights that are named."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import make, moments
from numpy.typing import NDArray
from PIL import Image

from common.errors import UserError
from superres.config import UpscaleConfig
from superres.models import SuperResModel
from superres.networks import NetworkConfig, build_generator, fuse
from superres.upscale import main
from superres.upscaling import TiledUpscaler
from superres.video.preview import write_preview

LONG = 100  # frames, of 25 a second


@pytest.fixture(scope="module")
def upscaler() -> TiledUpscaler:
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 1, 8)
    return TiledUpscaler(SuperResModel(fuse(build_generator(config)).requires_grad_(False), config))


def brighter(count: int = LONG) -> list[NDArray[np.uint8]]:
    """Frames that tell by their brightness which they are."""
    return [np.full((24, 32, 3), 30 + 2 * k, np.uint8) for k in range(count)]


def numbers(path: Path) -> list[int]:
    """Which frames are in a preview."""
    with av.open(str(path)) as film:
        return [round((frame.to_ndarray(format="rgb24").mean() - 30) / 2) for frame in film.decode(video=0)]


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_scenes_are_from_all_over_the_film(upscaler: TiledUpscaler, ending: str, tmp_path: Path) -> None:
    stamps = None if ending == ".mp4" else [40 * k + 7_000 for k in range(LONG)]
    unit = Fraction(1, 12_800) if ending == ".mp4" else Fraction(1, 1_000)
    source = make(tmp_path / f"film{ending}", brighter(), stamps, unit, options={"g": "30"})
    write_preview(source, tmp_path / "preview.mp4", upscaler, 2, crf=1)
    found = numbers(tmp_path / "preview.mp4")
    wanted = [*range(13, 38), *range(63, 88)]
    assert len(found) == 50 and max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= 2
    shown = moments(tmp_path / "preview.mp4")
    assert shown == [Fraction(k, 25) for k in range(50)]
    with av.open(str(tmp_path / "preview.mp4")) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (64, 48)


def test_of_short_films_all_is_shown_and_upright(upscaler: TiledUpscaler, tmp_path: Path) -> None:
    source = make(tmp_path / "film.mp4", brighter(10), audio=None, turned=90)
    write_preview(source, tmp_path / "preview.mp4", upscaler, 60)
    with av.open(str(tmp_path / "preview.mp4")) as film:
        shown = list(film.decode(video=0))
    assert len(shown) == 10 and shown[0].rotation == 90


def test_each_of_the_weights_makes_one(tmp_path: Path) -> None:
    make(tmp_path / "film.mp4", brighter(8), audio=None)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    config = UpscaleConfig(paths=(str(tmp_path),), weights="x2-fast,x2-fast-gan", preview=0.2, device="cpu")
    main(config)
    names = {path.name for path in tmp_path.iterdir()} - {"film.mp4", "a.png"}
    assert names == {"film_x2_preview-x2-fast.mp4", "film_x2_preview-x2-fast-gan.mp4"}
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
    main(config)
    assert before == {name: (tmp_path / name).stat().st_mtime_ns for name in names}
    with pytest.raises(UserError, match="several only with --preview"):
        replace(config, preview=None)
    with pytest.raises(UserError, match="--preview must be above 0"):
        replace(config, preview=0.0)
    with pytest.raises(UserError, match="is one file"):
        replace(config, out=tmp_path / "preview.mp4")
    with pytest.raises(UserError, match="--weights lost"):
        replace(config, weights="x2-fast,lost").check_inputs()
