"""`python -m superres.upscale` on files as people have them; in this process, so that each test takes a moment."""

import re
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from common.cli import run
from common.errors import UserError
from common.films.parts import Parts, folder_of
from common.pictures.reading import Picture, open_picture, read_picture
from common.pictures.writing import write_pictures
from common.weights import save_weights
from superres import enlarge
from superres.config import UpscaleConfig
from superres.networks import NetworkConfig, build_generator
from superres.upscale import PROGRAM, main, plan_outputs


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network that doubles."""
    torch.manual_seed(0)
    network = NetworkConfig("fast", 2, 1, 8)
    config = {"domain": "superres", "kind": "generator", "network": network.as_json(), "data": {"name": "none"}}
    folder = tmp_path_factory.mktemp("weights")
    save_weights(folder, build_generator(network), config, "Untrained.")
    return folder


@pytest.fixture
def config(weights: Path) -> UpscaleConfig:
    return UpscaleConfig(paths=("none",), weights=str(weights), device="cpu")


def upscale(config: UpscaleConfig, *paths: Path | str, **settings: object) -> None:
    main(replace(config, paths=tuple(map(str, paths)), **settings))  # type: ignore[arg-type]


def refused(config: UpscaleConfig, *paths: Path | str, **settings: object) -> str:
    """What is said about input that is refused."""
    with pytest.raises(UserError) as caught:
        upscale(config, *paths, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def smooth(height: int = 12, width: int = 16, channels: int = 3, top: int = 255) -> NDArray[np.uint16]:
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [top / 2 * (1 + np.sin(3 * x + k) * np.cos(2 * y - k)) for k in range(channels)]
    return np.stack(planes, -1).round().astype(np.uint8 if top == 255 else np.uint16)


def draw(path: Path, height: int = 12, width: int = 16, channels: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pictures(path, [Picture(smooth(height, width, channels))])
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- One picture ------------------------------------------------------------------------------------------------------


def test_the_result_lies_beside_the_input(
    config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = draw(tmp_path / "img.png")
    before = path.read_bytes()
    upscale(config, path)
    assert files(tmp_path) == ["img.png", "img_x2.png"] and path.read_bytes() == before
    found = read_picture(tmp_path / "img_x2.png").pixels
    assert found.shape == (24, 32, 3)
    coarse = found.reshape(12, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(coarse - smooth()).mean() < 16  # it is that picture
    said = capsys.readouterr()
    assert said.out == f"wrote {tmp_path / 'img_x2.png'}: 32 x 24 pixels\n" and not said.err


@pytest.mark.parametrize("ending", [".jpg", ".JPEG", ".webp", ".tif", ".gif", ".bmp", ".png"])
def test_formats_stay_or_are_chosen(ending: str, config: UpscaleConfig, tmp_path: Path) -> None:
    path = draw(tmp_path / f"img{ending}")
    upscale(config, path)
    upscale(config, path, format="png", suffix="-large")
    assert files(tmp_path) == sorted([path.name, f"img_x2{ending}", "img-large.png"])
    for name in (f"img_x2{ending}", "img-large.png"):
        with Image.open(tmp_path / name) as image, Image.open(path) as original:
            assert image.size == (32, 24)
            assert image.format == ("PNG" if name == "img-large.png" else original.format)


def test_formats_that_are_only_read_become_png(config: UpscaleConfig, tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(tmp_path / "img.ppm")
    upscale(config, tmp_path / "img.ppm")
    assert read_picture(tmp_path / "img_x2.png").pixels.shape == (24, 32, 3)


def test_the_weights_suit_the_scale() -> None:
    def source(**settings: object) -> str:
        return UpscaleConfig(paths=("a.png",), **settings).source  # type: ignore[arg-type]

    assert [source(scale=scale) for scale in (None, 1.5, 2, 2.5, 4)] == [
        "x4-fast",
        "x2-fast",
        "x2-fast",
        "x4-fast",
        "x4-fast",
    ]
    assert source(scale=2, weights="mine") == "mine"


@pytest.mark.parametrize(
    ("scale", "size", "name"), [(3, (48, 36), "_x3"), (1.5, (24, 18), "_x1.5"), (4, (64, 48), "_x4")]
)
def test_any_scale(scale: float, size: tuple[int, int], name: str, config: UpscaleConfig, tmp_path: Path) -> None:
    upscale(config, draw(tmp_path / "img.png"), scale=scale)
    with Image.open(tmp_path / f"img{name}.png") as image:
        assert image.size == size


@pytest.mark.parametrize(
    ("settings", "size", "name"),
    [
        ({"width": 37}, (37, 28), "_w37"),
        ({"height": 12}, (16, 12), "_h12"),
        ({"longest": 100}, (100, 75), "_l100"),
        ({"megapixels": 0.0048}, (80, 60), "_0.0048mp"),
    ],
)
def test_sizes_of_results(
    settings: dict[str, float], size: tuple[int, int], name: str, config: UpscaleConfig, tmp_path: Path
) -> None:
    upscale(config, draw(tmp_path / "img.png"), **settings)
    with Image.open(tmp_path / f"img{name}.png") as image:
        assert image.size == size


def test_sizes_hold_of_pictures_as_they_are_seen(config: UpscaleConfig, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for ending in ("jpg", "tif", "png", "webp"):
        Image.fromarray(smooth()).save(tmp_path / f"img.{ending}", exif=exif)
        upscale(config, tmp_path / f"img.{ending}", width=30, format="png", out=tmp_path / f"{ending}.png")
        with Image.open(tmp_path / f"{ending}.png") as image:
            assert image.size == (30, 40), ending


@given(length=st.integers(1, 5_000), factor=st.floats(1, 16))
def test_every_width_is_met(length: int, factor: float) -> None:
    width = int(length * factor)
    scale = UpscaleConfig(paths=("a.png",), width=width).scale_for(7, length)
    assert scale is not None and int(length * scale + 0.5) == width


def test_sizes_below_the_source_are_refused_before_the_work(
    config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = draw(tmp_path / "small.png"), draw(tmp_path / "large.png", 60, 80)
    assert "--width 40 of 80 x 60 pixels would make it smaller" in refused(config, large, width=40)
    assert "--height 800 of 16 x 12 pixels would make it 66.67 times" in refused(config, small, height=800)
    with pytest.raises(SystemExit) as stop:
        upscale(config, tmp_path, longest=40, out=tmp_path / "out")
    assert stop.value.code == 1 and files(tmp_path / "out") == ["small_l40.png"]
    assert "large.png: --longest 40" in capsys.readouterr().err


def test_the_weights_suit_each_size() -> None:
    config = UpscaleConfig(paths=("a.png",), width=2_000)
    assert [config.source_for(config.scale_for(9, width)) for width in (1_500, 1_000, 500)] == [
        "x2-fast", "x2-fast", "x4-fast"
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(1, 1), (2, 20_000), (500, 1)])
def test_rare_sizes(size: tuple[int, int], config: UpscaleConfig, tmp_path: Path) -> None:
    upscale(config, draw(tmp_path / "img.png", *size))
    assert read_picture(tmp_path / "img_x2.png").pixels.shape == (2 * size[0], 2 * size[1], 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_stay(channels: int, config: UpscaleConfig, tmp_path: Path) -> None:
    write_pictures(tmp_path / "img.png", [Picture(smooth(channels=channels, top=65535))])
    upscale(config, tmp_path / "img.png")
    found = read_picture(tmp_path / "img_x2.png").pixels
    assert found.dtype == np.uint16 and found.shape == (24, 32, channels)
    assert len(np.unique(found % 257)) > 50


def test_all_that_belongs_to_a_photo_stays_and_it_stands_upright(config: UpscaleConfig, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Model] = 6, "Box"
    Image.fromarray(smooth()).save(tmp_path / "img.jpg", exif=exif, dpi=(300, 300), icc_profile=b"colours")
    upscale(config, tmp_path / "img.jpg")
    with Image.open(tmp_path / "img_x2.jpg") as image:
        assert image.size == (24, 32)
        assert image.info["icc_profile"] == b"colours" and image.info["dpi"] == (300, 300)
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert image.getexif()[ExifTags.Base.Model] == "Box"


def test_animations_move_on(config: UpscaleConfig, tmp_path: Path) -> None:
    frames = [np.roll(smooth(), k, 1) for k in range(3)]
    pictures = [Picture(frame, duration=50 + 50 * k) for k, frame in enumerate(frames)]
    write_pictures(tmp_path / "img.gif", pictures, plays=0)
    for ending in ("gif", "webp"):
        upscale(config, tmp_path / "img.gif", format=ending)
        with open_picture(tmp_path / f"img_x2.{ending}") as file:
            assert file.frames == 3 and file.plays == 0 and file.image.size == (32, 24)
            assert [picture.duration for picture in file] == [50, 100, 150]
    assert "one frame and not 3" in refused(config, tmp_path / "img.gif", format="jpg")
    assert "img_x2.jpg" not in files(tmp_path)


def test_pages_are_all_upscaled(config: UpscaleConfig, tmp_path: Path) -> None:
    write_pictures(tmp_path / "img.tif", [Picture(smooth()), Picture(smooth(5, 7, 1, 65535))])
    upscale(config, tmp_path / "img.tif")
    with open_picture(tmp_path / "img_x2.tif") as file:
        assert [picture.pixels.shape for picture in file] == [(24, 32, 3), (10, 14, 1)]


def test_tiles_change_nothing(config: UpscaleConfig, tmp_path: Path) -> None:
    path = draw(tmp_path / "img.png", 60, 50, 4)
    upscale(config, path, out=tmp_path / "whole.png")
    upscale(config, path, out=tmp_path / "tiled.png", tile=9)
    assert (tmp_path / "tiled.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_large_results_lie_on_the_disk_meanwhile(
    config: UpscaleConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "img.tif")
    upscale(config, path, out=tmp_path / "memory.webp")
    monkeypatch.setattr("common.pictures.conversion.IN_MEMORY", 100)
    upscale(config, path, out=tmp_path / "disk.webp")
    assert (tmp_path / "disk.webp").read_bytes() == (tmp_path / "memory.webp").read_bytes()
    assert files(tmp_path) == ["disk.webp", "img.tif", "memory.webp"]


# --- Many pictures ----------------------------------------------------------------------------------------------------


def test_folders_keep_their_tree_and_are_not_done_twice(
    config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "large"
    for name in ("a.png", "2024/b.jpg", "2024/march/c.webp", ".hidden/d.png"):
        draw(photos / name)
    (photos / "notes.txt").write_text("not a picture")
    upscale(config, photos, out=out)
    expected = ["2024/b_x2.jpg", "2024/march/c_x2.webp", "a_x2.png"]
    assert files(out) == expected
    upscale(config, photos)
    assert [name for name in files(photos) if "_x2" in name] == expected
    capsys.readouterr()
    upscale(config, photos)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and "left out 3 files" in said[0] and "skipped 3 files" in said[1]
    assert not any("_x2_x2" in name for name in files(photos))


def test_patterns_and_several_files(config: UpscaleConfig, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.jpg", "deep/er/d.png", "[1].png"):
        draw(tmp_path / "in" / name)
    upscale(config, tmp_path / "in" / "*.png", tmp_path / "in" / "c.jpg", out=tmp_path / "one")
    assert files(tmp_path / "one") == ["[1]_x2.png", "a_x2.png", "b_x2.png", "c_x2.jpg"]
    upscale(config, tmp_path / "in" / "**" / "*.png", out=tmp_path / "all", suffix="")
    assert files(tmp_path / "all") == ["[1].png", "a.png", "b.png", "deep/er/d.png"]
    upscale(config, tmp_path / "in" / "[1].png", out=tmp_path / "odd")
    assert files(tmp_path / "odd") == ["[1]_x2.png"]


def test_what_is_there_is_skipped_unless_asked(
    config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = draw(tmp_path / "img.png")
    (tmp_path / "img_x2.png").write_text("mine")
    upscale(config, path)
    assert (tmp_path / "img_x2.png").read_text() == "mine"
    assert "img_x2.png, which is there already; --overwrite" in capsys.readouterr().out
    upscale(config, path, overwrite=True)
    assert read_picture(tmp_path / "img_x2.png").pixels.shape == (24, 32, 3)


def test_an_ensemble_is_what_python_makes_of_it(config: UpscaleConfig, weights: Path, tmp_path: Path) -> None:
    path = draw(tmp_path / "img.png")
    upscale(config, path, ensemble=True)
    upscale(config, path, suffix="_plain")
    found = read_picture(tmp_path / "img_x2.png").pixels
    assert np.array_equal(found, enlarge(np.asarray(Image.open(path)), str(weights), ensemble=True))
    assert not np.array_equal(found, read_picture(tmp_path / "img_plain.png").pixels)


def test_segments_beside_a_film_that_is_there_go(config: UpscaleConfig, tmp_path: Path) -> None:
    film, output = tmp_path / "film.mp4", tmp_path / "film_x2.mp4"
    film.write_bytes(b"film")
    Parts(folder_of(output), {}, is_complete=True).save()
    output.write_bytes(b"made of segments that a kill kept from being removed")
    upscale(config, film)
    assert files(tmp_path) == ["film.mp4", "film_x2.mp4"]


def test_one_bad_file_does_not_stop_the_others(
    config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("not a picture")
    draw(tmp_path / "c.png")
    with pytest.raises(SystemExit) as stop:
        upscale(config, tmp_path / "missing.png", tmp_path)
    assert stop.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("superres.upscale: ") for line in lines)
    assert "missing.png" in lines[0] and "b.png" in lines[1] and "2 of 4 failed" in lines[2]
    assert files(tmp_path) == ["a.png", "a_x2.png", "b.png", "c.png", "c_x2.png"]


def test_nothing_but_bad_files(config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        upscale(config, tmp_path / "missing.png", tmp_path / "lost.png")
    assert stop.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 3


# --- Bad input --------------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_bad_files_leave_nothing_behind(config: UpscaleConfig, tmp_path: Path) -> None:
    whole = draw(tmp_path / "whole.png", 60, 60).read_bytes()
    contents = {"truncated.png": whole[:-400], "text.png": b"Dear diary", "empty.png": b"", "bomb.png": bomb()}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert name in refused(config, tmp_path / name)
        refused(config, tmp_path / name, out=tmp_path / "large")
        assert not (tmp_path / "large").exists()
    assert files(tmp_path) == sorted([*contents, "whole.png"])


def test_bad_paths(config: UpscaleConfig, tmp_path: Path) -> None:
    path = draw(tmp_path / "img.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "empty").mkdir()
    assert "no such file" in refused(config, tmp_path / "missing.png")
    assert "no such file" in refused(config, tmp_path / "missing.png", out=tmp_path / "large.png")
    assert ".png" in refused(config, tmp_path / "notes.txt")
    assert "no pictures" in refused(config, tmp_path / "empty")
    assert "match" in refused(config, tmp_path / "*.jpg")
    assert "a folder that can be written" in refused(config, path, out=path / "below")  # below a file
    assert "a folder that can be written" in refused(config, path, out=path / "below" / "img.png")
    assert "unknown ending" in refused(config, path, out=tmp_path / "large.xyz")
    assert "one input" in refused(config, tmp_path, out=tmp_path / "large.png")
    assert "differ" in refused(config, path, out=tmp_path / "large.png", format="jpg")
    assert files(tmp_path) == ["img.png", "notes.txt"]


def test_no_input_is_overwritten_and_no_output_made_of_two(config: UpscaleConfig, tmp_path: Path) -> None:
    path = draw(tmp_path / "img.png")
    draw(tmp_path / "img.jpg")
    draw(tmp_path / "sub" / "img.png")
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    for settings in ({"suffix": ""}, {"out": path}, {"out": tmp_path, "suffix": ""}):
        assert "overwritten" in refused(config, path, overwrite=True, **settings)
    for other, settings in ((tmp_path / "img.jpg", {"format": "png"}), (tmp_path / "sub" / "img.png", {})):
        batch = plan_outputs(replace(config, paths=(str(path), str(other)), out=tmp_path / "large", **settings))
        assert len(batch.jobs) == 1 and "both become" in batch.problems[0]
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_clash_of_names_fails_alone(
    config: UpscaleConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        draw(tmp_path / name)
    with pytest.raises(SystemExit) as stop:
        upscale(config, tmp_path, format="webp", out=tmp_path / "out")
    assert stop.value.code == 1 and files(tmp_path / "out") == ["a_x2.webp", "b_x2.webp"]
    assert "both become" in capsys.readouterr().err


def test_the_longest_name_is_written(config: UpscaleConfig, tmp_path: Path) -> None:
    name = "ö" * 123 + ".png"  # of 250 bytes
    upscale(config, draw(tmp_path / "in" / name), out=tmp_path / "out", suffix="")
    assert files(tmp_path / "out") == [name]
    assert "of which 255 are possible" in refused(config, tmp_path / "in" / name, suffix="_large")


def test_what_a_format_cannot_hold(config: UpscaleConfig, tmp_path: Path) -> None:
    assert "16,383" in refused(config, draw(tmp_path / "img.png", 1, 9_000), format="webp")
    assert files(tmp_path) == ["img.png"]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ((), "nothing to upscale"),
        (("a.png", "--scale", "0"), "--scale must be 1 to 16"),
        (("a.png", "--scale", "0.5"), "--scale must be 1 to 16"),
        (("a.png", "--scale", "100"), "--scale must be 1 to 16"),
        (("a.png", "--scale", "nan"), "--scale must be finite"),
        (("a.png", "--sharpness", "2"), "--sharpness must be in [0, 1]"),
        (("a.png", "--denoise", "-1"), "--denoise must be in [0, 1]"),
        (("a.png", "--denoise", "1", "--sharpness", "1"), "--sharpness and --denoise exclude each other"),
        (("a.png", "--width", "800", "--scale", "2"), "--scale and --width exclude each other"),
        (("a.png", "--width", "0"), "--width must be above 0"),
        (("a.png", "--megapixels", "inf"), "--megapixels must be finite"),
        (("a.png", "--quality", "0"), "--quality must be 1 to 100"),
        (("a.png", "--format", "xyz"), "--format must be one of png jpg"),
        (("a.png", "--tile", "0"), "--tile must be 1 or more"),
        (("a.png", "--suffix", "x/y"), "--suffix"),
        (("a.png", "--weights", "missing"), "--weights missing"),
        (("a.png", "--device", "toaster"), "--device toaster"),
        (("a.png", "--tile", "small"), "--tile takes a whole number"),
    ],
)
def test_bad_flags_are_one_line_and_code_2(
    flags: tuple[str, ...], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["upscale", *flags])
    with pytest.raises(SystemExit) as stop:
        run(main, PROGRAM)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and len(said.splitlines()) == 1 and named in said


def test_results_with_another_scale_or_format_are_no_inputs(config: UpscaleConfig, tmp_path: Path) -> None:
    for name in ("a.png", "a_x4.png", "a_x2.5.jpg", "a_small.webp", "film.mp4", "film_x2.mkv", "4k_x2.png"):
        (tmp_path / name).touch()
    for name in ("a_w1920.png", "a_h7.png", "a_l80.png", "a_2.5mp.png"):
        (tmp_path / name).touch()
    batch = plan_outputs(replace(config, paths=(str(tmp_path),), scale=3, suffix="_small"))
    batch = replace(batch, made=[path for path in batch.made if not re.search(r"_w|_h|_l|mp\.", path.name)])
    assert [path.name for path in batch.made] == ["a_small.webp", "a_x2.5.jpg", "a_x4.png", "film_x2.mkv"]
    assert [job.source.name for job in batch.jobs] == ["4k_x2.png", "a.png", "film.mp4"]
