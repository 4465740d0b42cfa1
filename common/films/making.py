"""Films made of films: frame by frame to segments beside the output, which are joined at the end.

Every frame keeps its own timestamp; sound, subtitles, chapters and all else are copied as they are. A segment is a
file by itself, written whole or not at all. So whatever interrupts the work, the same command goes on after the last
segment that is there. Segments end where they always would, so that a film made in several sittings gets the same
frames as one made in a single one. (What an encoder makes of the same frames may differ in a few bytes from one time to
the next.)
"""

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av

from common.errors import UserError
from common.files import replacing, require_nameable
from common.films.parts import PARTS, Parts
from common.films.reading import Film, frames_of, opened, picture_stream, reason
from common.films.writing import (
    Encoding,
    changed_streams,
    join,
    pick_encoding,
    rehearse,
    suited,
    write_segment,
)
from common.progress import progress_bar

FRAMES = 48  # of a segment: two seconds of cinema, and what an interruption costs at most
LAYOUT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} frames, {rate_noinv_fmt}, {remaining} left"


@dataclass(frozen=True)
class Change:
    """What becomes of the frames of a film.

    Attributes:
        frames: turns a film and its frames into new ones, with timestamps, in the same number.
        height, width: of the new ones, even.
        settings: what decides on their pixels, for comparison with segments that are there.
        before: how many frames a frame depends on besides itself; they are given again when a film is gone on with, and
            what is made of them is left out.
    """

    frames: Callable[[Film, Iterator[av.VideoFrame]], Iterator[av.VideoFrame]]
    height: int
    width: int
    settings: Mapping[str, Any]
    before: int = 0


def make_film(
    film: Film,
    output: Path,
    change: Change,
    *,
    codec: str = "auto",
    crf: int | None = None,
    overwrite: bool = False,
    drop: bool = False,
) -> None:
    """Make a film of a film, and show progress on stderr.

    Args:
        film: what is read.
        output: the file to write, of a container in `common.films.writing.CONTAINERS`; one that is there is replaced.
        change: of its frames.
        codec: a name in `common.films.writing.CODECS`, or "auto": the first that the container holds, h264 mostly.
        crf: constant quality of the encoder, lower is better; None: the codec's usual.
        overwrite: drop segments that were made with other settings.
        drop: leave out streams that the container cannot hold.

    Raises:
        UserError: the film is cut off or changes its size; codec or container is unknown, or unfit for the pictures or
            another stream; the output's name is too long; crf is out of range; segments were made with other settings;
            or the disk is full.
        KeyboardInterrupt: with a text that says how to go on.
    """
    require_nameable(output, PARTS)
    source = film.path
    encoding = pick_encoding(codec, crf, output, film, (change.height, change.width))
    film = suited(film, encoding.codec)
    settings = {"source": source.name, **_state(source), **change.settings}
    settings |= {"codec": encoding.codec.encoder, "crf": encoding.crf, "frames per segment": FRAMES}
    parts = Parts.of(output, settings, overwrite)
    changes = changed_streams(film, output, drop)
    rehearse(film, output, encoding)
    for remark in (*film.remarks, *changes):
        print(f"{source}: {remark}", file=sys.stderr)
    is_whole = False
    try:
        if not parts.is_complete:
            write_segments(film, parts, change, encoding)
        with replacing(output) as written:
            join(film, parts.segments, written, output)
        is_whole = True
    except av.FFmpegError as error:
        raise UserError(f"cannot write {output}: {reason(error)}") from error
    except KeyboardInterrupt:
        kept = f"{parts.frames} of {film.frames} frames of {source} are kept in {parts.folder}"
        raise KeyboardInterrupt(f"{kept}; the same command goes on" if parts.starts else "nothing is kept") from None
    finally:
        if is_whole or not parts.starts:
            parts.remove()


def write_segments(film: Film, parts: Parts, change: Change, encoding: Encoding) -> None:
    """Make and encode the frames that are not in a segment yet.

    Raises:
        UserError: the frames change their size, or none can be decoded.
    """
    parts.save()
    with opened(film.path) as container:
        # Those before are decoded only: that takes little beside the rest, and is exact, which seeking is not.
        given = min(change.before, parts.frames)
        ahead = islice(frames_of(container, picture_stream(container, film.path)), parts.frames - given, None)
        frames = islice(change.frames(film, ahead), given, None)
        bar = progress_bar(
            frames,
            film.path.name,
            film.frames,
            initial=parts.frames,
            unit=" frames",
            smoothing=0.1,
            bar_format=LAYOUT,
            disable=None,
        )
        with closing(cast(Generator[av.VideoFrame, None, None], iter(bar))) as counted:  # closed, it ends the bar
            for first in counted:
                with replacing(parts.path(len(parts.starts))) as written:
                    start, count = write_segment(written, first, islice(counted, FRAMES - 1), film, encoding)
                parts.starts.append(start)
                parts.frames += count
                parts.save()
    if not parts.frames:
        raise UserError(f"{film.path} has no frame that can be decoded; is it damaged?")
    parts.is_complete = True
    parts.save()


def require_size(film: Film, frame: av.VideoFrame) -> None:
    """Refuse a frame that is of another size than those before.

    Raises:
        UserError: it is.
    """
    if (frame.height, frame.width) != (film.height, film.width):
        raise UserError(
            f"{film.path} changes from {film.width} x {film.height} pixels to {frame.width} x {frame.height} "
            f"at {frame.time:.1f} s; cut it there, and give the pieces"
        )


def _state(source: Path) -> dict[str, int]:
    """By which a file that was replaced is noticed."""
    state = source.stat()
    return {"bytes": state.st_size, "changed": state.st_mtime_ns}
