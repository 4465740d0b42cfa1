"""Streams, containers and names: nothing of a film is lost unsaid, and what cannot be is refused before the work."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import HEIGHT, MILLISECONDS, WIDTH, make, moments, noise, refused, sounds

from common.errors import UserError
from common.films.reading import shown_size, survey
from common.films.writing import suffix_for
from superres.models import SuperResModel
from superres.networks import NetworkConfig, build_generator, fuse
from superres.video.upscaling import upscale_video

EVEN = [40 * k for k in range(12)]


@pytest.fixture(scope="module")
def model() -> SuperResModel:
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 2, 8)
    return SuperResModel(fuse(build_generator(config)).requires_grad_(False), config)


def test_what_has_no_place_is_refused_or_dropped(
    tmp_path: Path, model: SuperResModel, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "film.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as film:
        picture = film.add_stream("libx264", 25)
        picture.height, picture.width = HEIGHT, WIDTH
        film.add_attachment("font.ttf", "application/x-truetype-font", b"letters")
        film.mux(picture.encode(av.VideoFrame.from_ndarray(noise(1)[0], "rgb24")))
        film.mux(picture.encode(None))
    refused(source, model, r"stream 1 \(attachment, font.ttf\) has no place in .mp4 files; write an .mkv, or leave")
    upscale_video(source, output, model, drop=True)
    assert f"{source}: stream 1 (attachment, font.ttf) has no place in out.mp4\n" in capsys.readouterr().err


def test_sound_is_not_lost(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mkv", noise(3), EVEN, MILLISECONDS, audio="flac")
    refused(source, model, r"stream 1 \(audio, flac\) has no place in .webm files; write an .mkv", output="out.webm")


@pytest.mark.parametrize(
    ("ending", "codec", "audio"),
    [
        (".avi", "mpeg4", "pcm_mulaw"), (".avi", "mpeg4", "pcm_alaw"), (".avi", "mpeg4", "adpcm_ms"),
        (".avi", "mpeg4", "adpcm_ima_wav"), (".wmv", "wmv2", "wmav1"), (".wmv", "wmv2", "wmav2"),
    ],
)  # fmt: skip
def test_sound_that_cannot_be_copied_is_decoded(
    tmp_path: Path, model: SuperResModel, ending: str, codec: str, audio: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / f"film{ending}", noise(12), list(range(12)), Fraction(1, 25), codec, audio=audio)
    output = tmp_path / f"out{suffix_for(source)}"
    upscale_video(source, output, model)
    assert f"({('audio, ' + audio)}) is kept uncompressed" in capsys.readouterr().err
    before, after = sounds(source), sounds(output)
    assert before.shape == after.shape and before.shape[1] > 10_000
    assert np.abs(before - after).max() < 2 / 32768 and np.abs(after).max() > 0.1
    starts = [next(av.open(str(path)).decode(audio=0)).time for path in (source, output)]
    assert starts[0] == pytest.approx(starts[1], abs=0.002)
    output.unlink()
    if audio != "pcm_alaw":
        refused(source, model, r"has no place in .mp4 files; write an .mkv", output="film.mp4")


def test_films_that_begin_late_are_not_cut_off(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mkv", noise(10), [5_000 + 40 * k for k in range(10)], MILLISECONDS, audio=None)
    upscale_video(source, tmp_path / "out.mkv", model)
    assert moments(tmp_path / "out.mkv") == [5 + Fraction(k, 25) for k in range(10)]
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    late = make(tmp_path / "late.mkv", noise(120), [5_000 + 40 * k for k in range(120)], MILLISECONDS, audio=None)
    late.write_bytes(late.read_bytes()[: late.stat().st_size // 2])
    refused(late, model, "cut off", output="late_x2.mkv")


def test_names_that_are_too_long_are_refused_before_the_work(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mp4", noise(2), audio=None)
    refused(source, model, "of which 255 are possible", output=f"{'q' * 246}.mp4")
    longest = tmp_path / f"{'q' * 245}.mp4"
    upscale_video(source, longest, model)
    assert len(moments(longest)) == 2


def test_sizes_are_of_films_as_they_are_shown(tmp_path: Path) -> None:
    assert shown_size(make(tmp_path / "a.mp4", noise(2), audio=None)) == (HEIGHT, WIDTH)
    assert shown_size(make(tmp_path / "b.mp4", noise(2), audio=None, turned=90)) == (WIDTH, HEIGHT)


def test_films_of_dvds(tmp_path: Path, model: SuperResModel) -> None:
    with av.open(str(tmp_path / "film.vob"), "w", format="vob") as film:
        picture = film.add_stream("mpeg2video", 25)
        picture.height, picture.width = HEIGHT, WIDTH
        for k, pixels in enumerate(noise(12)):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts = k
            film.mux(picture.encode(frame))
        film.mux(picture.encode(None))
    output = tmp_path / f"out{suffix_for(tmp_path / 'film.vob')}"
    upscale_video(tmp_path / "film.vob", output, model)
    assert len(moments(output)) == 12 and output.suffix == ".mkv"


def test_a_list_of_other_files_is_no_film(tmp_path: Path) -> None:
    make(tmp_path / "secret.mp4", noise(2))
    for number, content in enumerate(("ffconcat version 1.0\nfile secret.mp4\n", "#EXTM3U\n#EXTINF:1,\nsecret.mp4\n")):
        path = tmp_path / f"{number}.mp4"
        path.write_text(content)
        with pytest.raises(UserError, match="is no film that can be read"):
            survey(path)
