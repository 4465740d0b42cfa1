"""Pictures of one's own in a model's latent space: found there, moved along directions, and led to each other.

model, extractor = load_image_model("faces-cgan"), load_extractor()
point = invert(model, pictures, extractor)                      # uint8 (N, C, side, side)
smiling = moved(point, parse_direction(model, "smile=+2"))
pictures = model.decode(smiling.z, smiling.labels)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from common.cores.latents import slerp
from common.cores.vae import VAE
from common.errors import UserError
from common.pictures.reading import READ, naming
from image.data import square, to_model
from image.features import Extractor
from image.models import ImageModel

CANDIDATES = 1_024  # samples among which starts are sought
COARSE = 16  # side at which they are compared
RATE = 0.05  # of Adam
FEATURES, SPHERE = 0.2, 0.1  # weights of the differences in features, and from the length that latents have
SURE = 2.0  # logit of a start's class
MOST = 2.0  # how far class directions go
UNNAMED = 10  # directions without a name
STEPS, FRAMES = 5, 24  # pictures on a row of a sheet between the ends, and of an animation one way


@dataclass(frozen=True)
class Point:
    """Where N pictures lie.

    Attributes:
        z: latents, (N, latent).
        labels: weights of all classes and of "no label", (N, classes + 1), or None for models without classes.
    """

    z: Tensor
    labels: Tensor | None

    def __getitem__(self, rows: Tensor | slice) -> "Point":
        return Point(self.z[rows], None if self.labels is None else self.labels[rows])


@dataclass(frozen=True)
class Direction:
    """A way to go: to or from a class, or along an unnamed one.

    Attributes:
        name: as it was asked for.
        label: the class; None for unnamed ones.
        vector: of unit length, (latent,), for unnamed ones.
        distance: how far; of classes -2 to 2.
    """

    name: str
    label: int | None
    vector: Tensor | None
    distance: float


def invert(
    model: ImageModel, images: Tensor, extractor: Extractor, steps: int = 200, starts: int = 4, seed: int = 0
) -> Point:
    """Find pictures in a model's latent space: by the encoder of a VAE, else by a search.

    The search begins at the samples that are nearest to a picture when both are small, and descends the difference in
    pixels and features by Adam (Zhu et al. 2016), while latents stay about as long as those of the prior.

    Args:
        images: uint8 (N, C, side, side).
        extractor: of features, on the model's device.
        starts: of each picture; the one that ends nearest is kept.
    """
    if isinstance(model.network, VAE):
        return _encoded(model, images)
    z, logits = _starts(model, images, starts, seed)
    z.requires_grad_()
    parameters = [z] if logits is None else [z, logits.requires_grad_()]
    wanted = to_model(images.to(model.device)).repeat_interleave(starts, 0)
    with torch.no_grad():
        features = extractor.network.features(wanted)
    adam = torch.optim.Adam(parameters, RATE)
    for step in tqdm(range(steps), "searching", leave=False, disable=None):
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
        best = error.view(-1, starts).argmin(1) + starts * torch.arange(len(images), device=error.device)
        return Point(z[best].cpu(), None if logits is None else _weights(logits[best]).cpu())


def parse_direction(model: ImageModel, text: str) -> Direction:
    """What NAME=DISTANCE says.

    Raises:
        UserError: it says nothing, or the model has no such direction.
    """
    name, equals, number = text.partition("=")
    try:
        distance = float(number)
    except ValueError:
        distance = float("nan")
    if not equals or not abs(distance) < float("inf"):
        raise UserError(f"--direction {text}: write a name, = and a number, such as {_example(model)}")
    lowered = [known.lower() for known in model.classes]
    if name.lower() in lowered:
        if abs(distance) > MOST:
            raise UserError(f"--direction {text}: classes are reached at 2 and left behind at -2; choose in between")
        return Direction(text, lowered.index(name.lower()), None, distance)
    vectors = unnamed_directions(model)
    if name.isdecimal() and 1 <= int(name) <= len(vectors):
        return Direction(text, None, vectors[int(name) - 1], distance)
    known = ", ".join([*model.classes, f"1 to {len(vectors)}"])
    raise UserError(f"--direction {text}: unknown to {model.name}; there are {known}")


def moved(point: Point, direction: Direction, share: float = 1.0) -> Point:
    """Go a share of the way along a direction.

    To a class, labels move on the straight line to it, which at a distance of 2 they reach; away from it, to all
    others alike.
    """
    distance = share * direction.distance
    if direction.label is None:
        assert direction.vector is not None
        return Point(point.z + distance * direction.vector, point.labels)
    assert point.labels is not None
    goal = F.one_hot(torch.tensor(direction.label), point.labels.shape[1]).to(point.labels)
    if distance < 0:
        goal = 1 - goal
        goal[-1] = 0  # "no label" is no class
        goal = goal / goal.sum()
    return Point(point.z, point.labels.lerp(goal.expand_as(point.labels), abs(distance) / MOST))


def between(start: Point, end: Point, share: float) -> Point:
    """A point on the way from one to another: latents on a great circle, labels on a line."""
    if start.labels is None or end.labels is None:
        return Point(slerp(start.z, end.z, share), None)
    return Point(slerp(start.z, end.z, share), start.labels.lerp(end.labels, share))


Rows = list[tuple[str, Tensor]]


def edits(
    model: ImageModel, images: Tensor, again: Tensor, point: Point, directions: Sequence[Direction]
) -> tuple[Rows, list[Tensor]]:
    """A picture moved along each direction, and along all of them together if there are several.

    Args:
        images, again: the picture and its reconstruction, (1, C, side, side).

    Returns:
        Rows of a sheet: the picture, its reconstruction and steps along a direction; and frames, there and back.
    """
    if not directions:
        return [("", torch.cat([images, again]))], [images, again]
    ways = [(direction.name, [direction]) for direction in directions]
    if len(directions) > 1:
        ways.append(("all", list(directions)))

    def at(way: Sequence[Direction], share: float) -> Tensor:
        end = point
        for direction in way:
            end = moved(end, direction, share)
        return model.decode(end.z, end.labels)

    shares = [step / STEPS for step in range(1, STEPS + 1)]
    rows = [(name, torch.cat([images, again, *(at(way, share) for share in shares)])) for name, way in ways]
    frames = [at(ways[-1][1], share) for share in torch.linspace(0, 1, FRAMES).tolist()]
    return rows, frames + frames[-2:0:-1]


def morph(model: ImageModel, images: Tensor, point: Point) -> tuple[Rows, list[Tensor]]:
    """From one picture to another: a row of a sheet, and frames, there and back.

    Args:
        images: both pictures, (2, C, side, side).
    """

    def at(share: float) -> Tensor:
        place = between(point[:1], point[1:], share)
        return model.decode(place.z, place.labels)

    ends = torch.cat([images[:1], *(at(step / (STEPS + 1)) for step in range(STEPS + 2)), images[1:]])
    frames = [at(share) for share in torch.linspace(0, 1, FRAMES).tolist()]
    return [("", ends)], frames + frames[-2:0:-1]


@torch.no_grad()
def unnamed_directions(model: ImageModel, count: int = UNNAMED) -> Tensor:
    """Those along which the first layers change most, of unit length, (count, latent).

    The singular vectors of these layers' weights (Shen & Zhou 2021: closed-form factorisation).
    """
    network = model.network.decoder if isinstance(model.network, VAE) else model.network
    trunk = getattr(network, "trunk", None)
    if trunk is None:
        raise UserError(f"--direction: {model.name} has no layers that could be factorised; name a residual network")
    latent = model.config.latent
    weights = [layer.weight[:, :latent] / layer.weight[:, :latent].norm() for layer in (trunk.style[0], trunk.project)]
    return factorised(torch.cat(weights).float().cpu(), count)


def factorised(weight: Tensor, count: int) -> Tensor:
    """The right singular vectors of a matrix (M, D), of which each has a positive largest entry, (count, D)."""
    vectors = torch.linalg.svd(weight, full_matrices=False).Vh[:count]
    signs = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    return vectors * signs


def reconstruction_psnr(images: Tensor, again: Tensor) -> Tensor:
    """Of uint8 pictures (N, C, H, W) and their reconstructions, dB, (N,)."""
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
    small, candidates = (
        F.interpolate(to_model(side), size=(COARSE, COARSE), mode="area").flatten(1)
        for side in (images, model.decode(z, labels))
    )
    rows = torch.cdist(small, candidates).topk(starts, largest=False).indices.flatten()
    if labels is None:
        return z[rows].to(model.device), None
    return z[rows].to(model.device), SURE * F.one_hot(labels[rows], len(model.classes)).float().to(model.device)


def _drawn(network: nn.Module, z: Tensor, logits: Tensor | None) -> Tensor:
    return network(z) if logits is None else network(z, _weights(logits))


def _weights(logits: Tensor) -> Tensor:
    """Of all classes, and none of "no label"."""
    return F.pad(logits.softmax(1), (0, 1))


def _example(model: ImageModel) -> str:
    return f"{model.classes[-1]}=+2" if model.classes else "1=+3"


def read_square(path: Path, model: ImageModel) -> Tensor:
    """A picture file as a model saw those it was trained on, uint8 (1, C, side, side).

    Raises:
        UserError: it cannot be read.
    """
    fit = (model.data or {}).get("fit", "crop")
    with naming(path), Image.open(path, formats=READ) as image:
        pixels = square(image, model.config.side, fit, grey=model.config.channels == 1)
    return torch.tensor(pixels[: model.config.channels])[None]
