"""`python -m superres.upscale`: make pictures and videos larger."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import run
from common.errors import UserError
from common.file_jobs import FileJobs, Job, each_picture, plan, reporting, targets
from common.pictures.formats import ENDINGS, FORMATS
from superres.config import UpscaleConfig

if TYPE_CHECKING:
    from common.pictures.conversion import Allocate
    from common.pictures.reading import Picture
    from superres.upscaling import TiledUpscaler

PROGRAM = "superres.upscale"
SUFFIXES = r"_x\d+(\.\d+)?"  # a pattern of those that outputs have unless --suffix names another
VIDEOS = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".vob", ".webm", ".wmv"),
)


def main(config: UpscaleConfig) -> None:
    """Make pictures and videos larger: sharper than by resizing, and true to the original.

    img.png becomes img_x4.png beside it, folders keep their tree, and what is there is skipped. Colour profiles, EXIF,
    resolution, transparency, 16 bits and animations stay; sound and subtitles of videos do too. An interrupted video is
    continued by the same command. If some of many files fail, the others are done, and the exit code is 1.
    """
    batch = plan_outputs(config)
    with reporting(batch, PROGRAM) as fail:
        if batch.jobs:
            upscale(batch.jobs, config, fail)


def plan_outputs(config: UpscaleConfig) -> FileJobs:
    """What becomes of each input.

    Raises:
        UserError: as `common.file_jobs.plan`; or --out does not fit the inputs.
    """
    suffix = f"_x{config.factor:g}" if config.suffix is None else config.suffix
    target = targets(
        config.paths, config.out, suffix, lambda path: _ending(path, config), (*FORMATS, *VIDEOS), config.ending
    )
    marks = (SUFFIXES, re.escape(suffix))
    return plan(config.paths, (*ENDINGS, *VIDEOS), "pictures and videos", target, config.overwrite, marks)


def upscale(jobs: list[Job], config: UpscaleConfig, fail: Callable[[str], None]) -> None:
    """Upscale pictures, then videos, and tell `fail` what goes wrong."""
    # torch loads only once the command line is known to be good, and if there is something to do
    from common.pictures.conversion import convert_picture
    from common.training.devices import pick_device
    from superres.models import load_superres_model
    from superres.upscaling import TiledUpscaler

    model = load_superres_model(config.source, pick_device(config.device), config.sharpness)
    upscaler = TiledUpscaler(model, config.scale, config.tile)

    def make(job: Job, advance: Callable[[float], Any]) -> tuple[int, int]:
        def change(picture: "Picture", allocate: "Allocate") -> "Picture":
            return replace(picture, pixels=upscaler.upscale(picture.pixels, allocate, advance))

        return convert_picture(job.source, job.target, change, upscaler.size, config.quality)

    each_picture([job for job in jobs if not _is_video(job.source)], make, fail)
    upscale_videos([job for job in jobs if _is_video(job.source)], upscaler, config, fail)


def upscale_videos(
    jobs: list[Job], upscaler: "TiledUpscaler", config: UpscaleConfig, fail: Callable[[str], None]
) -> None:
    """Upscale videos one by one, each with a progress bar of its own, and tell `fail` what goes wrong."""
    for job in jobs:
        from superres.video.upscaling import upscale_video

        made_with = {"weights": config.source, "sharpness": config.sharpness}
        try:
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
                made_with=made_with,
            )
        except UserError as error:
            fail(str(error))
        else:
            print(f"wrote {job.target}")


def _ending(path: Path, config: UpscaleConfig) -> str:
    """Of what becomes of a file."""
    if _is_video(path):
        from superres.video.writing import suffix_for

        return suffix_for(path)
    return config.ending or (path.suffix if path.suffix.lower() in FORMATS else ".png")


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


if __name__ == "__main__":
    run(main, PROGRAM)
