"""Pictures are found in a latent space, moved along directions and led to each other."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from common.cores.latents import Point
from common.errors import UserError
from image.edit.__main__ import main
from image.edit.config import EditConfig, EvaluateConfig
from image.edit.directions import Direction, between, factorised, moved, parse_direction, unnamed_directions
from image.edit.evaluation import evaluate
from image.edit.generation import FRAMES
from image.edit.inversion import invert, read_picture, reconstruction_psnr
from image.judges.classifier import main as train_classifier
from image.judges.config import ClassifierConfig
from image.judges.extractor import load_extractor
from image.models import ImageModel, load_image_model


@pytest.fixture(scope="module")
def cgan(cgan_run: Path) -> ImageModel:
    return load_image_model(str(cgan_run))


@pytest.fixture
def point() -> Point:
    return Point(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.8, 0.2, 0.0]]))


# --- directions


def test_factorisation_finds_the_axes_of_a_stretch() -> None:
    turn, stretch = torch.tensor([[0.8, -0.6], [0.6, 0.8]]), torch.tensor([7.0, 1.0])
    weight = torch.eye(5, 2) @ torch.diag(stretch) @ turn
    torch.testing.assert_close(factorised(weight, 2), turn * 5 / stretch[:, None])  # 5: the root mean square
    torch.testing.assert_close(factorised(-weight, 1), factorised(weight, 1))  # signs are not left to chance


def test_unnamed_directions_are_orthogonal_and_the_strongest_have_the_shortest_steps(cgan: ImageModel) -> None:
    found = unnamed_directions(cgan, 4)
    lengths = found.norm(dim=1)
    torch.testing.assert_close(found @ found.T, torch.diag(lengths**2), atol=1e-5, rtol=0)
    assert lengths.tolist() == sorted(lengths.tolist()) and lengths[0] < 1


def test_three_steps_along_the_first_direction_do_not_white_faces_out() -> None:
    model = load_image_model("faces-cgan")
    z, labels = model.latents(32, seed=1), torch.arange(32) % 2
    first = unnamed_directions(model, 1)[0]
    usual, moved_on = (model.decode(place, labels).float() for place in (z, z + 3 * first))
    assert (moved_on > 250).float().mean() < 0.05
    assert (moved_on - usual).abs().mean() > 10  # and yet something changes


@pytest.mark.parametrize(
    ("distance", "share", "labels"),
    [
        (2.0, 1.0, [0.0, 1.0, 0.0]),
        (1.0, 1.0, [0.4, 0.6, 0.0]),
        (2.0, 0.5, [0.4, 0.6, 0.0]),
        (-2.0, 1.0, [1.0, 0.0, 0.0]),
        (0.0, 1.0, [0.8, 0.2, 0.0]),
    ],
)
def test_class_directions_lead_to_a_class_or_away(
    point: Point, distance: float, share: float, labels: list[float]
) -> None:
    end = moved(point, Direction("", 1, None, distance), share)
    torch.testing.assert_close(end.labels, torch.tensor([labels]))
    assert torch.equal(end.z, point.z)


def test_unnamed_directions_move_latents(point: Point) -> None:
    end = moved(point, Direction("1=-3", None, torch.tensor([0.0, 1.0]), -3.0), 0.5)
    torch.testing.assert_close(end.z, torch.tensor([[1.0, 0.5]]))
    assert end.labels is point.labels


def test_the_way_between_two_points_ends_at_both(point: Point) -> None:
    other = Point(torch.tensor([[-2.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0]]))
    for share, end in ((0.0, point), (1.0, other)):
        found = between(point, other, share)
        torch.testing.assert_close(found.z, end.z)
        torch.testing.assert_close(found.labels, end.labels)
    torch.testing.assert_close(between(point, other, 0.5).z.norm(), torch.tensor(5**0.5))  # no cut across the sphere


def test_directions_are_read(cgan: ImageModel) -> None:
    assert parse_direction(cgan, "DISCS=+1.5") == Direction("DISCS=+1.5", 1, None, 1.5)
    third = parse_direction(cgan, "3=-4")
    assert third.vector is not None and torch.equal(third.vector, unnamed_directions(cgan)[2])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("discs", "write a name, = and a number, such as discs="),
        ("discs=much", "write a name"),
        ("discs=nan", "write a name"),
        ("discs=3", "classes are reached at 2"),
        ("squares=1", "there are bars, discs, 1 to 8"),
        ("0=1", "there are bars"),
        ("99=1", "there are bars"),
    ],
)
def test_bad_directions_are_told(cgan: ImageModel, text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse_direction(cgan, text)


# --- finding


def test_a_gans_own_picture_is_found(cgan: ImageModel) -> None:
    labels = torch.tensor([0, 1])
    pictures = cgan.decode(cgan.latents(2, seed=5), labels)
    point = invert(cgan, pictures, load_extractor(), steps=150, starts=4)
    assert point.labels is not None
    torch.testing.assert_close(point.labels.sum(1), torch.ones(2))
    found = reconstruction_psnr(pictures, cgan.decode(point.z, point.labels))
    begun = invert(cgan, pictures, load_extractor(), steps=1, starts=1)
    assert bool((found > reconstruction_psnr(pictures, cgan.decode(begun.z, begun.labels))).all())
    assert bool((found > 25).all())
    again = invert(cgan, pictures, load_extractor(), steps=150, starts=4)
    assert torch.equal(again.z, point.z)


def test_vaes_encode_pictures(vae_run: Path, cvae_run: Path) -> None:
    vae, pictures = load_image_model(str(vae_run)), torch.randint(256, (3, 1, 16, 16)).to(torch.uint8)
    point = invert(vae, pictures, load_extractor())
    assert torch.equal(vae.decode(point.z), vae.reconstruct(pictures))
    with pytest.raises(UserError, match="need the class of a picture"):
        invert(load_image_model(str(cvae_run)), pictures, load_extractor())


def test_psnr_of_a_reconstruction_by_hand() -> None:
    images = torch.full((2, 1, 4, 4), 100, dtype=torch.uint8)
    again = images.clone()
    again[0] += 51  # a fifth of the peak: 20 log10 5
    again[1, 0, 0, 0] = 0
    psnr = reconstruction_psnr(images, again)
    assert psnr.tolist() == pytest.approx([13.979, 20 * torch.log10(torch.tensor(255 / 25)).item()], abs=1e-3)


# --- the command


def edit(run: Path, picture: Path, **flags: object) -> EditConfig:
    config = EditConfig(picture=picture, weights=str(run), steps=5, starts=1, least=-99, device="cpu", **flags)  # type: ignore[arg-type]
    main(config)
    return config


def test_a_sheet_shows_every_direction(cgan_run: Path, shapes: Path, tmp_path: Path) -> None:
    out = edit(cgan_run, shapes / "bars" / "0.png", direction=("discs=2", "1=3"), out=tmp_path / "sheet.png").target
    plain = edit(cgan_run, shapes / "bars" / "0.png", out=tmp_path / "plain.png").target
    with Image.open(out) as sheet, Image.open(plain) as pair:
        assert sheet.height > 2.5 * pair.height and sheet.width > 2 * pair.width


def test_a_morph_comes_back(cgan_run: Path, shapes: Path, tmp_path: Path) -> None:
    picture = shapes / "discs" / "0.png"
    out = edit(cgan_run, picture, to=shapes / "bars" / "1.png", out=tmp_path / "morph.gif").target
    with Image.open(out) as gif:
        assert gif.n_frames == 2 * FRAMES - 2  # type: ignore[attr-defined]
    assert EditConfig(picture=picture, to=picture).target == picture.with_name("0_morph.gif")
    assert EditConfig(picture=picture).target == picture.with_name("0_edited.png")


def test_edits_replace_nothing_unasked(shapes: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes((shapes / "bars" / "0.png").read_bytes())
    EditConfig(picture=picture).check_inputs()
    (tmp_path / "a_edited.png").touch()
    with pytest.raises(UserError, match=r"a_edited\.png is there already"):
        EditConfig(picture=picture).check_inputs()
    with pytest.raises(UserError, match=r"a\.png is there already"):  # not even by an edit of itself
        EditConfig(picture=picture, out=picture).check_inputs()
    EditConfig(picture=picture, overwrite=True).check_inputs()


def test_pictures_beyond_a_model_are_told_and_nothing_is_written(cgan_run: Path, shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    with pytest.raises(UserError, match=r"0\.png: its reconstruction by shapes-cgan has a PSNR of"):
        main(EditConfig(picture=shapes / "bars" / "0.png", weights=str(cgan_run), steps=1, least=99, out=out))
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    with pytest.raises(UserError, match=r"broken\.png"):
        edit(cgan_run, broken, out=out)
    assert not out.exists()


def test_a_picture_is_cut_to_what_the_model_saw(cgan: ImageModel, tmp_path: Path) -> None:
    Image.new("RGB", (90, 60), "red").save(tmp_path / "wide.png")
    assert read_picture(tmp_path / "wide.png", cgan).shape == (1, 1, 16, 16)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"direction": ("a=1",), "to": Path("b.png")}, "exclude each other"),
        ({"steps": 0}, "--steps"),
        ({"starts": 0}, "--starts"),
        ({"out": Path("a.txt")}, "--out a.txt must end in .gif"),
    ],
)
def test_bad_flags_are_told(flags: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        EditConfig(picture=Path("a.png"), **flags)  # type: ignore[arg-type]


# --- the evaluation


def test_edits_are_judged(cgan_run: Path, vae_run: Path, shapes: Path, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    train_classifier(ClassifierConfig(data=(str(shapes),), examples=640, batch=32, device="cpu", out=judge))
    config = EvaluateConfig(data=str(shapes), weights=str(cgan_run), classifier=str(judge), n=8, steps=2, device="cpu")
    evaluation = evaluate(config, tmp_path)
    shares, likeness, found = evaluation.tables
    assert [figure.n for figure in shares.figures] == [8, 8]
    assert all(0 <= figure.value <= 1 for figure in shares.figures)  # type: ignore[operator]
    # With two classes the way to the other and the way from its own end at the same picture.
    assert shares.figures[0].value == pytest.approx(1 - shares.figures[1].value)  # type: ignore[operator]
    assert len(likeness.figures) == 6 and found.figures[0].name == "PSNR, dB"
    assert json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["n"] == 8
    with pytest.raises(UserError, match="no judge of the labels of shapes is bundled"):
        evaluate(EvaluateConfig(data=str(shapes), weights=str(cgan_run), n=8), tmp_path)
    with pytest.raises(UserError, match="have no classes"):
        evaluate(EvaluateConfig(data=str(shapes), weights=str(vae_run), n=8), tmp_path)
