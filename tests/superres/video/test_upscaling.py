"""Films: timestamps, sound and tags kept, stills still, interruptions made good, and bad input refused."""

import contextlib
import json
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from av.container import InputContainer
from clips import HEIGHT, MILLISECONDS, WIDTH, frames, make, moments, noise, others, refused, sine
from torch import Tensor

from common.errors import UserError
from common.films import making
from common.films.colours import colours_of, frame_of, picture_of
from common.films.reading import Film, frames_of, opened, picture_stream, survey
from common.films.writing import suffix_for
from superres.models import SuperResModel
from superres.networks import NetworkConfig, Reach, build_generator, fuse
from superres.upscaling import TiledUpscaler
from superres.video.unchanged_tiles import FrameUpscaler
from superres.video.upscaling import upscale_video, upscaled_frames

UNEVEN = [0, 512, 1024, 1300, 1400, 1500, 3000, 3100, 3200, 9000, 9001, 9500]
EVEN = [40 * k for k in range(12)]
LOSSLESS = {"crf": "0"}


@pytest.fixture(scope="module")
def model() -> SuperResModel:
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 2, 8)
    return SuperResModel(fuse(build_generator(config)).requires_grad_(False), config)


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "FRAMES", 5)


class Interrupted:
    """A model with which Ctrl-C is pressed after so many frames."""

    def __init__(self, model: SuperResModel, after: int) -> None:
        self.model, self.scale, self.reach, self.device = model, model.scale, model.reach, model.device
        self.left = after

    def upscale(self, images: Tensor) -> Tensor:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return self.model.upscale(images)


def all_of(film: Film, container: InputContainer) -> Iterator[av.VideoFrame]:
    return frames_of(container, picture_stream(container, film.path))


@pytest.mark.parametrize(
    ("ending", "codec", "audio", "stamps", "unit"),
    [
        (".mp4", "libx264", "aac", UNEVEN, Fraction(1, 12800)),
        (".mp4", "libx264", "aac", [k + 20_000 for k in UNEVEN], Fraction(1, 90_000)),
        (".mov", "libx264", "aac", UNEVEN, Fraction(1, 30_000)),
        (".mkv", "libx264", "libopus", [k + k // 160 for k in EVEN], MILLISECONDS),
        (".webm", "libvpx-vp9", "libopus", EVEN, MILLISECONDS),
        (".ts", "libx264", "aac", [90 * k + (k > 200) for k in EVEN], Fraction(1, 90_000)),
        (".avi", "mpeg4", "libmp3lame", list(range(12)), Fraction(1, 25)),
    ],
)
def test_every_frame_keeps_its_time_and_the_sound_its_bytes(
    tmp_path: Path, model: SuperResModel, ending: str, codec: str, audio: str, stamps: list[int], unit: Fraction
) -> None:
    source = make(tmp_path / f"film{ending}", noise(12), stamps, unit, codec, audio=audio)
    output = tmp_path / f"film_x2{suffix_for(source)}"
    upscale_video(source, output, model)
    assert moments(output) == moments(source)
    assert others(output) == others(source) and others(output)
    with av.open(str(output)) as film:
        size = film.streams.video[0]
        assert (size.height, size.width) == (2 * HEIGHT, 2 * WIDTH)
        stored = [packet.dts for packet in film.demux(video=0) if packet.dts is not None]
    assert stored == sorted(set(stored))
    assert sorted(tmp_path.iterdir()) == sorted([source, output])


@pytest.mark.parametrize("codec", ["h264", "vp9", "av1", "hevc"])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_every_codec_keeps_times_across_containers(
    tmp_path: Path, model: SuperResModel, codec: str, ending: str
) -> None:
    source = make(tmp_path / "film.mov", noise(12, 72, 96), EVEN, MILLISECONDS, turned=90)
    output = tmp_path / f"out{ending}"
    upscale_video(source, output, model, codec=codec)
    assert moments(output) == moments(source)
    assert [content for _, content in others(output)[1]] == [content for _, content in others(source)[1]]
    with av.open(str(output)) as film:
        assert film.streams.video[0].name in (codec, f"lib{codec}", "libdav1d")
        assert next(film.decode(video=0)).rotation == 90


def test_frames_without_times_come_at_the_films_rate(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.h264", noise(12), list(range(12)), Fraction(1, 25), audio=None)
    output = tmp_path / f"out{suffix_for(source)}"
    upscale_video(source, output, model)
    assert output.suffix == ".mkv" and moments(output) == [Fraction(k, 25) for k in range(12)]


def test_names_with_colons_and_spaces(tmp_path: Path, model: SuperResModel, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "film.mp4", noise(12)).rename(tmp_path / "part: one 50%.mp4")
    monkeypatch.chdir(tmp_path)
    upscale_video(Path("part: one 50%.mp4"), Path("part: one 50%_x2.mp4"), model)
    assert moments(tmp_path / "part: one 50%_x2.mp4") == moments(tmp_path / "part: one 50%.mp4")


def test_all_other_streams_and_tags_are_kept(tmp_path: Path, model: SuperResModel) -> None:
    source, output = tmp_path / "film.mkv", tmp_path / "film_x2.mkv"
    with av.open(str(source), "w") as film:
        film.metadata["title"] = "A film"
        chapters = [("one", 0, 200), ("two", 200, 480)]
        film.set_chapters(
            [
                {"id": k, "start": start, "end": end, "time_base": MILLISECONDS, "metadata": {"title": title}}
                for k, (title, start, end) in enumerate(chapters)
            ]
        )
        picture = film.add_stream("libx264", 25)
        picture.height, picture.width, picture.codec_context.time_base = HEIGHT, WIDTH, MILLISECONDS
        picture.codec_context.sample_aspect_ratio = Fraction(4, 3)
        sounds = [film.add_stream("aac", 48_000), film.add_stream("libopus", 48_000)]
        sounds[0].metadata["language"], sounds[1].metadata["language"] = "deu", "fra"
        text = film.add_mux_stream("subrip", time_base=MILLISECONDS)
        film.add_attachment("font.ttf", "application/x-truetype-font", b"letters")
        film.start_encoding()
        for k, one in enumerate(noise(12)):
            frame = av.VideoFrame.from_ndarray(one, "rgb24")
            frame.pts, frame.time_base = 40 * k, MILLISECONDS
            film.mux(picture.encode(frame))
            for sound in sounds:
                film.mux(sound.encode(sine(k)))
            if k % 4 == 0:
                line = av.Packet(f"Line {k}".encode())
                line.pts = line.dts = 40 * k
                line.duration, line.time_base, line.stream = 100, MILLISECONDS, text
                film.mux(line)
        for stream in (picture, *sounds):
            film.mux(stream.encode(None))
    upscale_video(source, output, model)
    assert others(output) == others(source) and len(others(output)) == 3
    with av.open(str(source)) as old, av.open(str(output)) as new:
        assert [stream.type for stream in new.streams] == [stream.type for stream in old.streams]
        assert [stream.language for stream in new.streams] == [None, "deu", "fra", None, None]
        assert new.chapters() == old.chapters() and len(new.chapters()) == 2
        assert new.metadata["title"] == "A film"
        assert new.streams[4].data == b"letters"
        assert new.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_cover_pictures_are_no_film_and_are_kept(tmp_path: Path, model: SuperResModel) -> None:
    source = tmp_path / "film.mp4"
    with av.open(str(source), "w") as film:
        cover, picture = film.add_stream("mjpeg", 25), film.add_stream("libx264", 25)
        cover.height = picture.height = HEIGHT
        cover.width = picture.width = WIDTH
        cover.pix_fmt, cover.disposition = "yuvj420p", 1024
        for k, one in enumerate(noise(3)):
            frame = av.VideoFrame.from_ndarray(one, "rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            if k == 0:
                film.mux(cover.encode(frame))
            film.mux(picture.encode(frame))
        film.mux(cover.encode(None))
        film.mux(picture.encode(None))
    for ending in (".mp4", ".mkv"):
        output = tmp_path / f"out{ending}"
        upscale_video(source, output, model)
        with av.open(str(output)) as film:
            sizes = {bool(stream.disposition & 1024): stream.width for stream in film.streams.video}
        assert sizes == {False: 2 * WIDTH, True: WIDTH}


def test_rotation_is_kept(tmp_path: Path, model: SuperResModel) -> None:
    source, output = make(tmp_path / "film.mp4", noise(3), turned=90), tmp_path / "out.mp4"
    upscale_video(source, output, model)
    matrices = []
    for path in (source, output):
        with av.open(str(path)) as film:
            data = next(film.decode(video=0)).side_data.get("DISPLAYMATRIX")
            matrices.append(struct.unpack("=9i", bytes(data)))
    assert matrices[0] == matrices[1] and matrices[0][0] == 0


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"colorspace": 1, "color_range": 1, "color_primaries": 1, "color_trc": 1}, (1, 1, 1, 1)),
        ({"colorspace": 5, "color_range": 1, "color_primaries": 5, "color_trc": 6}, (5, 1, 5, 6)),
        ({"colorspace": 9, "color_range": 2, "color_primaries": 9, "color_trc": 16}, (9, 2, 9, 16)),
        ({}, (6, 1, 2, 2)),
    ],
    ids=["bt709", "bt601", "bt2020-full", "untagged"],
)
def test_colours_are_kept_and_tagged(
    tmp_path: Path, model: SuperResModel, tags: dict[str, int], expected: tuple[int, ...]
) -> None:
    flat = [np.full((HEIGHT, WIDTH, 3), (200, 60, 90), np.uint8)] * 2
    source = make(tmp_path / "film.mp4", flat, audio=None, options=LOSSLESS, **tags)
    output = tmp_path / "out.mp4"
    upscale_video(source, output, Repeating(model), crf=0)
    with av.open(str(output)) as film:
        frame = next(film.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == expected
    stored, enlarged = frames(source)[0].ravel(), frames(output)[0].ravel()
    pixels = HEIGHT * WIDTH
    for part in (slice(0, pixels), slice(pixels, pixels * 5 // 4), slice(pixels * 5 // 4, None)):
        (old,) = set(stored[part])
        large = enlarged[4 * part.start : 4 * part.stop if part.stop else None]
        assert np.abs(large.astype(int) - int(old)).max() <= 1


class Repeating:
    """A model that repeats pixels."""

    def __init__(self, model: SuperResModel) -> None:
        self.scale, self.reach, self.device = model.scale, Reach(model.scale, 0), model.device

    def upscale(self, images: Tensor) -> Tensor:
        return images.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize(("codec", "pixels"), [("h264", "yuv420p10le"), ("vp9", "yuv420p")])
def test_ten_bits_stay_where_the_codec_has_them(
    tmp_path: Path, model: SuperResModel, capsys: pytest.CaptureFixture[str], codec: str, pixels: str
) -> None:
    deep = [one.astype(np.uint16) * 257 for one in noise(2)]
    source = make(tmp_path / "film.mkv", deep, EVEN, MILLISECONDS, pixels="yuv420p10le", audio=None)
    output = tmp_path / "out.mkv"
    upscale_video(source, output, model, codec=codec)
    with av.open(str(output)) as film:
        assert film.streams.video[0].pix_fmt == pixels
    assert ("rounded to 8 bits" in capsys.readouterr().err) == (codec == "vp9")


def test_stills_stay_still(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mp4", noise(1) * 8, audio=None, options=LOSSLESS)
    film, upscaler = survey(source), TiledUpscaler(model)
    with opened(source) as container:
        made = [frame.to_ndarray() for frame in upscaled_frames(film, all_of(film, container), upscaler)]
    assert len(made) == 8 and all(np.array_equal(one, made[0]) for one in made)


def test_reused_tiles_encode_as_computed_ones(tmp_path: Path, model: SuperResModel) -> None:
    """What is handed to the encoder is, to the last bit, what each frame would be alone."""
    pictures = [np.full((160, 200, 3), 90, np.uint8) for _ in range(6)]
    for k, picture in enumerate(pictures[3:]):
        picture[20 + 9 * k : 40 + 9 * k, 30:60] = noise(1, 20, 30)[0]
    source = make(tmp_path / "film.mp4", pictures, audio=None, options=LOSSLESS)
    film, upscaler = survey(source), TiledUpscaler(model)
    with opened(source) as container:
        made = [frame.to_ndarray() for frame in upscaled_frames(film, all_of(film, container), upscaler)]
    with opened(source) as container:
        for frame, result in zip(frames_of(container, picture_stream(container, source)), made, strict=True):
            colours = colours_of(frame)
            picture = picture_of(frame, colours, av.video.reformatter.VideoReformatter())
            alone, _ = FrameUpscaler(upscaler, 160, 200)(picture)
            np.testing.assert_array_equal(result, frame_of(alone, colours).to_ndarray())


@pytest.mark.parametrize(("scale", "size"), [(None, (48, 64)), (1.5, (36, 48)), (1.3, (32, 42)), (4, (96, 128))])
def test_any_scale(tmp_path: Path, model: SuperResModel, scale: float | None, size: tuple[int, int]) -> None:
    source, output = make(tmp_path / "film.mp4", noise(2)), tmp_path / "out.mp4"
    upscale_video(source, output, model, scale=scale)
    with av.open(str(output)) as film:
        stream = film.streams.video[0]
        assert (stream.height, stream.width) == size


@pytest.mark.parametrize("after", [5, 8, 11])
def test_what_is_interrupted_goes_on_and_ends_the_same(tmp_path: Path, model: SuperResModel, after: int) -> None:
    source, output, whole = make(tmp_path / "film.mp4", noise(12), UNEVEN), tmp_path / "out.mp4", tmp_path / "whole.mp4"
    upscale_video(source, whole, model, crf=0)  # without loss, since x264's bytes differ from one time to the next
    with pytest.raises(KeyboardInterrupt, match=r"(5|10) of 12 frames of .*out.mp4.parts; the same command goes on"):
        upscale_video(source, output, Interrupted(model, after), crf=0)
    parts = tmp_path / "out.mp4.parts"
    record = json.loads((parts / "parts.json").read_text())
    assert record["frames"] == after // 5 * 5 and not record["is_complete"]
    assert len(list(parts.glob("*.mp4"))) == after // 5 and not output.exists()
    rest = Interrupted(model, 12 - after // 5 * 5)  # finished segments are not computed again
    upscale_video(source, output, rest, crf=0)
    assert rest.left == 0
    assert moments(output) == moments(whole) and others(output) == others(whole)
    np.testing.assert_array_equal(frames(output), frames(whole))
    assert not parts.exists()


def test_an_interruption_before_the_first_segment_leaves_nothing(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mp4", noise(12))
    with pytest.raises(KeyboardInterrupt, match="nothing is kept"):
        upscale_video(source, tmp_path / "out.mp4", Interrupted(model, 2))
    assert list(tmp_path.iterdir()) == [source]


def test_segments_of_other_settings_are_refused_or_dropped(
    tmp_path: Path, model: SuperResModel, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = make(tmp_path / "film.mp4", noise(12)), tmp_path / "out.mp4"
    with contextlib.suppress(KeyboardInterrupt):
        upscale_video(source, output, Interrupted(model, 6), crf=20, made_with={"weights": "a"})
    for changed in ({"crf": 20, "made_with": {"weights": "b"}}, {"crf": 30, "made_with": {"weights": "a"}}):
        key = "crf 20, now 30" if changed["crf"] == 30 else "weights a, now b"
        refused(source, model, rf"out.mp4.parts was begun with other settings \({key}\); .*--overwrite", **changed)
    upscale_video(source, output, model, crf=30, overwrite=True)
    assert "starting anew" in capsys.readouterr().err
    assert len(moments(output)) == 12 and sorted(tmp_path.iterdir()) == [source, output]


def test_a_foreign_folder_is_left_alone(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mp4", noise(2))
    (tmp_path / "out.mp4.parts").mkdir()
    (tmp_path / "out.mp4.parts" / "mine.txt").write_text("mine")
    refused(source, model, "in the way", overwrite=True)
    assert (tmp_path / "out.mp4.parts" / "mine.txt").exists()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("film") / "film.mp4", noise(3))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"codec": "xvid"}, "--codec xvid: there is no such codec here; use auto or h264"),
        ({"crf": 52}, r"--crf must be from 0 \(best\) to 51 .* not 52"),
        ({"crf": -1}, "--crf must be from 0 .* not -1"),
        ({"codec": "h264", "output": "out.webm"}, "--codec h264: .webm files do not hold it"),
        ({"output": "out.png"}, "films are written as .mp4, .* not as .png"),
    ],
)
def test_bad_settings(film: Path, model: SuperResModel, settings: dict[str, Any], match: str) -> None:
    refused(film, model, match, **settings)


def test_files_that_are_no_films(tmp_path: Path, model: SuperResModel) -> None:
    text, empty, folder = tmp_path / "text.mp4", tmp_path / "empty.mkv", tmp_path / "folder.mp4"
    text.write_text("no film\n" * 100)
    empty.touch()
    folder.mkdir()
    for path in (text, empty, folder, tmp_path / "none.mp4"):
        refused(path, model, f"{path.name} is no film that can be read")
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as film:
        tone = film.add_stream("aac", 48_000)
        film.mux(tone.encode(sine(0)))
        film.mux(tone.encode(None))
    refused(sound, model, "sound.mp4 has no video stream, but audio")


def test_a_film_without_frames(tmp_path: Path, model: SuperResModel) -> None:
    source = tmp_path / "film.mkv"
    with av.open(str(source), "w") as film:
        picture, tone = film.add_stream("libx264", 25), film.add_stream("libopus", 48_000)
        picture.height, picture.width = HEIGHT, WIDTH
        film.mux(tone.encode(sine(0)))
        film.mux(tone.encode(None))
    refused(source, model, "film.mkv has no frame that can be decoded")


@pytest.mark.parametrize("share", [0.3, 0.95])
@pytest.mark.parametrize(
    ("ending", "codec", "audio", "options"),
    [
        (".mp4", "libx264", "aac", None),
        (".mkv", "libx264", "libopus", None),
        (".webm", "libvpx-vp9", "libopus", None),
        (".avi", "mpeg4", "libmp3lame", None),
    ],
)
def test_films_that_are_cut_off(
    tmp_path: Path, model: SuperResModel, ending: str, codec: str, audio: str, options: Any, share: float
) -> None:
    units = {".mp4": Fraction(1, 12800), ".avi": Fraction(1, 1)}
    unit = units.get(ending, MILLISECONDS)
    stamps = [round(k / unit) for k in range(60)]  # a frame a second
    source = make(tmp_path / f"film{ending}", noise(60), stamps, unit, codec, audio=audio)
    cut = tmp_path / f"cut{ending}"
    cut.write_bytes(source.read_bytes()[: int(source.stat().st_size * share)])
    source.unlink()
    refused(cut, model, f"cut{ending} is cut off")


def test_a_clock_that_is_set_back(tmp_path: Path, model: SuperResModel) -> None:
    stamps = [3600 * k for k in range(50)]
    source = make(tmp_path / "film.ts", noise(50), stamps, Fraction(1, 90_000))
    source.write_bytes(2 * source.read_bytes())
    refused(
        source,
        model,
        r"film.ts is cut off or damaged \(after .* s its clock is set back to 0.0 s\); .*ffmpeg -i film.ts",
    )


def test_damage_in_the_middle_is_passed_over(tmp_path: Path, model: SuperResModel) -> None:
    source = make(tmp_path / "film.mp4", noise(30), audio=None)
    content = bytearray(source.read_bytes())
    content[9000:9400] = bytes(400)
    source.write_bytes(content)
    upscale_video(source, tmp_path / "out.mp4", model)
    assert 0 < len(moments(tmp_path / "out.mp4")) <= 30
    assert set(moments(tmp_path / "out.mp4")) <= set(moments_of_all(30))


def moments_of_all(count: int) -> list[Fraction]:
    return [Fraction(512 * k, 12800) for k in range(count)]


def test_a_folder_that_cannot_be_written(tmp_path: Path, film: Path, model: SuperResModel) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        upscale_video(film, tmp_path / "file" / "out.mp4", model)
