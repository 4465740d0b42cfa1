"""What the tab of images makes: sheets, edited pictures, colours, filled holes and painted drawings."""

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.weights_folders import find_weights, load_config, read_config
from image.config import GENERATORS, GenerateConfig
from image.edit.config import EditConfig
from image.translate.config import TranslateConfig
from studio.shop import Result, Shop, listening, making, preview, shown_command, take_picture

UNNAMED = 4  # directions without a name that have a slider
WHITE = (255, 255, 255)


def drawing_weights(shop: Shop, words: bool | None = None) -> list[str]:
    """The weights that draw; those that read descriptions or do not, or all."""
    return shop.weights("image", *GENERATORS, words=words)


def classes_of(weights: str) -> list[str]:
    """The classes that weights can be asked for."""
    return list(load_config(find_weights(weights, "image"), "image", *GENERATORS)["classes"])


def reads_words(weights: str) -> bool:
    """Whether weights draw descriptions."""
    return "words" in read_config(find_weights(weights, "image"))


def sheet(
    shop: Shop,
    folder: Path,
    weights: str,
    labels: list[str] | None,
    words: str,
    n: int | None,
    seed: int,
    truncation: float,
    guidance: float,
) -> Result:
    """Draw a sheet of samples.

    Args:
        words: descriptions, one a line, for weights that read such.
        n, truncation: 0 is as usual.
    """
    from image.generation import make_gallery, write_gallery
    from image.models import load_image_model

    described = reads_words(weights)
    config = GenerateConfig(
        weights=weights,
        out=str(folder / "samples.png"),
        n=n or None,
        label=() if described else tuple(labels or ()),
        text=tuple(line.strip() for line in words.splitlines() if line.strip()) if described else (),
        guidance=guidance if described else 1.0,
        seed=seed,
        truncation=truncation or None,
        device=shop.device,
    )
    with making("image.generate", config, folder):
        gallery = make_gallery(shop.model(load_image_model, config.source), config)
        write_gallery(gallery, config)
    told = "\n".join((*gallery.notes, *gallery.refused))
    command = shown_command("image.generate", config, folder)
    return Result((config.out,), (Path(config.out),), command, told)


def way(shop: Shop, folder: Path, weights: str, label: str | None, seed: int, to_seed: int) -> Result:
    """Draw the way from one sample to another; the pictures on it come after what is shown first."""
    from common.pictures.sheets import grid
    from image.generation import make_gallery, write_gallery
    from image.models import load_image_model

    config = GenerateConfig(
        weights=weights,
        out=str(folder / "way.gif"),
        n=1,
        label=(label or classes_of(weights)[0],) if classes_of(weights) else (),
        seed=seed,
        to_seed=to_seed,
        interpolate="seeds",
        device=shop.device,
    )
    with making("image.generate", config, folder):
        gallery = make_gallery(shop.model(load_image_model, config.source), config)
        write_gallery(gallery, config)
    pictures = [grid(one[None], gap=0) for one in gallery.rows[0][1]]
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number:02}.png")
    shown = [str(path) for path in sorted(folder.glob("*.png"))]
    command = shown_command("image.generate", config, folder, out=("way.gif",))
    return Result((shown[0], shown), (Path(config.out),), command)


def step_of(pictures: list[str], share: float) -> str | None:
    """The picture so far along the way, from 0 to 1."""
    return pictures[round(share * (len(pictures) - 1))] if pictures else None


def edit(
    shop: Shop,
    folder: Path,
    upload: str | None,
    weights: str,
    label: str | None,
    strength: float,
    *steps: float,
) -> Result:
    """Find a picture in a model's latent space and move it: towards or away from a class, and along unnamed ways."""
    from image.edit.__main__ import main

    named = [f"{label}={strength:+g}"] if label and strength else []
    unnamed = [f"{number}={step:+g}" for number, step in enumerate(steps, 1) if step]
    picture = take_picture(upload, folder)
    config = EditConfig(
        picture=picture,
        weights=weights,
        direction=(*named, *unnamed),
        out=folder / f"{picture.stem}_edited.png",
        device=shop.device,
    )
    with making("image.edit", config, folder):
        main(config)
    command = shown_command("image.edit", config, folder, given=(picture,))
    return Result((str(config.target),), (config.target,), command)


def morph(shop: Shop, folder: Path, upload: str | None, other: str | None, weights: str) -> Result:
    """Lead from one picture to another, there and back."""
    from image.edit.__main__ import main

    first, second = folder / "from", folder / "to"
    for place in (first, second):
        place.mkdir()
    picture, goal = take_picture(upload, first), take_picture(other, second)
    out = folder / f"{picture.stem}_morph.gif"
    config = EditConfig(picture=picture, to=goal, weights=weights, out=out, device=shop.device)
    with making("image.edit", config, second):
        main(config)
    command = shown_command("image.edit", config, second, given=(picture,))
    return Result((str(out),), (out,), command)


def colour(shop: Shop, folder: Path, upload: str | None) -> Result:
    """Give a grey picture colours."""
    picture = take_picture(upload, folder)
    return translated(shop, folder, picture, paths=(str(picture),), task="colorize")


def fill(shop: Shop, folder: Path, painted: dict[str, Any] | None) -> Result:
    """Fill what was brushed over."""
    picture, mask = folder / "picture.png", folder / "mask.png"
    background, brushed = _layers(painted)
    background.save(picture)
    brushed.point(lambda value: 255 * (value > 0)).save(mask)
    return translated(shop, folder, picture, paths=(str(picture),), task="inpaint", mask=mask)


def paint(shop: Shop, folder: Path, drawn: dict[str, Any] | None) -> Result:
    """Make a picture of a line drawing, on white."""
    from PIL import Image

    picture = folder / "drawing.png"
    if drawn is None or drawn.get("composite") is None:
        raise UserError("there is no drawing yet; draw something with dark lines")
    lines = drawn["composite"].convert("RGBA")
    white = Image.new("RGB", lines.size, WHITE)
    white.paste(lines, mask=lines.getchannel("A"))
    if white.convert("L").getextrema()[0] == WHITE[0]:
        raise UserError("the drawing is empty; draw something with dark lines")
    white.save(picture)
    return translated(shop, folder, picture, paths=(str(picture),), task="edges")


def translated(shop: Shop, folder: Path, picture: Path, **settings: Any) -> Result:
    """What `image.translate` makes of a picture, and both side by side."""
    from image.translate.__main__ import main, plan_outputs

    config = TranslateConfig(**settings, device=shop.device)
    with making("image.translate", config, folder), listening() as told:
        targets = [job.target for job in plan_outputs(config).jobs]
        main(config)
    after = preview(targets[0])
    shown = ((str(preview(picture)), str(after)),)
    command = shown_command("image.translate", config, folder, given=(picture,))
    drawn = () if config.task == "colorize" else (picture, *filter(None, [config.mask]))  # without which it is no use
    return Result(shown, (targets[0], *drawn), command, "\n".join(told).replace(f"{folder}/", ""))


def _layers(painted: dict[str, Any] | None) -> tuple[Any, Any]:
    """The picture below and how strongly it was brushed over, from 0 to 255.

    Raises:
        UserError: there is no picture, or nothing was brushed over.
    """
    from PIL import ImageChops

    if painted is None or painted.get("background") is None:
        raise UserError("there is no picture yet; upload one and brush over what is to go")
    background = painted["background"].convert("RGB")
    strength = None
    for layer in painted.get("layers") or ():
        alpha = layer.convert("RGBA").getchannel("A")
        strength = alpha if strength is None else ImageChops.lighter(strength, alpha)
    if strength is None or not strength.getbbox():
        raise UserError("nothing is brushed over; brush over what is to go")
    return background, strength
