"""`python -m superres.upscale`: make pictures and videos larger."""

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from common.processes import rank
from superres.config import UpscaleConfig

if TYPE_CHECKING:
    from common.pictures.conversion import Allocate
    from common.pictures.reading import Picture
    from superres.models import SuperResModel
    from superres.upscaling import TiledUpscaler

PROGRAM = "superres.upscale"
# Of outputs, a pattern, unless --suffix names another
SUFFIXES = r"_(x\d+(\.\d+)?|[whl]\d+|\d+(\.\d+)?mp)(_preview-[^/]+)?"
NOT_LOCAL = "looks too far for exact tiles; they overlap by {} pixels, and where they meet may depend on --tile"


def main(config: UpscaleConfig) -> None:
    """Make pictures and videos larger: sharper than by resizing, and true to the original.

    img.png becomes img_x4.png beside it, folders keep their tree, and what is there is skipped. Colour profiles, EXIF,
    resolution, transparency, 16 bits and animations stay; sound and subtitles of videos do too. An interrupted video is
    continued by the same command. If some of many files fail, the others are done, and the exit code is 1.
    """
    for one in config.each:
        batch = plan_outputs(one)
        for film in filter(is_film, batch.skipped):
            forget_parts(film)
        with reporting(batch, PROGRAM) as fail:
            if batch.jobs:
                upscale(batch.jobs, one, fail)


def plan_outputs(config: UpscaleConfig) -> FileJobs:
    """What becomes of each input.

    Raises:
        UserError: as `common.file_jobs.plan`; or --out does not fit the inputs.
    """
    target = targets(
        config.paths, config.out, config.mark, lambda path: _ending(path, config), (*FORMATS, *VIDEOS), config.ending
    )
    marks = (SUFFIXES, re.escape(config.mark))
    endings, kinds = (VIDEOS, "videos") if config.preview else ((*ENDINGS, *VIDEOS), "pictures and videos")
    batch = plan(config.paths, endings, kinds, target, config.overwrite, marks)
    return _with_sizes(batch, config) if config.is_sized else batch


def upscale(jobs: list[Job], config: UpscaleConfig, fail: Callable[[str], None]) -> None:
    """Upscale pictures, then videos, and tell `fail` what goes wrong."""
    # torch loads only once the command line is known to be good, and if there is something to do
    from common.pictures.conversion import convert_picture
    from common.training.devices import pick_device
    from superres.models import load_superres_model
    from superres.upscaling import TiledUpscaler

    @cache
    def model(source: str) -> "SuperResModel":
        device = pick_device(config.device)
        loaded = load_superres_model(source, device, config.sharpness, config.denoise, config.ensemble)
        if not loaded.reach.is_local:
            print(f"{PROGRAM}: {source}: {NOT_LOCAL.format(loaded.reach.radius)}", file=sys.stderr)
        return loaded

    def upscaler(path: Path) -> "TiledUpscaler":
        scale = _scale(path, config)
        return TiledUpscaler(model(config.source_for(scale)), scale, config.tile)

    if not config.is_sized:
        upscaler(jobs[0].source)  # refuses what would be refused of each

    def make(job: Job, advance: Callable[[float], Any]) -> tuple[int, int]:
        suited = upscaler(job.source)

        def change(picture: "Picture", allocate: "Allocate") -> "Picture":
            return replace(picture, pixels=suited.upscale(picture.pixels, allocate, advance))

        return convert_picture(job.source, job.target, change, suited.size, config.quality)

    pictures, films = pictures_and_films(jobs)
    if (len(jobs) > 1 or films) and config.preview is None and rank() == 0:
        say_estimates(pictures, films, upscaler, config)
    each_picture(pictures, make, fail)
    each_film(films, lambda job: upscale_film(job, upscaler(job.source), config), fail)


def say_estimates(
    pictures: list[Job], films: list[Job], upscaler: Callable[[Path], "TiledUpscaler"], config: UpscaleConfig
) -> None:
    """Print what pictures and films will take, before the work begins."""
    from superres.estimates import estimate, measured_picture

    lines = [estimate(pictures, upscaler, measured_picture(config.quality), "picture")]
    if films:
        from superres.video.estimates import measured_film

        lines.append(estimate(films, upscaler, measured_film(config.codec, config.crf), "film"))
    for line in filter(None, lines):
        print(line, flush=True)


def upscale_film(job: Job, upscaler: "TiledUpscaler", config: UpscaleConfig) -> None:
    """Upscale a film, or scenes of it.

    Raises:
        UserError: as of `superres.video.upscaling.upscale_video`.
    """
    if config.preview is not None:
        from superres.video.preview import write_preview

        write_preview(job.source, job.target, upscaler, config.preview, config.codec, config.crf, config.deflicker)
        return
    from superres.video.upscaling import upscale_video

    upscale_video(
        job.source,
        job.target,
        upscaler.model,
        scale=upscaler.scale,
        tile=config.tile,
        codec=config.codec,
        crf=config.crf,
        overwrite=config.overwrite,
        drop=config.drop,
        deflicker=config.deflicker,
        made_with={"weights": config.source_for(upscaler.scale), "sharpness": config.sharpness}
        # Films that were begun before there were these go on.
        | ({} if config.denoise is None else {"denoise": config.denoise})
        | ({"ensemble": True} if config.ensemble else {}),
    )


def _with_sizes(batch: FileJobs, config: UpscaleConfig) -> FileJobs:
    """The batch without the jobs whose result cannot have the size that is asked for, and with these problems."""
    jobs, problems = [], list(batch.problems)
    for job in batch.jobs:
        try:
            _scale(job.source, config)
        except UserError as error:
            problems.append(str(error))
        else:
            jobs.append(job)
    return replace(batch, jobs=jobs, problems=problems)


def _scale(path: Path, config: UpscaleConfig) -> float | None:
    """By how much a file's pictures become larger, along each side; None: as the weights have it.

    Raises:
        UserError: it cannot be read, or cannot have the size that is asked for.
    """
    if not config.is_sized:
        return config.scale
    size = _size(path)
    try:
        return config.scale_for(*size)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _size(path: Path) -> tuple[int, int]:
    """Height and width of a picture or film as it is shown.

    Raises:
        UserError: it cannot be read.
    """
    if is_film(path):
        from common.films.reading import shown_size

        return shown_size(path)
    from common.pictures.reading import open_picture

    with open_picture(path) as file:
        return file.size


def _ending(path: Path, config: UpscaleConfig) -> str:
    """Of what becomes of a file."""
    if config.preview is None:
        return ending_of(path, config.ending)
    from superres.video.preview import ENDING

    return ENDING


if __name__ == "__main__":
    run(main, PROGRAM)
