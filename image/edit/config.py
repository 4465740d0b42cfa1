"""The settings of the commands that edit pictures through a model's latent space; nothing here imports torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from common.config import DeviceConfig, OutputConfig, require, require_seed
from common.files import require_free
from common.inputs import InputFile
from common.weights_folders import WeightsName
from image.config import ANIMATIONS, GENERATORS, PICTURES, Classifier, Data

Editable = Annotated[str, WeightsName("image", GENERATORS, words=False)]

DEFAULT_WEIGHTS = "faces-cgan"
MIN_PSNR = 17.0  # dB; worse reconstructions are of pictures that the model cannot draw


@dataclass(frozen=True, kw_only=True)
class SearchConfig(DeviceConfig):
    """How pictures are found in a model's latent space."""

    weights: Editable = DEFAULT_WEIGHTS  # a bundled name, a folder (weights or a run) or a Hub id
    steps: int = 200  # of the search for a picture in a GAN's latent space
    starts: int = 4  # places at which it begins; the best end counts
    seed: int = 0  # of the starts, and of the choice of held-out pictures

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.steps <= 100_000, "steps", f"must be 1 to 100000, not {self.steps}")
        require(1 <= self.starts <= 64, "starts", f"must be 1 to 64, not {self.starts}")
        require_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class EditConfig(SearchConfig, OutputConfig):
    """Settings of `python -m image.edit`."""

    picture: Positional[Annotated[InputFile, arg(metavar="PICTURE")]]  # what is edited; its middle, if of another shape
    direction: tuple[str, ...] = ()  # class=+2 (from -2, away from it, to +2, all of it), or 1=-3 for the first unnamed
    to: InputFile | None = None  # another picture, to which a way leads
    out: Path | None = None  # .png, .jpg, .webp: a sheet; .gif, .mp4: an animation; default: beside the picture
    overwrite: bool = False  # write anew what is there
    least: float = MIN_PSNR  # dB of PSNR that the reconstruction must reach

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not (self.direction and self.to), "to", "and --direction exclude each other; name one")
        endings = (*ANIMATIONS, *PICTURES)
        is_known = self.out is None or self.out.suffix.lower() in endings
        require(is_known, "out", f"{self.out} must end in {', '.join(endings)}")

    def check_inputs(self) -> None:
        super().check_inputs()
        require_free(self.target, self.overwrite)

    @property
    def source(self) -> str:
        return self.weights

    @property
    def is_composite(self) -> bool:
        return True

    @property
    def target(self) -> Path:
        """--out, or a file beside the picture."""
        return self.out or self.picture.with_name(f"{self.picture.stem}_{'morph.gif' if self.to else 'edited.png'}")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SearchConfig):
    """Settings of `python -m image.edit.evaluate`."""

    data: Data  # a labelled data set; its held-out pictures are edited
    classifier: Classifier | None = None  # the judge of labels, trained apart; default: the bundled <data>-classifier
    n: int = 100  # held-out pictures
    out: Path | None = None  # default: <run>/evaluation, or runs/evaluation-<weights>

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 4, "n", f"must be 4 or more, not {self.n}")
