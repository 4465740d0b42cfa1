"""A short film of scenes from all over a longer one, upscaled: to choose weights by before hours of work."""

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain, dropwhile, takewhile
from pathlib import Path

import av
import numpy as np

from common.errors import UserError
from common.files import replacing
from common.films.reading import Film, frames_of, opened, picture_stream, reason, survey
from common.films.writing import pick_encoding, pts, rehearse, suited, write_segment
from superres.upscaling import TiledUpscaler
from superres.video.upscaling import even_size, upscaled_frames

ENDING = ".mp4"  # of previews, whatever the film's
# Seconds before a scene at which a film is entered, at the first try and later: some containers are entered too late.
EARLIER = (0.0, 5.0, 30.0, float("inf"))


def write_preview(
    source: Path,
    output: Path,
    upscaler: TiledUpscaler,
    seconds: float,
    codec: str = "auto",
    crf: int | None = None,
    deflicker: bool = False,
) -> None:
    """Write so many seconds of a film, upscaled and without sound: scenes of a second each, evenly over all of it.

    Args:
        output: a file ending in .mp4; one that is there is replaced.
        seconds: all of the film if it has no more.
        codec, crf, deflicker: as of `superres.video.upscaling.upscale_video`.

    Raises:
        UserError: as of `upscale_video`.
    """
    film = survey(source)
    encoding = pick_encoding(codec, crf, output, film, even_size(upscaler, film))
    film = suited(film, encoding.codec)
    rehearse(film, output, encoding)
    try:
        with replacing(output) as written, closing(scenes(film, seconds)) as shown:
            frames = upscaled_frames(film, shown, upscaler, deflicker)
            if (first := next(frames, None)) is None:
                raise UserError(f"{source} has no frame that can be decoded where it was looked for; is it damaged?")
            write_segment(written, first, frames, film, encoding, is_shown=True)
    except av.FFmpegError as error:
        raise UserError(f"cannot write {output}: {reason(error)}") from error


def scenes(film: Film, seconds: float) -> Generator[av.VideoFrame, None, None]:
    """The frames of the scenes, whose times are those of one film without gaps, in units of the film."""
    duration = float(film.frames / film.rate)
    count = max(1, round(min(seconds, duration)))
    length = min(seconds, duration) / count
    origin, passed, step = _origin(film), 0, max(1, round(1 / (film.rate * film.time_base)))
    for middle in (np.arange(count) + 0.5) * duration / count:
        start = origin + max(0.0, middle - length / 2)
        begin = last = None
        for frame in _between(film, start, start + length, origin):
            now = pts(frame)
            begin = now if begin is None else begin
            last = frame.pts = passed + now - begin
            yield frame
        passed = passed if last is None else last + step


def _origin(film: Film) -> float:
    """When the pictures begin, in seconds; sound may begin before."""
    with opened(film.path) as container:
        begins = container.streams[film.index].start_time
        return float(begins * film.time_base) if begins is not None else (container.start_time or 0) / av.time_base


def _between(film: Film, start: float, end: float, origin: float) -> Iterator[av.VideoFrame]:
    """The frames from a time on up to another, in seconds."""
    for enter in (start - earlier for earlier in EARLIER):
        with opened(film.path) as container:
            stream = picture_stream(container, film.path)
            if enter > origin:
                container.seek(int(enter * av.time_base))
            frames = frames_of(container, stream)
            first = next(frames, None)
            if first is not None and (enter <= origin or _moment(film, first) <= start):
                shown = dropwhile(lambda frame: _moment(film, frame) < start, chain([first], frames))
                yield from takewhile(lambda frame: _moment(film, frame) < end, shown)
                return


def _moment(film: Film, frame: av.VideoFrame) -> float:
    return float(pts(frame) * film.time_base)
