"""`python -m image.edit`: edit a picture of one's own through a model's latent space."""

from common.cli import run
from image.config import ANIMATIONS
from image.edit.config import EditConfig

PROGRAM = "image.edit"


def main(config: EditConfig) -> None:
    """Edit a picture of one's own: smile=+2 along a direction, or --to another picture.

    The picture is first found in the model's latent space, and how well is said; a sheet shows it, its reconstruction
    and five steps along each direction (for a GAN's unnamed ones too: 1=+3), a .gif or .mp4 the way there and back.
    """
    import torch  # only once the command line is known to be good

    from common.pictures.sheets import grid, save_animation, save_picture
    from common.training.devices import pick_device
    from image.edit.directions import parse_direction
    from image.edit.generation import edits, morph
    from image.edit.inversion import invert, read_picture, reconstruction_psnr, require_likeness
    from image.judges.extractor import load_extractor
    from image.models import load_image_model
    from image.sheets import draw_sheet

    device = pick_device(config.device)
    model = load_image_model(config.weights, device)
    directions = [parse_direction(model, text) for text in config.direction]
    paths = [config.picture] if config.to is None else [config.picture, config.to]
    images = torch.cat([read_picture(path, model) for path in paths])
    point = invert(model, images, load_extractor(device=device), config.steps, config.starts, config.seed)
    again = model.decode(point.z, point.labels)
    for path, psnr in zip(paths, reconstruction_psnr(images, again).tolist(), strict=True):
        require_likeness(model, path, psnr, config.least, f", or a --least below {config.least:g}")
        print(f"{path}: found by {model.name} with a PSNR of {psnr:.1f} dB")
    if config.to is not None:
        rows, frames = morph(model, images, point)
    else:
        rows, frames = edits(model, images, again, point, directions)
    if config.target.suffix.lower() in ANIMATIONS:
        save_animation([grid(frame) for frame in frames], config.target, 12)
    else:
        save_picture(draw_sheet(rows), config.target)
    print(f"wrote {config.target}")


if __name__ == "__main__":
    run(main, PROGRAM)
