"""`python -m superres.upscale`: make pictures and videos larger."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from common.batches import Batch, Input, Job, plan, target_beside, target_in
from common.cli import run
from common.errors import UserError
from common.formats import ENDINGS, FORMATS
from superres.config import UpscaleConfig

if TYPE_CHECKING:
    from superres.upscaling import TiledUpscaler

PROGRAM = "superres.upscale"
VIDEOS = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".webm", ".wmv"),
)


def main(config: UpscaleConfig) -> None:
    """Make pictures and videos larger: sharper than by resizing, and true to the original.

    img.png becomes img_x4.png beside it, folders keep their tree, and what is there is skipped. Colour profiles, EXIF,
    resolution, transparency, 16 bits and animations stay; sound and subtitles of videos do too. An interrupted video is
    continued by the same command. If some of many files fail, the others are done, and the exit code is 1.
    """
    from common.devices import pick_device  # torch loads only once the command line is known to be good
    from superres.models import load_superres_model
    from superres.upscaling import TiledUpscaler

    model = load_superres_model(config.source, pick_device(config.device), config.sharpness)
    upscaler = TiledUpscaler(model, config.scale, config.tile)
    batch = plan_outputs(config, upscaler.scale)
    failures: list[str] = []

    def fail(problem: str) -> None:
        failures.append(problem)
        if batch.asked > 1:
            tqdm.write(f"{PROGRAM}: {problem}", file=sys.stderr)

    for problem in batch.problems:
        fail(problem)
    for note in notes(batch):
        print(note)
    upscale_pictures([job for job in batch.jobs if not _is_video(job.source)], upscaler, config, fail)
    upscale_videos([job for job in batch.jobs if _is_video(job.source)], upscaler, config, fail)
    if failures and batch.asked == 1:
        raise UserError(failures[0])
    if failures:
        print(f"{PROGRAM}: {len(failures):,} of {batch.asked:,} failed", file=sys.stderr)
        sys.exit(1 if len(failures) < batch.asked else 2)


def plan_outputs(config: UpscaleConfig, scale: float) -> Batch:
    """What becomes of each input.

    Args:
        scale: for the suffix.

    Raises:
        UserError: as `common.batches.plan`; or --out does not fit the inputs.
    """
    suffix = f"_x{scale:g}" if config.suffix is None else config.suffix
    out, is_single = config.out, len(config.paths) == 1 and Path(config.paths[0]).expanduser().is_file()
    is_file = out is not None and out.suffix.lower() in (*FORMATS, *VIDEOS) and not out.is_dir()
    if out is not None and out.suffix and is_single and not is_file and not out.is_dir():
        known = " ".join((*FORMATS, *VIDEOS))
        raise UserError(f"--out {out}: unknown ending; choose one of {known}, or make this folder first")
    if is_file and not is_single:
        raise UserError(f"--out {out} is one file, which is for one input; name a folder")
    if is_file and config.ending not in ("", out.suffix.lower()):
        raise UserError(f"--format {config.format} and --out {out} differ; leave --format out")

    def target(one: Input) -> Path:
        if is_file:
            return out
        ending = _ending(one.path, config)
        return target_beside(one, suffix, ending) if out is None else target_in(out, one, suffix, ending)

    return plan(config.paths, (*ENDINGS, *VIDEOS), "pictures and videos", target, config.overwrite)


def notes(batch: Batch) -> list[str]:
    """What is not done though it is no fault, in words."""
    found = []
    if batch.made:
        found.append(f"left out {_some(batch.made)} made of another input")
    if batch.skipped:
        found.append(f"skipped {_some(batch.skipped)} there already; --overwrite makes anew")
    return found


def upscale_pictures(
    jobs: list[Job], upscaler: "TiledUpscaler", config: UpscaleConfig, fail: Callable[[str], None]
) -> None:
    """Upscale pictures one by one, and tell `fail` what goes wrong."""
    from superres.pictures import upscale_picture

    layout = "{desc}{percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} pixels, {remaining} left"
    with tqdm(total=sum(map(_pixels, jobs)), unit_scale=True, bar_format=layout, leave=False, disable=None) as bar:
        for job in jobs:
            bar.set_description(job.source.name)
            try:
                width, height = upscale_picture(job.source, job.target, upscaler, config.quality, bar.update)
            except UserError as error:
                fail(str(error))
            else:
                tqdm.write(f"wrote {job.target}: {width:,} x {height:,} pixels", file=sys.stdout)


def upscale_videos(
    jobs: list[Job], upscaler: "TiledUpscaler", config: UpscaleConfig, fail: Callable[[str], None]
) -> None:
    """Upscale videos one by one, each with a progress bar of its own, and tell `fail` what goes wrong."""
    for job in jobs:
        from superres.video import upscale_video

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
                made_with=made_with,
            )
        except UserError as error:
            fail(str(error))
        else:
            print(f"wrote {job.target}")


def _ending(path: Path, config: UpscaleConfig) -> str:
    """Of what becomes of a file."""
    if _is_video(path):
        from superres.streams import suffix_for

        return suffix_for(path)
    return config.ending or (path.suffix if path.suffix.lower() in FORMATS else ".png")


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def _pixels(job: Job) -> int:
    """To be upscaled, by the file's header; 0 if that is wrong, which will come out later."""
    from common.pictures import open_picture

    try:
        with open_picture(job.source) as file:
            return file.pixels
    except UserError:
        return 0


def _some(paths: list[Path]) -> str:
    return f"{paths[0]}, which is" if len(paths) == 1 else f"{len(paths):,} files, such as {paths[0]}, which are"


if __name__ == "__main__":
    run(main, PROGRAM)
