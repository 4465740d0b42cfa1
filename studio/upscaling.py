"""What the tab of super-resolution makes: larger pictures, and weights beside each other."""

from pathlib import Path

from common.errors import UserError
from studio.shop import Result, Shop, listening, preview, shown_command, take_picture, without_folder
from superres.config import CompareConfig, UpscaleConfig

MOST = 4_000_000  # pixels of a picture that is made larger on the page


def upscaling_weights(shop: Shop) -> list[str]:
    """The weights that make pictures larger."""
    return shop.weights("superres", "generator")


def enlarge(
    shop: Shop, folder: Path, upload: str | None, weights: str, scale: float | None, sharpness: float | None
) -> Result:
    """Make a picture larger; 0 as scale is that of the weights, and as sharpness -1."""
    from superres.upscale import main, plan_outputs

    picture = _picture(upload, folder)
    config = UpscaleConfig(
        paths=(str(picture),),
        weights=weights,
        scale=scale or None,
        sharpness=None if sharpness is None or sharpness < 0 else sharpness,
        device=shop.device,
    )
    config.check_inputs()
    (target,) = (job.target for job in plan_outputs(config).jobs)
    with listening() as told:
        main(config)
    command = shown_command("superres.upscale", config, folder, given=(picture,))
    return Result((_side_by_side(picture, target),), (target,), command, without_folder("\n".join(told), folder))


def compare(shop: Shop, folder: Path, upload: str | None, weights: list[str]) -> Result:
    """Show the places of a picture at which weights differ most."""
    from superres.compare import main

    config = CompareConfig(
        picture=_picture(upload, folder), weights=tuple(weights), out=folder / "sheet.png", device=shop.device
    )
    config.check_inputs()
    with listening() as told:
        main(config)
    command = shown_command("superres.compare", config, folder, given=(config.picture,))
    return Result((str(config.out),), (config.out,), command, without_folder("\n".join(told), folder))


def _side_by_side(picture: Path, target: Path) -> tuple[str, str]:
    """Previews of both, equally large, so that a slider shows what the weights added."""
    from PIL import Image

    after = preview(target)
    with Image.open(after) as shown:
        return str(preview(picture, shown.size)), str(after)


def _picture(upload: str | None, folder: Path) -> Path:
    from common.pictures.reading import open_picture

    path = take_picture(upload, folder)
    with open_picture(path) as file:
        if file.pixels > MOST:
            raise UserError(f"{path.name} has {file.pixels:,} pixels, and the page enlarges {MOST:,}; use the command")
    return path
