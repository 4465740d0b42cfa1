"""What a film will take: from the middle of some of its frames, which is upscaled and encoded at once."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.video.reformatter import VideoReformatter

from common.errors import UserError
from common.file_jobs import Job
from common.films.colours import frame_of, picture_of
from common.films.reading import Film, address, frames_of, opened, picture_stream, reason, survey
from common.films.writing import pick_encoding, suited, write_segment
from superres.estimates import SIDE, Extent, Sample, middle, work
from superres.upscaling import TiledUpscaler

FRAMES = 16  # that are encoded, from the middle of the film on


def measured_film(codec: str, crf: int | None) -> Callable[[Job, TiledUpscaler], tuple[Extent, Callable[[], Sample]]]:
    """What `superres.estimates.estimate` asks of films that are encoded so."""

    def measure(job: Job, upscaler: TiledUpscaler) -> tuple[Extent, Callable[[], Sample]]:
        film = survey(job.source)
        return Extent(film.height, film.width, film.frames), lambda: sampled_film(
            film, job.target, upscaler, codec, crf
        )

    return measure


def sampled_film(film: Film, target: Path, upscaler: TiledUpscaler, codec: str, crf: int | None) -> Sample:
    """Seconds, with encoding, and bytes of the picture alone.

    Raises:
        UserError: the film cannot be read, or not be written as it is asked for.
    """
    if (made := next(_large(film, upscaler, 1), None)) is None:  # which warms up
        raise UserError(f"{film.path} has no frame that can be decoded in its middle")
    size = made.height, made.width
    encoding = pick_encoding(codec, crf, target, film, size)
    film = suited(film, encoding.codec)
    try:
        with TemporaryDirectory() as folder:
            path, start = Path(folder, "sample.mp4"), time.perf_counter()
            frames = _large(film, upscaler, FRAMES)
            _, count = write_segment(path, next(frames), frames, film, encoding)
            seconds = time.perf_counter() - start
            with av.open(address(path)) as segment:
                written = sum(packet.size for packet in segment.demux(video=0))
    except av.FFmpegError as error:
        raise UserError(f"{film.path} cannot be sampled: {reason(error)}") from error
    extent = Extent(min(SIDE, film.height), min(SIDE, film.width))
    return seconds / count / work(upscaler, extent), written / count / (size[0] * size[1])


def _large(film: Film, upscaler: TiledUpscaler, count: int) -> Iterator[av.VideoFrame]:
    """The middles of so many frames, upscaled."""
    reformatter = VideoReformatter()
    with opened(film.path) as container:
        stream = picture_stream(container, film.path)
        container.seek((container.start_time or 0) + (container.duration or 0) // 2)
        for number, frame in enumerate(islice(frames_of(container, stream), count)):
            large = upscaler.upscale(middle(picture_of(frame, film.colours, reformatter)))
            made = frame_of(large, film.colours, upscaler.model.device)
            made.pts, made.time_base = number * max(1, film.last), film.time_base
            yield made
