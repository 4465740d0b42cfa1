"""What to train on a data set, by what users and the bundled weights have shown. Nothing here imports torch."""

import math
from collections.abc import Sequence

from common.training.forecast import Milestone
from image.config import VAES, Core, Size, TrainConfig

SIDES = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)  # of which networks are, up to the largest that was tried
SMALL = 32  # pixels; the side up to which pictures count as small
FEW = 1_000  # training pictures below which a GAN needs to see fewer images, for want of more to learn

# Training images. Of GANs nothing is to be seen before 30,000, and at 45,000 of 330 drawings there were blobs.
# Small pictures: from digits-cgan (200,000) to fashion-cgan (450,000). Others: what users found.
GAN_FIRST, GAN_PAYS = 30_000, 100_000
SLOW_GAN = 25  # images a second that one of 64 x 64 pixels sees on one core or two
GAN_CLEAR_SMALL, GAN_CLEAR_FEW, GAN_CLEAR = (200_000, 450_000), (200_000, 400_000), (1_000_000, 2_000_000)
# VAEs of the same 330 drawings could be read after 3 minutes, and shapes strewn over 330 pictures were blurred spots
# after 28,000, drawn by the mixture (by the prior still clouds); fashion-vae was trained on 300,000. Of large pictures
# they learn by trained features: such shapes were sharp after 6,000 to 9,000, and dogs soft dogs after 20,000.
VAE_FIRST, VAE_FIRST_LARGE, VAE_DONE = (20_000, 30_000), (6_000, 20_000), (100_000, 300_000)


def milestones(core: Core, training: int, size: int, joins: int = 0) -> list[Milestone]:
    """What is to be seen of a run, and after how many training images.

    Args:
        core: of the run.
        training: pictures to train on.
        size: their longer side in pixels.
        joins: after how many of them critics join a VAE; 0: from the start, or none does.
    """
    if core in VAES:
        shapes = VAE_FIRST if size <= SMALL else VAE_FIRST_LARGE
        joining = [Milestone("critics, who sharpen them at half the pace,", joins, joins)] if joins else []
        return [Milestone("blurred shapes", *shapes), *joining, Milestone("as clear as it gets", *VAE_DONE)]
    clear = GAN_CLEAR_SMALL if size <= SMALL else GAN_CLEAR_FEW if training < FEW else GAN_CLEAR
    first = "first shapes" if size <= SMALL or core == "tgan" else "first shapes (by --core vae sooner)"
    return [Milestone(first, GAN_FIRST, GAN_FIRST), Milestone("clear pictures", *clear)]


def choose_size(asked: Size | None, sides: Sequence[int]) -> tuple[Size, str]:
    """The size to train at, and why.

    Args:
        asked: by the user, or None.
        sides: the shorter side of each picture, in pixels.
    """
    if asked is not None:
        return asked, "as asked"
    middle = sorted(sides)[(len(sides) - 1) // 2]
    size = max((side for side in SIDES if side <= middle), default=SIDES[0])
    if size == middle:
        return size, "the pictures' own"
    if size == SIDES[-1]:
        return size, "larger ones have not been tried, and twice the side takes four times as long"
    return size, "the largest to which half of the pictures need not be enlarged"


def choose_core(is_labelled: bool, seen: float, few: bool) -> tuple[Core, str]:
    """A GAN, or a VAE of few pictures or where time is short; and why.

    Args:
        seen: training images that a GAN would see.
        few: whether a VAE without classes would draw near each training picture.
    """
    if few:
        return "vae", "of so few pictures a GAN draws some again and again, and a VAE draws near each"
    if seen >= GAN_PAYS:
        enough = "a GAN sees" + (f" some {_rounded(seen):,} images" if math.isfinite(seen) else " enough")
        return "cgan" if is_labelled else "gan", f"{enough} in that time, to be sharper than a VAE"
    short = f"a GAN would see some {_rounded(seen):,} images in that time and hardly show more than blobs"
    return "cvae" if is_labelled else "vae", f"{short}; a VAE's pictures are blurred, but sooner there"


def images_within(config: TrainConfig, is_slow: bool) -> float:
    """Training images that a GAN of large pictures would see within the limits of a run, where nothing was timed.

    Args:
        is_slow: whether it would be trained on a CPU.
    """
    limits = [config.examples, config.minutes and 60 * config.minutes * (SLOW_GAN if is_slow else math.inf)]
    return min((limit for limit in limits if limit is not None), default=math.inf)


def told_augmentation(augment: Sequence[str] | None, training: int) -> str:
    """What is done to the pictures that a GAN's critics see, None where there are none; and why."""
    if augment is None:
        return "none, as a VAE has no critic that could learn the pictures by heart"
    if not augment:
        return f"none, as {training:,} pictures are too many to be learned by heart"
    return f"{', '.join(augment)}, without a flag: a critic could learn {training:,} pictures by heart"


def told_mirror(mirror: bool | None) -> str:
    """Whether mirror images are learned from, too."""
    if mirror:
        return (
            "without a flag, mirror images are learned from too; --mirror False where left is not right, as in writing"
        )
    return "no mirror images, as these pictures would mean something else"


def _rounded(count: float) -> int:
    """A count of which only two digits are known."""
    return int(float(f"{count:.1e}"))
