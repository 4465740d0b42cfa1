"""`python -m image.translate`: make pictures of pictures."""

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from common.cli import run
from common.errors import UserError
from common.file_jobs import (
    FileJobs,
    Job,
    each_film,
    each_picture,
    ending_of,
    pictures_and_films,
    plan,
    reporting,
    targets,
)
from common.films.formats import VIDEOS, is_film
from common.films.parts import forget_parts
from common.pictures.formats import ENDINGS, FORMATS
from image.translate.config import SUFFIXES, TranslateConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from common.pictures.conversion import Allocate
    from common.pictures.reading import Picture


PROGRAM = "image.translate"


def main(config: TranslateConfig) -> None:
    """Make pictures of pictures; with no flags, give grey ones colours.

    photo.png becomes photo_colour.png beside it, folders keep their tree, and what is there is skipped. EXIF,
    resolution, 16 bits, transparency and animations stay, and of coloured pictures the luma, exactly. Films are given
    colours that do not flicker, and keep their sound; an interrupted one is continued by the same command. If some of
    many files fail, the others are done, and the exit code is 1.
    """
    batch = plan_outputs(config)
    for film in filter(is_film, batch.skipped):
        forget_parts(film)
    with reporting(batch, PROGRAM) as fail:
        pictures, films = pictures_and_films(batch.jobs)
        if pictures:
            translate(pictures, config, fail)
        if films:
            colour_films(films, config, fail)


def plan_outputs(config: TranslateConfig) -> FileJobs:
    """What becomes of each input.

    Raises:
        UserError: as `common.file_jobs.plan`; or --out does not fit the inputs.
    """
    suffix = SUFFIXES[config.trained_task] if config.suffix is None else config.suffix
    films, kinds = (VIDEOS, "pictures and films") if config.colours_films else ((), "pictures")
    for path in config.paths:
        if not films and is_film(Path(path)):
            raise UserError(f"{path}: films are only coloured, by weights of --core classes, with no --hints or --mask")
    written = (*FORMATS, *films)
    target = targets(config.paths, config.out, suffix, partial(ending_of, asked=config.ending), written, config.ending)
    marks = [re.escape(one) for one in (*SUFFIXES.values(), suffix)]
    return plan(config.paths, (*ENDINGS, *films), kinds, target, config.overwrite, marks)


def translate(jobs: list[Job], config: TranslateConfig, fail: Callable[[str], None]) -> None:
    """Make the pictures one by one, and tell `fail` what goes wrong."""
    # torch loads only once the command line is known to be good, and if there is something to do
    from common.pictures.conversion import convert_picture
    from common.pictures.reading import read_picture
    from common.training.devices import pick_device
    from image.translate.models import load_translation_model

    model = load_translation_model(config.source, pick_device(config.device), config.tile)
    hole = None if config.mask is None else read_mask(config.mask)
    hints = None if config.hints is None else read_picture(config.hints)

    def make(job: Job, advance: Callable[[float], Any]) -> tuple[int, int]:
        def note(line: str) -> None:
            tqdm.write(f"{PROGRAM}: {job.source}: {line}", file=sys.stderr)

        def change(picture: "Picture", allocate: "Allocate") -> "Picture":
            try:
                return model.picture(picture, hole, advance, note, hints)
            except UserError as error:
                raise UserError(f"{job.source}: {error}") from error

        return convert_picture(job.source, job.target, change, quality=config.quality)

    each_picture(jobs, make, fail)


def colour_films(jobs: list[Job], config: TranslateConfig, fail: Callable[[str], None]) -> None:
    """Give films colours one by one, each with a progress bar of its own, and tell `fail` what goes wrong."""
    from common.training.devices import pick_device
    from image.translate.films import colour_film
    from image.translate.models import load_translation_model

    model = load_translation_model(config.source, pick_device(config.device))
    each_film(jobs, lambda job: colour_film(job.source, job.target, model, config.overwrite), fail)


def read_mask(path: Path) -> "NDArray[np.bool_]":
    """A mask from a picture file: where it is lighter than mid-grey on black, (H, W).

    Raises:
        UserError: it cannot be read.
    """
    import numpy as np

    from common.pictures.reading import read_picture

    picture = read_picture(path)
    top = np.iinfo(picture.pixels.dtype).max
    light = picture.pixels[..., : 1 if picture.is_grey else 3].mean(2)
    return light * (picture.pixels[..., -1] / top if picture.has_alpha else 1.0) > top / 2


if __name__ == "__main__":
    run(main, PROGRAM)
