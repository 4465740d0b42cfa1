"""What `image.generate` draws is what its flags say, and what it cannot draw it refuses in one line."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from common.errors import UserError
from common.pictures.sheets import PICTURE_OPTIONS, pictures, save_picture
from image.__main__ import COMMANDS
from image.config import PICTURES, GenerateConfig
from image.generate import main
from image.generation import (
    TRUNCATION,
    _default_samples,
    _default_strips,
    _shares,
    _strips,
    choose,
    even_labels,
    make_gallery,
    write_gallery,
)
from image.models import ImageModel, load_image_model
from image.sheets import WIDEST, draw_sheet, line_width


def generate(weights: Path, out: Path | str, **flags: Any) -> None:
    main(GenerateConfig(weights=str(weights), out=str(out), device="cpu", **flags))


@pytest.fixture(scope="module")
def cgan(cgan_run: Path) -> ImageModel:
    return load_image_model(str(cgan_run))


@pytest.fixture(scope="module")
def vae(vae_run: Path) -> ImageModel:
    return load_image_model(str(vae_run))


def sample(gan: ImageModel, count: int, labels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """What a GAN draws by default of a seed."""
    return gan.decode(TRUNCATION * gan.latents(count, seed), labels)


# --- the command line


def test_the_command_lines_need_no_torch(root: Path) -> None:
    program = "import sys, image.generate, image.evaluate, image.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_the_package_lists_its_commands(root: Path) -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "image"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    lines = listing.splitlines()
    assert [line.split()[2] for line in lines] == [f"image.{name}" for name in COMMANDS]
    assert all(len(line.split()) > 4 for line in lines)
    assert all(find_spec(f"image.{name}") for name in COMMANDS)


def test_config_and_figures_agree_on_the_endings() -> None:
    assert list(PICTURES) == list(PICTURE_OPTIONS)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"n": 0}, "--n"),
        ({"n": -3}, "--n"),
        ({"n": 20_000}, "--n"),
        ({"n": 6_000, "label": ("a", "b")}, "--n"),
        ({"mix": (1, -1)}, "--mix"),
        ({"mix": (1, 2), "seed": 3}, "--seed"),
        ({"mix": (1, 2), "interpolate": "seeds"}, "exclude each other"),
        ({"list_text": True, "text": ("a",)}, "--text"),
        ({"list_text": True, "label": ("a",)}, "--label"),
        ({"seed": -1}, "--seed"),
        ({"truncation": 0.0}, "--truncation"),
        ({"out": "x.bmp"}, "x.bmp"),
        ({"frames": 1, "interpolate": "seeds"}, "--frames"),
        ({"interpolate": "seeds", "reconstruct": "digits"}, "exclude each other"),
        ({"to_seed": 3}, "--to-seed"),
        ({"to_seed": 3, "interpolate": "labels"}, "--to-seed"),
        ({"frames": 5}, "--frames"),
        ({"frames": 5, "arithmetic": ("1", "2", "3")}, "--frames"),
        ({"label": ("a",), "arithmetic": ("1", "2", "3")}, "--label"),
        ({"arithmetic": ("1", "2")}, "three words"),
        ({"label": ("a",), "reconstruct": "digits"}, "--label"),
        ({"truncation": 0.5, "reconstruct": "digits"}, "--truncation"),
        ({"sampler": "mixture", "reconstruct": "digits"}, "--sampler"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError) as caught:
        GenerateConfig(**flags)
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_the_ending_tells_file_from_folder(tmp_path: Path) -> None:
    (tmp_path / "v1.0").mkdir()
    cases = {"a.PNG": ".png", "a.gif": ".gif", "some/folder": "", "v1.0/": "", str(tmp_path / "v1.0"): ""}
    assert {out: GenerateConfig(out=out).ending for out in cases} == cases


# --- what a model cannot do


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"label": ("zebra",)}, "bars, discs"),
        ({"interpolate": "labels", "label": ("bars",)}, "two labels"),
        ({"arithmetic": ("bars", "zebra", "discs")}, "zebra"),
        ({"arithmetic": ("bars", "discs@x", "discs")}, "'x' is no seed"),
        ({"arithmetic": ("bars", f"discs@{10**30}", "discs")}, "is no seed"),
        ({"sampler": "mixture"}, "is a GAN"),
        ({"reconstruct": "digits"}, "has not the classes"),
    ],
)
def test_a_conditional_gan_refuses(cgan: ImageModel, flags: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        make_gallery(cgan, GenerateConfig(**flags))


def test_a_gan_reconstructs_nothing(cgan: ImageModel, shapes: Path) -> None:
    with pytest.raises(UserError, match="is a GAN, which has no encoder"):
        make_gallery(cgan, GenerateConfig(reconstruct=str(shapes)))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"label": ("bars",)}, "takes none"),
        ({"interpolate": "labels"}, "two labels"),
        ({"arithmetic": ("1", "b", "3")}, "no seed"),
    ],
)
def test_an_unconditional_model_refuses(vae: ImageModel, flags: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        make_gallery(vae, GenerateConfig(**flags))


def test_unknown_weights_and_unwritable_files_are_refused(vae_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-model"):
        generate(Path("no-such-model"), tmp_path / "a.png")
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "a.png", f"{tmp_path}/file/folder/", tmp_path / "file" / "a.gif"):
        with pytest.raises(UserError, match="cannot write"):
            generate(vae_run, out, n=4)


# --- samples


def test_labels_are_drawn_evenly_and_stay_together() -> None:
    labels = even_labels([4, 1, 7], 64)
    assert labels is not None and labels.tolist() == sorted(labels.tolist(), key=[4, 1, 7].index)
    assert sorted((labels == label).sum().item() for label in (4, 1, 7)) == [21, 21, 22]
    assert even_labels([], 5) is None
    few, uneven = even_labels(range(9), 4), even_labels([0, 1, 2], 8)
    assert few is not None and few.tolist() == [0, 1, 2, 3]
    assert uneven is not None and uneven.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


def test_by_default_all_classes_get_as_many_samples(cgan: ImageModel) -> None:
    assert make_gallery(cgan, GenerateConfig()).what.endswith("64 samples of shapes-cgan, 32 of each class")
    assert [_default_samples(classes) for classes in (0, 1, 2, 3, 10, 64, 65)] == [64, 64, 64, 66, 70, 64, 64]
    assert [_default_strips(classes) for classes in (0, 1, 2, 3, 10, 12, 13)] == [8, 8, 8, 6, 10, 12, 8]


def test_the_share_of_a_class_is_told(cgan: ImageModel) -> None:
    said = {n: make_gallery(cgan, GenerateConfig(n=n)).what.split(", ")[1] for n in (1, 4, 5)}
    assert said == {1: "0 or 1 of each class", 4: "2 of each class", 5: "2 or 3 of each class"}
    assert make_gallery(cgan, GenerateConfig(n=2, label=("bars",))).what == "2 samples of shapes-cgan"


def test_n_counts_the_pictures_of_each_class_that_is_named(cgan: ImageModel) -> None:
    gallery = make_gallery(cgan, GenerateConfig(n=3, label=("discs", "bars")))
    assert [len(images) for _, images in gallery.rows] == [3, 3]
    assert gallery.what == "6 samples of shapes-cgan, 3 of each class"
    strips = make_gallery(cgan, GenerateConfig(n=2, label=("discs", "bars"), interpolate="seeds", frames=2)).rows
    assert [label for label, _ in strips] == ["discs", "discs", "bars", "bars"]


def test_labels_are_chosen_once_each_and_all_by_default(cgan: ImageModel) -> None:
    assert choose(cgan, ["DISCS", "1", "bars"]) == [1, 0]
    assert choose(cgan, []) == [0, 1]


def test_samples_of_a_class_are_those_of_its_label(cgan: ImageModel) -> None:
    gallery = make_gallery(cgan, GenerateConfig(n=6, seed=3))
    assert [(label, len(images)) for label, images in gallery.rows] == [("bars", 3), ("discs", 3)]
    expected = sample(cgan, 6, torch.tensor([0, 0, 0, 1, 1, 1]), seed=3)
    assert torch.equal(torch.cat([images for _, images in gallery.rows]), expected)
    assert torch.equal(torch.cat(gallery.frames), expected)


def test_truncation_scales_the_latents(vae: ImageModel) -> None:
    ((_, images),) = make_gallery(vae, GenerateConfig(n=5, truncation=0.25)).rows
    assert torch.equal(images, vae.decode(0.25 * vae.latents(5, sampler="mixture")))


def test_by_default_gans_draw_what_is_typical_and_vaes_all(cgan: ImageModel, vae: ImageModel) -> None:
    by_default, all_of_it = (
        torch.cat([images for _, images in make_gallery(cgan, GenerateConfig(n=4, truncation=given)).rows])
        for given in (None, 1.0)
    )
    labels = torch.tensor([0, 0, 1, 1])
    assert torch.equal(by_default, sample(cgan, 4, labels)) and torch.equal(all_of_it, cgan.sample(4, labels))
    ((_, images),) = make_gallery(vae, GenerateConfig(n=4)).rows
    assert torch.equal(images, vae.sample(4, sampler="mixture"))


def test_weights_may_tell_how_typical_their_pictures_are_by_default(cgan: ImageModel) -> None:
    telling = replace(cgan, truncation=0.4)
    drawn, asked = (
        torch.cat([images for _, images in make_gallery(telling, GenerateConfig(n=4, truncation=given)).rows])
        for given in (None, 0.9)
    )
    z, labels = cgan.latents(4), torch.tensor([0, 0, 1, 1])
    assert torch.equal(drawn, cgan.decode(0.4 * z, labels)) and torch.equal(asked, cgan.decode(0.9 * z, labels))


def test_the_prior_is_used_where_asked_for(vae: ImageModel) -> None:
    ((_, images),) = make_gallery(vae, GenerateConfig(n=5, sampler="prior")).rows
    assert torch.equal(images, vae.decode(vae.latents(5)))


# --- interpolation and arithmetic


def test_strips_between_seeds_begin_and_end_at_their_samples(cgan: ImageModel) -> None:
    gallery = make_gallery(cgan, GenerateConfig(interpolate="seeds", seed=2, to_seed=9, n=4, frames=6))
    strips, labels = torch.stack([images for _, images in gallery.rows]), torch.tensor([0, 0, 1, 1])
    assert strips.shape[:2] == (4, 6)
    assert torch.equal(strips[:, 0], sample(cgan, 4, labels, seed=2))
    assert torch.equal(strips[:, -1], sample(cgan, 4, labels, seed=9))


def test_strips_between_labels_keep_their_latent(cgan: ImageModel) -> None:
    gallery = make_gallery(cgan, GenerateConfig(interpolate="labels", label=("discs", "bars"), n=3))
    strips = torch.stack([images for _, images in gallery.rows]).int()
    assert strips.shape[:2] == (3, 10) and gallery.headings == ("discs", *[""] * 8, "bars")
    for place, label in ((0, 1), (-1, 0)):
        assert (strips[:, place] - sample(cgan, 3, torch.full((3,), label)).int()).abs().max() <= 1  # rounding


@pytest.mark.parametrize("stops", range(2, 17))
def test_a_sheet_shows_every_stop_and_names_it(stops: int, vae: ImageModel) -> None:
    names, shares = [f"stop {stop}" for stop in range(stops)], _shares(GenerateConfig(), legs=stops - 1)
    headings = _strips(vae, [""], [torch.zeros(1, 1, 4, 4)] * len(shares), names).headings
    assert [heading for heading in headings if heading] == names and len(headings) <= WIDEST
    assert [share for share, heading in zip(shares, headings, strict=True) if heading] == pytest.approx(
        [stop / (stops - 1) for stop in range(stops)]
    )


def test_stops_between_the_pictures_are_not_named(vae: ImageModel) -> None:
    gallery = _strips(vae, [""], [torch.zeros(1, 1, 4, 4)] * 4, ["a", "b", "c"])
    assert gallery.headings == ("a", "", "", "c") and "1 strip of 4 pictures" in gallery.what


def test_strips_between_seeds_name_their_seeds(vae: ImageModel) -> None:
    gallery = make_gallery(vae, GenerateConfig(interpolate="seeds", seed=4, n=1))
    assert gallery.headings == ("seed 4", *[""] * 8, "seed 5")
    assert draw_sheet(gallery.rows, gallery.headings).width == 10 * 98 + 2  # a strip, not a grid


def test_strips_in_several_lines_have_labels_for_headings(cgan: ImageModel) -> None:
    gallery = make_gallery(cgan, GenerateConfig(interpolate="labels", n=2, frames=WIDEST + 4))
    assert [label for label, _ in gallery.rows] == ["bars\nto discs"] * 2
    assert draw_sheet(gallery.rows, gallery.headings).height == draw_sheet(gallery.rows).height == 4 * 100


def test_animations_go_there_and_back(cgan: ImageModel) -> None:
    gallery = make_gallery(cgan, GenerateConfig(interpolate="seeds", n=2, out="x.gif"))
    assert len(gallery.frames) == 24 + 22
    assert torch.equal(gallery.frames[1], gallery.frames[-1]) and torch.equal(gallery.frames[22], gallery.frames[24])


def test_arithmetic_with_labels_and_seeds(cgan: ImageModel) -> None:
    config = GenerateConfig(arithmetic=("bars@1", "bars@1", "discs@5"), n=3)
    first, second, third, result = (images.int() for _, images in make_gallery(cgan, config).rows)
    assert torch.equal(first, second)
    assert (first - sample(cgan, 3, torch.zeros(3, dtype=torch.int64), seed=1).int()).abs().max() <= 1
    assert (third - sample(cgan, 3, torch.ones(3, dtype=torch.int64), seed=5).int()).abs().max() <= 1
    assert (result - third).abs().max() <= 1  # A - A + C is C


def test_arithmetic_of_seeds_ends_its_animation_at_the_result(vae: ImageModel) -> None:
    config = GenerateConfig(arithmetic=("1", "2", "3"), n=2, frames=5, out="x.gif")
    gallery = make_gallery(vae, config)
    assert [label for label, _ in gallery.rows] == ["1", "- 2", "+ 3", "="]
    assert torch.equal(gallery.frames[0], gallery.rows[0][1]) and torch.equal(gallery.frames[4], gallery.rows[3][1])
    z = [vae.latents(2, seed, "mixture") for seed in (1, 2, 3)]
    result = z[0] - z[1] + z[2]
    lengths = [vector.norm(dim=1, keepdim=True) for vector in (*z, result)]
    result = result / lengths[3] * lengths[0] / lengths[1] * lengths[2]
    assert (vae.decode(result).int() - gallery.rows[3][1].int()).abs().max() <= 1


def test_arithmetic_takes_pictures(cgan: ImageModel, vae: ImageModel, tmp_path: Path) -> None:
    save_picture(pictures(sample(cgan, 1, torch.tensor([1]), seed=5))[0], tmp_path / "mine.png")
    gallery = make_gallery(cgan, GenerateConfig(arithmetic=(str(tmp_path / "mine.png"), "bars@2", "bars@2"), n=3))
    assert [len(images) for _, images in gallery.rows] == [1, 3, 3, 3] and "mine.png: found by" in gallery.notes[0]
    first, _, _, result = (images.int() for _, images in gallery.rows)
    assert (first - result).abs().max() <= 1  # A - B + B is A
    Image.effect_noise((16, 16), 250).save(tmp_path / "noise.png")
    with pytest.raises(UserError, match=r"noise\.png: its reconstruction .* dB, .* name other weights"):
        make_gallery(vae, GenerateConfig(arithmetic=("1", str(tmp_path / "noise.png"), "2")))


def test_mixtures_take_shapes_of_one_seed_and_style_of_another(cgan: ImageModel, vae: ImageModel) -> None:
    rows = [images for _, images in make_gallery(cgan, GenerateConfig(mix=(3, 4), n=4)).rows]
    labels = torch.tensor([0, 0, 1, 1])
    assert torch.equal(rows[0], sample(cgan, 4, labels, seed=3)) and torch.equal(
        rows[1], sample(cgan, 4, labels, seed=4)
    )
    assert not torch.equal(rows[2], rows[0]) and not torch.equal(rows[2], rows[1])
    same = [images for _, images in make_gallery(cgan, GenerateConfig(mix=(3, 3), n=4)).rows]
    assert torch.equal(same[2], rows[0])
    with pytest.raises(UserError, match="has no styles to mix"):
        make_gallery(vae, GenerateConfig(mix=(3, 4)))


# --- reconstruction


@pytest.mark.parametrize("run", ["vae_run", "cvae_run"])
def test_reconstructions_stand_below_their_originals(run: str, shapes: Path, request: pytest.FixtureRequest) -> None:
    model = load_image_model(str(request.getfixturevalue(run)))
    gallery = make_gallery(model, GenerateConfig(reconstruct=str(shapes), n=WIDEST + 1))
    assert [label for label, _ in gallery.rows] == ["original", "reconstruction"] * 2
    assert [len(images) for _, images in gallery.rows] == [9, 9, 8, 8]
    original, rebuilt = gallery.rows[0][1].float(), gallery.rows[1][1].float()
    error, shuffled = (original - rebuilt).square().mean(), (original.roll(1, 0) - rebuilt).square().mean()
    assert error < shuffled


# --- files


def test_a_sheet_has_a_row_a_class_and_breaks_long_rows() -> None:
    images = torch.zeros(40, 1, 96, 96, dtype=torch.uint8)
    short, long = draw_sheet([("a", images[:3]), ("b", images[:3])]), draw_sheet([("a", images), ("b", images[:3])])
    assert 2 * long.height == 5 * short.height  # four lines of 10 pictures, and the fifth
    assert long.width - short.width == 7 * 98
    assert draw_sheet([("", images[:9])]).size == (3 * 98 + 2, 3 * 98 + 2)


def test_lines_are_full_where_they_can_be() -> None:
    widths = {count: line_width(count) for count in (1, 16, 17, 32, 34, 50, 100)}
    assert widths == {1: 1, 16: 16, 17: 9, 32: 16, 34: 12, 50: 10, 100: 10}


def test_the_same_seed_writes_the_same_bytes(
    cgan_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        generate(cgan_run, tmp_path / f"{name}.png", n=8, seed=seed)
    first, second, third = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == second != third
    assert f"wrote {tmp_path / 'a.png'}: 8 samples of shapes-cgan" in capsys.readouterr().out


def test_a_folder_gets_one_numbered_picture_each(cgan_run: Path, tmp_path: Path) -> None:
    generate(cgan_run, tmp_path / "out", n=4)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["0000-bars.png", "0001-bars.png", "0002-discs.png", "0003-discs.png"]
    assert Image.open(tmp_path / "out" / names[0]).size == (16, 16)


def test_pictures_of_two_runs_do_not_mix(cgan_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    generate(cgan_run, folder, n=4)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for n in (2, 5):  # fewer pictures, and others
        with pytest.raises(
            UserError, match=r"out holds pictures that would mix .* name a new folder, or empty"
        ) as caught:
            generate(cgan_run, folder, n=n, seed=1)
        assert "\n" not in str(caught.value)
        assert before == {path: path.read_bytes() for path in folder.iterdir()}
    generate(cgan_run, folder, n=4, seed=1)  # the same names, all overwritten
    assert before.keys() == set(folder.iterdir()) and before != {path: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("out", ["sheet.png", "folder"])
def test_nothing_that_is_there_is_replaced_unasked(out: str, tmp_path: Path) -> None:
    config = GenerateConfig(out=str(tmp_path / out))
    config.check_inputs()
    (tmp_path / "folder").mkdir()
    for name in ("sheet.png", "folder/0000.png"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"--out .*{out} .* already; name .*, or add --overwrite"):
        config.check_inputs()
    replace(config, overwrite=True).check_inputs()


def test_what_is_no_picture_may_stay_in_the_folder(vae_run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    generate(vae_run, tmp_path, n=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000.png", "0001.png", "notes.txt"]


def test_pictures_without_a_label_have_only_a_number(vae_run: Path, tmp_path: Path) -> None:
    generate(vae_run, tmp_path / "out", n=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0000.png", "0001.png"]


def test_a_gif_moves(cgan_run: Path, tmp_path: Path) -> None:
    generate(cgan_run, tmp_path / "a.gif", n=3, label=("discs",))
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 3 and film.info["duration"] == 250  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", PICTURES)
def test_every_ending_is_written_in_its_format(ending: str, vae: ImageModel, tmp_path: Path) -> None:
    config = GenerateConfig(n=2, out=str(tmp_path / f"a{ending}"))
    write_gallery(make_gallery(vae, config), config)
    assert Image.open(config.out).format == {".png": "PNG", ".webp": "WEBP"}.get(ending, "JPEG")
