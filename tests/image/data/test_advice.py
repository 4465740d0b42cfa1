"""What is recommended, by how many pictures there are and how long one has."""

import math
from typing import Any

import pytest

from image.config import Core, TrainConfig
from image.data.advice import (
    GAN_PAYS,
    SIDES,
    SLOW_GAN,
    choose_core,
    choose_size,
    images_within,
    milestones,
    told_augmentation,
)
from image.networks import stages


def test_every_side_that_is_recommended_has_networks() -> None:
    assert [side for side in range(8, SIDES[-1] + 1) if _has_networks(side)] == list(SIDES)


def _has_networks(side: int) -> bool:
    try:
        return bool(stages(side))
    except Exception:
        return False


@pytest.mark.parametrize(
    ("asked", "sides", "size"),
    [
        (128, [20, 30], 128),
        (None, [28] * 5, 28),
        (None, [500] * 5, 64),
        (None, [50] * 5, 48),
        (None, [30, 500, 500], 64),
        (None, [30, 45, 500], 40),
        (None, [3, 3, 3], 8),
    ],
)
def test_the_size_is_one_that_most_pictures_fill(asked: int | None, sides: list[int], size: int) -> None:
    assert choose_size(asked, sides)[0] == size


@pytest.mark.parametrize(
    ("is_labelled", "seen", "core", "told"),
    [
        (True, 9_360, "cvae", "9,400 images"), (False, 9_360, "vae", "9,400 images"),
        (True, 1_872_000, "cgan", "1,900,000 images"), (False, math.inf, "gan", "enough"),
    ],
)  # fmt: skip
def test_a_vae_where_time_is_short(is_labelled: bool, seen: float, core: str, told: str) -> None:
    chosen, why = choose_core(is_labelled, seen, few=False)
    assert chosen == core and told in why


def test_a_vae_of_few_pictures_whatever_the_time() -> None:
    assert choose_core(False, math.inf, few=True) == ("vae", choose_core(False, 0, few=True)[1])


@pytest.mark.parametrize(
    ("limits", "is_slow", "images"),
    [
        ({}, True, math.inf),
        ({"minutes": 10.0}, True, 600 * SLOW_GAN),
        ({"minutes": 10.0}, False, math.inf),
        ({"minutes": 10.0, "examples": 1_000}, True, 1_000),
        ({"examples": 200_000}, False, 200_000),
        ({"steps": 5}, True, math.inf),
    ],
)
def test_what_a_gan_would_see_follows_from_the_limits(limits: dict[str, Any], is_slow: bool, images: float) -> None:
    assert images_within(TrainConfig(**limits), is_slow) == images


@pytest.mark.parametrize(("core", "size", "told"), [("gan", 64, True), ("gan", 28, False), ("tgan", 64, False)])
def test_a_gan_of_large_pictures_names_what_shows_something_sooner(core: Core, size: int, told: bool) -> None:
    assert ("--core vae" in milestones(core, 300, size)[0].what) == told


def test_the_border_is_what_a_gan_needs() -> None:
    assert choose_core(False, GAN_PAYS, few=False)[0] == "gan"
    assert choose_core(False, GAN_PAYS - 1, few=False)[0] == "vae"


@pytest.mark.parametrize(
    ("augment", "begins"),
    [(None, "none, as a VAE"), ((), "none, as 296 pictures"), (("translation", "colour"), "translation, colour, ")],
)
def test_why_critics_see_altered_pictures(augment: tuple[str, ...] | None, begins: str) -> None:
    assert told_augmentation(augment, 296).startswith(begins)


def test_vaes_show_something_sooner_and_many_large_pictures_take_longest() -> None:
    assert milestones("vae", 300, 64)[0].least < milestones("gan", 300, 64)[0].least
    ends = [milestones("gan", count, size)[-1].most for count, size in ((300, 64), (5_000, 28), (5_000, 64))]
    assert ends == sorted(ends)
