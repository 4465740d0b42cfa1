"""Upscaling of films: frame by frame to segments beside the output, which are joined at the end.

Every frame keeps its own timestamp; sound, subtitles, chapters and all else are copied as they are. A segment is a
file by itself, written whole or not at all. So whatever interrupts the work, the same command goes on after the last
segment that is there. Segments end where they always would, and frames depend on none before (by `deflicker` on two),
so that a film made in several sittings gets the same frames as one made in a single one. (What an encoder makes of the
same frames may differ in a few bytes from one time to the next.)
"""

import json
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

import av
from av.video.reformatter import VideoReformatter

from common.errors import UserError
from common.files import replacing, require_nameable, write_json
from common.progress import progress_bar
from superres.upscaling import Model, TiledUpscaler
from superres.video.colours import frame_of, picture_of
from superres.video.deflicker import BEFORE, Deflicker
from superres.video.reading import Film, frames_of, opened, picture_stream, reason, survey
from superres.video.unchanged_tiles import FrameUpscaler
from superres.video.writing import (
    SEGMENT,
    Encoding,
    changed_streams,
    join,
    pick_encoding,
    rehearse,
    suited,
    write_segment,
)

FRAMES = 48  # of a segment: two seconds of cinema, and what an interruption costs at most
PARTS = ".parts"  # behind the output's name, the folder of segments
RECORD = "parts.json"  # in it, what the segments were made with
LAYOUT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} frames, {rate_noinv_fmt}, {remaining} left"


@dataclass
class Parts:
    """The segments of one output.

    Attributes:
        folder: where they are.
        settings: all that decides on their pixels.
        starts: the timestamp at which each finished segment begins, in units of the film.
        frames: in all of them.
        is_complete: whether the last one is the film's last.
    """

    folder: Path
    settings: dict[str, Any]
    starts: list[int] = field(default_factory=list)
    frames: int = 0
    is_complete: bool = False

    @classmethod
    def of(cls, output: Path, settings: dict[str, Any], overwrite: bool) -> "Parts":
        """What there is of an output; nothing if `overwrite` and it was made with other settings.

        Raises:
            UserError: there are segments made with other settings, or a folder of that name that is none of segments.
        """
        folder = output.with_name(output.name + PARTS)
        if not folder.exists():
            return cls(folder, settings)
        try:
            found = cls(folder, **json.loads((folder / RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{folder} is in the way, and no folder of segments; move or remove it") from error
        then = found.settings
        others = [f"{key} {then.get(key)}, now {now}" for key, now in settings.items() if then.get(key) != now]
        if not others:
            return found
        if not overwrite:
            raise UserError(
                f"{folder} was begun with other settings ({'; '.join(others)}); "
                "repeat that command to go on, or start anew by --overwrite"
            )
        print(f"{folder} was begun with other settings ({'; '.join(others)}): starting anew", file=sys.stderr)
        shutil.rmtree(folder)
        return cls(folder, settings)

    @property
    def segments(self) -> list[tuple[Path, int]]:
        """The files, and where each begins."""
        return [(self.path(k), start) for k, start in enumerate(self.starts)]

    def path(self, number: int) -> Path:
        """The file of a segment, by number."""
        return self.folder / f"{number:06}.{SEGMENT}"

    def save(self) -> None:
        """Write down which segments are done."""
        write_json(self.folder / RECORD, {key: value for key, value in vars(self).items() if key != "folder"})


def upscale_video(
    source: Path,
    output: Path,
    model: Model,
    *,
    scale: float | None = None,
    tile: int | None = None,
    codec: str = "auto",
    crf: int | None = None,
    overwrite: bool = False,
    drop: bool = False,
    deflicker: bool = False,
    made_with: Mapping[str, Any] | None = None,
) -> None:
    """Upscale a film, and show progress on stderr.

    Args:
        source: any film that FFmpeg reads.
        output: the file to write, of a container in `superres.video.writing.CONTAINERS`; one that is there is replaced.
        model: upscales by its own scale, as often as it takes; the excess is resized.
        scale: size of the output by that of the source, up to an even number; None: the model's own.
        tile: longest side of what the network gets at once, in pixels; None: as the free memory allows.
        codec: a name in `superres.video.writing.CODECS`, or "auto": the first that the container holds, h264 mostly.
        crf: constant quality of the encoder, lower is better; None: the codec's usual.
        overwrite: drop segments that were made with other settings.
        drop: leave out streams that the container cannot hold.
        deflicker: average frames with those before where nothing moves.
        made_with: what else decides on the pixels, such as the names of weights, for comparison with segments.

    Raises:
        UserError: the film is unreadable, cut off, without pictures or changes its size; codec or container is unknown,
            or unfit for the pictures or another stream; the output's name is too long; crf is out of range; segments
            were made with other settings; or the disk is full.
        KeyboardInterrupt: with a text that says how to go on.
    """
    require_nameable(output, PARTS)
    film, upscaler = survey(source), TiledUpscaler(model, scale, tile)
    encoding = pick_encoding(codec, crf, output, film, even_size(upscaler, film))
    film = suited(film, encoding.codec)
    settings = {"source": source.name, **_state(source), "scale": upscaler.scale, **(made_with or {})}
    settings |= {"codec": encoding.codec.encoder, "crf": encoding.crf, "frames per segment": FRAMES}
    settings |= {"deflicker": True} if deflicker else {}  # films begun before there was any go on
    parts = Parts.of(output, settings, overwrite)
    changes = changed_streams(film, output, drop)
    rehearse(film, output, encoding)
    for remark in (*film.remarks, *changes):
        print(f"{source}: {remark}", file=sys.stderr)
    is_whole = False
    try:
        if not parts.is_complete:
            write_segments(film, parts, upscaler, encoding, deflicker)
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
            shutil.rmtree(parts.folder, ignore_errors=True)


def write_segments(
    film: Film, parts: Parts, upscaler: TiledUpscaler, encoding: Encoding, deflicker: bool = False
) -> None:
    """Upscale and encode the frames that are not in a segment yet.

    Raises:
        UserError: the frames change their size, or none can be decoded.
    """
    parts.save()
    with opened(film.path) as container:
        # Those before are decoded only: that takes little beside upscaling, and is exact, which seeking is not.
        again = min(BEFORE, parts.frames) if deflicker else 0  # upscaled again, for what follows is averaged with them
        ahead = islice(frames_of(container, picture_stream(container, film.path)), parts.frames - again, None)
        frames = islice(upscaled_frames(film, ahead, upscaler, deflicker), again, None)
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


def upscaled_frames(
    film: Film, frames: Iterable[av.VideoFrame], upscaler: TiledUpscaler, deflicker: bool = False
) -> Iterator[av.VideoFrame]:
    """Frames of a film, upscaled, with their timestamps and durations.

    Raises:
        UserError: the frames change their size.
    """
    frame_upscaler = FrameUpscaler(upscaler, film.height, film.width)
    reformatter, large, average = VideoReformatter(), None, Deflicker()
    for frame in frames:
        if (frame.height, frame.width) != (film.height, film.width):
            raise UserError(
                f"{film.path} changes from {film.width} x {film.height} pixels to {frame.width} x {frame.height} "
                f"at {frame.time:.1f} s; cut it there, and upscale the pieces"
            )
        small = picture_of(frame, film.colours, reformatter)
        picture, is_new = frame_upscaler(small)
        if deflicker:
            picture = average(small, picture)
        if large is None or is_new or deflicker:
            large = frame_of(picture, film.colours, upscaler.model.device)
        large.pts, large.time_base, large.duration = frame.pts, film.time_base, frame.duration
        yield large


def even_size(upscaler: TiledUpscaler, film: Film) -> tuple[int, int]:
    """Height and width of the output: even, since colours are stored at half the size."""
    height, width = upscaler.size(film.height, film.width)
    return height + height % 2, width + width % 2


def _state(source: Path) -> dict[str, int]:
    """By which a file that was replaced is noticed."""
    state = source.stat()
    return {"bytes": state.st_size, "changed": state.st_mtime_ns}
