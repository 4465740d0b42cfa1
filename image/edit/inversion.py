"""A picture's place in a model's latent space: by an encoder, or by a search."""

from pathlib import Path

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.latents import Point
from common.cores.vae import VAE
from common.errors import UserError
from common.pictures.opening import open_image
from common.pictures.reading import naming
from common.progress import progress_bar
from image.data.decoding import fitted
from image.data.loading import at_a_time, to_model
from image.edit.config import MIN_PSNR
from image.judges.extractor import Extractor, load_extractor
from image.models import ImageModel

CANDIDATES = 1_024  # samples among which starts are sought
COARSE = 16  # side of the squares as which they are compared
RATE = 0.05  # of Adam
FEATURES, SPHERE = 0.2, 0.1  # weights of the differences in features, and from the length that latents have
SURE = 2.0  # logit of a start's class


def invert(
    model: ImageModel, images: Tensor, extractor: Extractor, steps: int = 200, starts: int = 4, seed: int = 0
) -> Point:
    """Find pictures in a model's latent space: by the encoder of a VAE, else by a search.

    The search begins at the samples that are nearest to a picture when both are small, and descends the difference in
    pixels and features by Adam (Zhu et al. 2016), while latents stay about as long as those of the prior.

    Args:
        images: uint8 (N, C, H, W).
        extractor: of features, on the model's device.
        starts: of each picture; the one that ends nearest is kept.
    """
    if isinstance(model.network, VAE):
        return _encoded(model, images)
    z, logits = _starts(model, images, starts, seed)
    z.requires_grad_()
    parameters = [z] if logits is None else [z, logits.requires_grad_()]
    wanted = repeat(to_model(images.to(model.device)), "n c h w -> (n starts) c h w", starts=starts)
    with torch.no_grad():
        features = extractor.network.features(wanted)
    adam = torch.optim.Adam(parameters, RATE)
    for step in progress_bar(range(steps), "searching", leave=False, disable=None):
        adam.param_groups[0]["lr"] = RATE * min(1, 2 * (steps - step) / steps)
        drawn = _drawn(model.network, z, logits)
        pixels = (drawn - wanted).abs().mean((1, 2, 3))
        apart = (extractor.network.features(drawn) - features).square().mean(1)
        length = (z.square().mean(1) - 1).square()
        found = torch.autograd.grad((pixels + FEATURES * apart + SPHERE * length).sum(), parameters)
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.grad = gradient
        adam.step()
    with torch.no_grad():
        error = (_drawn(model.network, z, logits) - wanted).abs().mean((1, 2, 3))
        best = rearrange(error, "(n starts) -> n starts", starts=starts).argmin(1)
        best += starts * torch.arange(len(images), device=error.device)
        return Point(z[best].cpu(), None if logits is None else _weights(logits[best]).cpu())


def find_picture(model: ImageModel, path: Path) -> tuple[Point, float]:
    """Where a picture file lies, and the PSNR of its reconstruction, dB.

    Raises:
        UserError: it cannot be read, or its reconstruction is worse than `MIN_PSNR`.
    """
    image = read_picture(path, model)
    point = invert(model, image, load_extractor(device=model.device))
    psnr = reconstruction_psnr(image, model.decode(point.z, point.labels)).item()
    require_likeness(model, path, psnr, MIN_PSNR)
    return point, psnr


def require_likeness(model: ImageModel, path: Path, psnr: float, least: float, advice: str = "") -> None:
    """Raise a UserError if a reconstruction is worse than `least`, in dB; `advice` is what else can be done."""
    if psnr < least:
        raise UserError(
            f"{path}: its reconstruction by {model.name} has a PSNR of {psnr:.1f} dB, so it is nothing that this model "
            f"draws; name other weights{advice}"
        )


def reconstruction_psnr(images: Tensor, again: Tensor) -> Tensor:
    """PSNR between uint8 pictures (N, C, H, W) and their reconstructions, dB, (N,)."""
    error = (images.double() - again.double()).square().flatten(1).mean(1)
    return 10 * torch.log10(255**2 / error.clamp(min=1e-9))


def _encoded(model: ImageModel, images: Tensor) -> Point:
    if model.classes:
        raise UserError(f"--weights {model.name} need the class of a picture to encode it; name an unconditional VAE")
    with torch.inference_mode():
        return Point(model.vae.encode(to_model(images).to(model.device), None).mean.cpu().clone(), None)


@torch.no_grad()
def _starts(model: ImageModel, images: Tensor, starts: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """Latents (N * starts, latent) and logits of classes (N * starts, classes), on the model's device."""
    z = model.latents(CANDIDATES, seed)
    labels = torch.arange(CANDIDATES) % len(model.classes) if model.classes else None
    parts = torch.arange(CANDIDATES).split(at_a_time(*images.shape[2:]))
    drawn = (model.decode(z[rows], None if labels is None else labels[rows]) for rows in parts)
    apart = torch.cdist(_coarse(images), torch.cat([_coarse(part) for part in drawn]))
    nearest = apart.topk(starts, largest=False).indices
    rows = rearrange(nearest, "n starts -> (n starts)")
    if labels is None:
        return z[rows].to(model.device), None
    return z[rows].to(model.device), SURE * F.one_hot(labels[rows], len(model.classes)).float().to(model.device)


def _coarse(images: Tensor) -> Tensor:
    """Images uint8 (N, C, H, W), made small, as vectors (N, C * 256)."""
    return F.interpolate(to_model(images), size=(COARSE, COARSE), mode="area").flatten(1)


def _drawn(network: nn.Module, z: Tensor, logits: Tensor | None) -> Tensor:
    return network(z) if logits is None else network(z, _weights(logits))


def _weights(logits: Tensor) -> Tensor:
    """Of all classes, and none of "no label"."""
    return F.pad(logits.softmax(1), (0, 1))


def read_picture(path: Path, model: ImageModel) -> Tensor:
    """A picture file as a model saw those it was trained on, uint8 (1, C, H, W).

    Raises:
        UserError: it cannot be read.
    """
    fit = (model.data or {}).get("fit", "crop")
    with naming(path), open_image(path) as image:
        pixels = fitted(image, model.config.shape, fit, grey=model.config.channels == 1)
    return torch.tensor(pixels[: model.config.channels])[None]
