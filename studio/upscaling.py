"""What the tab of super-resolution makes: larger pictures and films, and weights beside each other."""

from pathlib import Path
from typing import Any

from common.errors import UserError
from studio.shop import Result, Shop, listening, making, preview, shown_command, take, take_picture, without_folder
from superres.config import CompareConfig, UpscaleConfig

MOST = 4_000_000  # pixels of a picture that is made larger on the page
MOST_OF_FILM = 100_000_000  # pixels of all frames of a film: some 18 seconds of 640 x 360


def upscaling_weights(shop: Shop) -> list[str]:
    """The weights that make pictures larger."""
    return shop.weights("superres", "generator")


def enlarge(
    shop: Shop, folder: Path, upload: str | None, weights: str, scale: float | None, sharpness: float | None
) -> Result:
    """Make a picture larger; 0 as scale is that of the weights, and as sharpness -1."""
    picture = _picture(upload, folder)
    target, *rest = _upscaled(shop, folder, picture, weights, scale, sharpness)
    return Result((_side_by_side(picture, target),), (target,), *rest)


def enlarge_film(
    shop: Shop, folder: Path, upload: str | None, weights: str, scale: float | None, sharpness: float | None
) -> Result:
    """Make a short film larger; what is 0 and -1 is as of `enlarge`."""
    target, *rest = _upscaled(shop, folder, _film(upload, folder), weights, scale, sharpness)
    return Result((str(target),), (target,), *rest)


def estimate(
    shop: Shop, folder: Path, upload: str | None, weights: str, scale: float | None, sharpness: float | None
) -> str:
    """How long `enlarge` or `enlarge_film` will take, and how much room."""
    from common.films.formats import is_film
    from superres.estimates import estimate, measured_picture
    from superres.models import load_superres_model
    from superres.upscale import plan_outputs
    from superres.upscaling import TiledUpscaler
    from superres.video.estimates import measured_film

    path = take(upload, folder, "picture or film")
    given = _film(upload, folder) if is_film(path) else _picture(upload, folder)
    config = _config(shop, given, weights, scale, sharpness)
    config.check_inputs()
    model = shop.model(load_superres_model, config.source)
    films = is_film(given)
    measure = measured_film(config.codec, config.crf) if films else measured_picture(config.quality)
    upscaler = TiledUpscaler(model, config.scale, config.tile)
    return estimate(plan_outputs(config).jobs, lambda _: upscaler, measure, "film" if films else "picture")


def compare(
    shop: Shop, folder: Path, upload: str | None, weights: list[str], across: float, down: float, side: float
) -> Result:
    """Show a square of a picture as several weights make it, or, for 0 as its side, where they differ most.

    Args:
        across, down: where the middle of the square is, in per cent of the picture.
        side: of the square, in pixels.
    """
    from superres.compare import main

    picture = _square(take_picture(upload, folder), across, down, int(side)) if side else _picture(upload, folder)
    more: dict[str, Any] = {"side": int(side), "crops": 1} if side else {}
    config = CompareConfig(
        picture=picture, weights=tuple(weights), out=folder / "sheet.png", device=shop.device, **more
    )
    with making("superres.compare", config, folder), listening() as told:
        main(config)
    command = shown_command("superres.compare", config, folder, given=(config.picture,))
    files = (config.out, *([picture] if side else []))  # a square is no file that one has
    return Result((str(config.out),), files, command, without_folder("\n".join(told), folder))


def _upscaled(
    shop: Shop, folder: Path, given: Path, weights: str, scale: float | None, sharpness: float | None
) -> tuple[Path, str, str]:
    """What became of a picture or film, the command, and what it said."""
    from superres.upscale import main, plan_outputs

    config = _config(shop, given, weights, scale, sharpness)
    with making("superres.upscale", config, folder), listening() as told:
        (target,) = (job.target for job in plan_outputs(config).jobs)
        main(config)
    command = shown_command("superres.upscale", config, folder, given=(given,))
    return target, command, without_folder("\n".join(told), folder)


def _config(shop: Shop, given: Path, weights: str, scale: float | None, sharpness: float | None) -> UpscaleConfig:
    return UpscaleConfig(
        paths=(str(given),),
        weights=weights,
        scale=scale or None,
        sharpness=None if sharpness is None or sharpness < 0 else sharpness,
        device=shop.device,
    )


def _side_by_side(picture: Path, target: Path) -> tuple[str, str]:
    """Previews of both, equally large, so that a slider shows what the weights added."""
    from PIL import Image

    after = preview(target)
    with Image.open(after) as shown:
        return str(preview(picture, shown.size)), str(after)


def _square(picture: Path, across: float, down: float, side: int) -> Path:
    """A square of a picture, beside it; at its borders, as much of it as there is room for."""
    from PIL import Image

    from common.data.folders import File
    from common.pictures.photos import decode

    pixels = decode(File(picture))
    side = min(side, *pixels.shape[:2])
    top, left = (
        round(min(max(share / 100 * length - side / 2, 0), length - side))
        for share, length in zip((down, across), pixels.shape[:2], strict=True)
    )
    target = picture.with_name(f"{picture.stem}-{left}-{top}.png")
    Image.fromarray(pixels[top : top + side, left : left + side]).save(target)
    return target


def _picture(upload: str | None, folder: Path) -> Path:
    from common.pictures.reading import open_picture

    path = take_picture(upload, folder)
    with open_picture(path) as file:
        if file.pixels > MOST:
            raise UserError(f"{path.name} has {file.pixels:,} pixels, and the page enlarges {MOST:,}; use the command")
    return path


def _film(upload: str | None, folder: Path) -> Path:
    from common.films.formats import is_film
    from common.films.reading import survey

    path = take(upload, folder, "film")
    if not is_film(path):
        raise UserError(f"{path.name} is no film; pictures have a tab of their own")
    film = survey(path)
    if (pixels := film.frames * film.height * film.width) > MOST_OF_FILM:
        most = f"the page enlarges {MOST_OF_FILM:,}; use the command"
        raise UserError(f"{path.name} has {pixels:,} pixels in its {film.frames:,} frames, and {most}")
    return path
