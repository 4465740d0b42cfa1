"""The settings of the judges' commands; nothing here imports torch."""

from dataclasses import dataclass

from common.config import RunConfig, require
from image.config import Data, Images, VocabularyConfig


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(RunConfig):
    """Settings of the classifier."""

    data: tuple[Data, ...] = ("fashion-mnist",)  # labelled data sets; several are told apart in one softmax
    width: int = 64  # channels of the first layer; the features are twice as long
    lr: float = 3e-3  # Adam's learning rate
    examples: Images = 400_000  # stop after so many training images
    batch: int = 128  # examples a step, over all processes together
    snapshot: int = 100_000  # examples between two checkpoints
    final_lr: float = 0.0  # the learning rate at the end, as a share of that at the start


@dataclass(frozen=True, kw_only=True)
class ScorerConfig(VocabularyConfig, RunConfig):
    """Settings of `python -m image.judges.scorer`."""

    data: Data = "emoji"  # a data set with descriptions
    size: int | None = None  # side of the square images in pixels; default: the data's own, or 64
    width: int = 32  # channels of the first layer
    lr: float = 1e-3  # Adam's learning rate
    examples: Images = 200_000  # stop after so many training images
    batch: int = 128  # pictures a step, over all processes together
    snapshot: int = 50_000  # pictures between two checkpoints
    final_lr: float = 0.0  # the learning rate at the end, as a share of that at the start
    seed: int = 1  # of weights, data order and noise; another than models have that it judges

    def __post_init__(self) -> None:
        super().__post_init__()
        require(4 <= self.width <= 512, "width", f"must be 4 to 512, not {self.width}")
