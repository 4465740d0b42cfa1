"""Films in colour: every frame, its time and its light stay, colours hold still, and interruptions change nothing."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import frames, make, moments, noise, others
from torch import Tensor

from common.errors import UserError
from common.files import replacing
from common.films import making
from image.translate.__main__ import main
from image.translate.colorizer import Colorizer, ColorizerConfig
from image.translate.config import TranslateConfig
from image.translate.films import KEPT, SteadyColours, colour_film
from image.translate.models import TranslationModel
from image.translate.networks import Translator, TranslatorConfig

UNEVEN = [0, 512, 1024, 1300, 1400, 1500, 3000, 3100, 3200, 9000, 9001, 9500]


@pytest.fixture(scope="module")
def model() -> TranslationModel:
    """A colorizer that has learned nothing, and so gives colours at random."""
    torch.manual_seed(0)
    network = Colorizer(ColorizerConfig("colorize", "classes", 6)).eval()
    torch.nn.init.normal_(network.last.weight, std=0.5)
    return TranslationModel(network, "colours")


def light(path: Path) -> list[np.ndarray]:
    """The luma of each frame, as it is stored."""
    with av.open(str(path)) as film:
        return [frame.reformat(format="gray").to_ndarray().astype(int) for frame in film.decode(video=0)]


def test_frames_get_colours_and_keep_light_time_and_sound(tmp_path: Path, model: TranslationModel) -> None:
    grey = [np.repeat(picture[..., :1], 3, 2) // 2 + 64 for picture in noise(12, 48, 64)]
    source = make(tmp_path / "film.mp4", grey, UNEVEN, options={"crf": "1"})
    colour_film(source, out := tmp_path / "out.mp4", model)
    assert moments(out) == moments(source) and len(frames(out)) == 12
    assert [pieces for _, pieces in sorted(others(out).items())] == [p for _, p in sorted(others(source).items())]
    apart = [np.abs(now - then).mean() for now, then in zip(light(out), light(source), strict=True)]
    assert max(apart) < 4  # of 255: by rounding and the encoder
    with av.open(str(out)) as film:
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    assert max(np.ptp(picture, 2).mean() for picture in pictures) > 2


def sources(count: int) -> list[Tensor]:
    """Luma of a scene in which nothing moves, filmed with a little noise."""
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(1, 1, 32, 48, generator=generator) - 0.5
    return [(scene + 0.02 * torch.randn(scene.shape, generator=generator)).clamp(-1, 1) for _ in range(count)]


def test_colours_of_what_stands_still_hold_still(model: TranslationModel) -> None:
    assert isinstance(model.network, Colorizer)
    steady, scenes = SteadyColours(model.network), sources(40)
    held = torch.cat([steady.of_cells(scene) for scene in scenes])[20:]
    alone = torch.cat([SteadyColours(model.network).of_cells(scene) for scene in scenes])[20:]
    assert held.diff(dim=0).abs().mean() < 0.2 * alone.diff(dim=0).abs().mean()


def test_a_cut_begins_anew_and_no_frame_depends_on_more_than_is_kept(model: TranslationModel) -> None:
    assert isinstance(model.network, Colorizer)
    scenes = sources(2 * KEPT + 4)
    whole, late = SteadyColours(model.network), SteadyColours(model.network)
    found = [whole(scene) for scene in scenes]
    begun = [late(scene) for scene in scenes[3:]]
    assert all(torch.equal(one, other) for one, other in zip(found[3 + KEPT :], begun[KEPT:], strict=True))
    dark = torch.full_like(scenes[0], -0.9)
    dark[..., :16] = 0.9
    torch.testing.assert_close(whole(dark), SteadyColours(model.network)(dark), atol=1e-4, rtol=0)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_what_is_interrupted_goes_on_and_ends_the_same(
    tmp_path: Path, model: TranslationModel, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "FRAMES", 5)
    source = make(tmp_path / "film.mkv", noise(23), audio=None)
    colour_film(source, whole := tmp_path / "whole.mkv", model)
    written = 0

    def interrupted(path: Path) -> Iterator[Path]:
        nonlocal written
        written += 1
        if written > after:
            raise KeyboardInterrupt
        return replacing(path)  # type: ignore[return-value]

    out = tmp_path / "out.mkv"
    with monkeypatch.context() as patch:
        patch.setattr(making, "replacing", interrupted)
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            colour_film(source, out, model)
    assert not out.exists()
    colour_film(source, out, model)
    assert all(np.array_equal(one, other) for one, other in zip(frames(out), frames(whole), strict=True))


def test_other_tasks_take_no_films(tmp_path: Path) -> None:
    source = make(tmp_path / "film.mp4", noise(2), audio=None)
    config = TranslatorConfig("edges", 4)
    with pytest.raises(UserError, match="pens translates pictures and no films"):
        colour_film(source, tmp_path / "out.mp4", TranslationModel(Translator(config).eval(), "pens"))
    with pytest.raises(UserError, match=r"film\.mp4"):
        main(TranslateConfig(paths=(str(source),), task="edges"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4"]
