"""Directions in latent space: towards a class, to another picture, and unnamed ones."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from common.cores.latents import Point, slerp
from common.cores.vae import VAE
from common.errors import UserError
from image.models import ImageModel

MAX_DISTANCE = 2.0  # how far class directions go
UNNAMED = 10  # directions without a name


@dataclass(frozen=True)
class Direction:
    """A way to go: to or from a class, or along an unnamed one.

    Attributes:
        name: as it was asked for.
        label: the class; None for unnamed ones.
        vector: one step, (latent,), for unnamed ones.
        distance: how far; of classes -2 to 2.
    """

    name: str
    label: int | None
    vector: Tensor | None
    distance: float


def parse_direction(model: ImageModel, text: str) -> Direction:
    """The direction that NAME=DISTANCE says.

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
        if abs(distance) > MAX_DISTANCE:
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
    return Point(point.z, point.labels.lerp(goal.expand_as(point.labels), abs(distance) / MAX_DISTANCE))


def between(start: Point, end: Point, share: float) -> Point:
    """A point on the way from one to another: latents on a great circle, labels on a line."""
    if start.labels is None or end.labels is None:
        return Point(slerp(start.z, end.z, share), None)
    return Point(slerp(start.z, end.z, share), start.labels.lerp(end.labels, share))


@torch.no_grad()
def unnamed_directions(model: ImageModel, count: int = UNNAMED) -> Tensor:
    """One step along each of those on which the first layers change most, (count, latent).

    The singular vectors of these layers' weights (Shen & Zhou 2021: closed-form factorisation). A step changes these
    layers as much as a standard deviation of the latents does along a direction of average effect; a step of unit
    length would be a standard deviation too, but along the first ones two or three times as much of a change, so that
    +3 would lead out of all that was trained.
    """
    network = model.network.decoder if isinstance(model.network, VAE) else model.network
    trunk = getattr(network, "trunk", None)
    if trunk is None:
        raise UserError(f"--direction: {model.name} has no layers that could be factorised; name a residual network")
    latent = model.config.latent
    weights = [layer.weight[:, :latent] / layer.weight[:, :latent].norm() for layer in (trunk.style[0], trunk.project)]
    return factorised(torch.cat(weights).float().cpu(), count)


def factorised(weight: Tensor, count: int) -> Tensor:
    """The right singular vectors of a matrix (M, D), of which each has a positive largest entry, (count, D).

    Their lengths are such that the matrix makes vectors of one length of all: the root mean square of what it makes of
    vectors of unit length.
    """
    _, stretch, vectors = torch.linalg.svd(weight, full_matrices=False)
    vectors, stretch = vectors[:count], stretch[:count, None]
    signs = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    return vectors * signs * (weight.norm() / weight.shape[1] ** 0.5 / stretch)


def _example(model: ImageModel) -> str:
    return f"{model.classes[-1]}=+2" if model.classes else "1=+3"
