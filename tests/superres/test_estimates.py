"""Estimates: near to what comes of it where all parts are alike, and no reason to fail."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import make, noise
from PIL import Image
from torch import Tensor

from common.file_jobs import Job
from common.pictures.reading import Picture, read_picture
from common.pictures.writing import write_pictures
from superres.estimates import SIDE, Extent, amount, duration, estimate, measured_picture, memory, timed, work
from superres.models import SuperResModel
from superres.networks import NetworkConfig, build_generator, fuse
from superres.upscaling import TiledUpscaler
from superres.video.estimates import measured_film
from superres.video.upscaling import upscale_video

SIZES = {"bytes": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}


@pytest.fixture(scope="module")
def model() -> SuperResModel:
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 1, 8)
    return SuperResModel(fuse(build_generator(config)).requires_grad_(False), config)


class Counting:
    """A model that counts the pixels that go through it."""

    def __init__(self, model: SuperResModel) -> None:
        self.model, self.scale, self.reach, self.device = model, model.scale, model.reach, model.device
        self.pixels = 0

    def upscale(self, images: Tensor) -> Tensor:
        self.pixels += images.shape[2] * images.shape[3]
        return self.model.upscale(images)


def bytes_told(line: str) -> float:
    found = re.search(r", ([\d.e+]+) (\w+) of results and [\d.]+ [MG]B of memory$", line)
    assert found, line
    return float(found[1]) * SIZES[found[2]]


@pytest.mark.parametrize("tile", [12, 40, 1_000])
@pytest.mark.parametrize("size", [(30, 50), (9, 200), (1, 1)])
def test_work_is_what_goes_through_the_network(model: SuperResModel, tile: int, size: tuple[int, int]) -> None:
    counting = Counting(model)
    upscaler = TiledUpscaler(counting, tile=tile)
    upscaler.upscale(np.zeros((*size, 3), np.uint8))
    assert work(upscaler, Extent(*size)) == counting.pixels and work(upscaler, Extent(*size, 3)) == 3 * counting.pixels
    assert memory(upscaler, Extent(4_000, 4_000)) > memory(upscaler, Extent(*size)) > 1e7


def test_pictures_take_about_what_was_said(model: SuperResModel, tmp_path: Path) -> None:
    jobs = []
    for number, height in enumerate((SIDE, 150, 300)):
        pixels = np.random.default_rng(number).integers(0, 256, (height, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        jobs.append(Job(tmp_path / f"{number}.png", tmp_path / f"{number}_x2.png"))
    (tmp_path / "lost.png").write_text("no picture")
    jobs.append(Job(tmp_path / "lost.png", tmp_path / "lost_x2.png"))
    line = estimate(jobs, lambda path: TiledUpscaler(model), measured_picture(95), "picture")
    assert line.startswith("3 pictures: about ")
    for job in jobs[:3]:
        write_pictures(job.target, [Picture(TiledUpscaler(model).upscale(read_picture(job.source).pixels))])
    assert bytes_told(line) == pytest.approx(sum(job.target.stat().st_size for job in jobs[:3]), rel=0.05)
    assert estimate(jobs[3:], lambda path: TiledUpscaler(model), measured_picture(95), "picture") == ""


def test_films_take_about_what_was_said(model: SuperResModel, tmp_path: Path) -> None:
    source, target = make(tmp_path / "a.mkv", noise(30, 64, 96), audio=None), tmp_path / "a_x2.mkv"
    line = estimate([Job(source, target)], lambda path: TiledUpscaler(model), measured_film("auto", None), "film")
    upscale_video(source, target, model)
    assert line.startswith("1 film: about ")
    assert target.stat().st_size / 2 < bytes_told(line) < target.stat().st_size * 2


def test_seconds_are_of_a_pixel(model: SuperResModel) -> None:
    seconds, large = timed(TiledUpscaler(model), np.zeros((20, 30, 1), np.uint8))
    assert seconds > 0 and large.shape == (40, 60, 1)


def test_numbers_in_words() -> None:
    assert [duration(seconds) for seconds in (0.2, 99, 150, 7_000)] == ["0 s", "99 s", "2 min", "1 h 57 min"]
    assert [amount(size) for size in (7, 1_234, 999_600, 5.5e9)] == ["7 bytes", "1.23 KB", "1 MB", "5.5 GB"]
