"""Films as they are found: what is in one, whether it is whole, and its frames."""

import shlex
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from common.errors import UserError
from common.films.colours import Colours, colours_of
from common.films.formats import READABLE

TRUE = ("matroska", "avi", "flv", "asf")  # containers that say beforehand how long they are
NO_FRAME = "{} has no frame that can be decoded; is it damaged, or only begun?"
MISSING = (1.0, 0.01)  # seconds, and share of the duration, that a whole film may lack


@dataclass(frozen=True)
class Film:
    """What must be known of a film beforehand.

    Attributes:
        path: the file.
        index: of the video stream whose frames are read.
        height, width: of a frame, in pixels.
        frames: that can be read; damaged ones included.
        time_base: unit of timestamps, in seconds.
        rate: frames per second, on average.
        last: duration of the last frame, in units.
        aspect: width of a pixel, by its height.
        matrix: that turns or mirrors frames for display, as FFmpeg writes it; or None.
        colours: of the frames.
        remarks: what is lost when its frames are made anew, in words.
    """

    path: Path
    index: int
    height: int
    width: int
    frames: int
    time_base: Fraction
    rate: Fraction
    last: int
    aspect: Fraction | None
    matrix: tuple[int, ...] | None
    colours: Colours
    remarks: tuple[str, ...]


def survey(path: Path) -> Film:
    """Look through a film, without decoding more than its first frame.

    Raises:
        UserError: it cannot be read, has no frames, or is cut off.
    """
    with opened(path) as container:
        stream = picture_stream(container, path)
        first = next(frames_of(container, stream), None)
        if first is None:
            raise UserError(NO_FRAME.format(path))
        count, last = _count(path, stream.index)
        return Film(
            path=path,
            index=stream.index,
            height=first.height,
            width=first.width,
            frames=count,
            time_base=_unit(stream),
            rate=_rate(stream),
            last=last,
            aspect=stream.sample_aspect_ratio,
            matrix=_matrix(first),
            colours=colours_of(first),
            remarks=_remarks(first),
        )


def shown_size(path: Path) -> tuple[int, int]:
    """Height and width of a film's frames as they are shown, in its own pixels.

    Raises:
        UserError: it cannot be read, or has no frames.
    """
    with opened(path) as container:
        first = next(frames_of(container, picture_stream(container, path)), None)
    if first is None:
        raise UserError(NO_FRAME.format(path))
    return (first.width, first.height) if first.rotation % 180 else (first.height, first.width)


def address(path: Path) -> str:
    """The path as FFmpeg wants it, which takes what is before a colon for the name of a protocol."""
    return f"file:{path}"


def opened(path: Path) -> InputContainer:
    """Open a film for reading.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return av.open(address(path), options=READABLE, metadata_errors="replace")
    except av.FFmpegError as error:
        if path.is_file() and _begins_as_mp4(path):
            raise UserError(f"{path} is cut off: the index, which such files have at their end, is missing") from error
        raise UserError(f"{path} is no film that can be read: {reason(error)}") from error


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is no cover picture; its decoder may use all cores.

    Args:
        path: for messages.

    Raises:
        UserError: there is none, or nothing that decodes it.
    """
    streams = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if not streams:
        others = " and ".join(sorted({one.type for one in container.streams})) or "nothing"
        raise UserError(f"{path} has no video stream, but {others}; pictures are needed")
    if streams[0].codec_context is None:
        raise UserError(f"{path} is coded as nothing here can decode; convert it to h264 first")
    streams[0].thread_type = "AUTO"
    return streams[0]


def frames_of(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """All frames that can be decoded, each with a timestamp later than the one before; damaged packets are passed over.

    A frame without a timestamp is taken to come at the film's average rate.
    """
    last, step = None, max(1, round(1 / (_rate(stream) * _unit(stream))))
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            continue
        for frame in frames:
            if frame.pts is None:
                frame.pts = 0 if last is None else last + step
            last = frame.pts if last is None else max(frame.pts, last + 1)
            frame.pts = last
            yield frame


def reason(error: av.FFmpegError) -> str:
    """What FFmpeg says was wrong, in lower case."""
    return (error.strerror or str(error)).lower()


def _count(path: Path, index: int) -> tuple[int, int]:
    """How many packets a stream has, and how long the last one lasts.

    Raises:
        UserError: the film is cut off.
    """
    count, last, end = 0, 1, 0.0
    latest: dict[int, float] = {}  # by stream, of decoding, in seconds
    with opened(path) as container:
        whole = _told(container, container.streams[index])
        needed = max(
            (entry.pos + entry.size for stream in container.streams for entry in stream.index_entries), default=0
        )
        if needed > container.size:
            raise UserError(_cut_off(path, f"{container.size:,} bytes, where it should have {needed:,}"))
        counts_from_zero = "matroska" in container.format.name  # however late the first frame comes
        begin = 0.0 if counts_from_zero else (container.start_time or 0) / av.time_base
        try:
            for packet in container.demux():
                if packet.pts is None:
                    continue
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                moment = float((packet.pts if packet.dts is None else packet.dts) * packet.time_base)
                before = latest.get(packet.stream_index, moment)
                if packet.stream.type in ("video", "audio") and moment < before - 1:
                    raise UserError(_cut_off(path, f"after {before:.1f} s its clock is set back to {moment:.1f} s"))
                latest[packet.stream_index] = moment
                if packet.stream_index == index:
                    count, last = count + 1, packet.duration or last
        except av.FFmpegError as error:
            raise UserError(_cut_off(path, f"at {end:.1f} s: {reason(error)}")) from error
    if end - begin < whole - max(MISSING[0], MISSING[1] * whole):
        raise UserError(_cut_off(path, f"{end - begin:.1f} s, where it should last {whole:.1f} s"))
    return count, last


def _told(container: InputContainer, stream: Stream) -> float:
    """How long the film should last by its own account, in seconds; 0 where that is no account but a guess."""
    if not any(name in container.format.name for name in TRUE):
        return 0.0
    by_frames = stream.frames / stream.average_rate if stream.average_rate else 0  # of AVI; durations are corrected
    return max((container.duration or 0) / av.time_base, float(by_frames))


def _cut_off(path: Path, what: str) -> str:
    return (
        f"{path} is cut off or damaged ({what}); for what there is, mend it first: "
        f"ffmpeg -i {shlex.quote(path.name)} -map 0 -c copy mended{path.suffix}"
    )


def _begins_as_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def _rate(stream: VideoStream) -> Fraction:
    """Frames per second."""
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def _unit(stream: VideoStream) -> Fraction:
    """Of timestamps, in seconds; FFmpeg gives one to all that it reads."""
    assert stream.time_base is not None
    return stream.time_base


def _matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """As `Film.matrix`."""
    found = cast(SideDataContainer, frame.side_data).get(SideData.DISPLAYMATRIX)  # to PyAV's stub another class
    return None if found is None else struct.unpack("=9i", bytes(found))


def _remarks(frame: av.VideoFrame) -> tuple[str, ...]:
    """What is lost of a film with such frames."""
    lost = []
    if frame.interlaced_frame:
        lost.append("it is interlaced, and lines that belong to different moments become one picture")
    if any(component.is_alpha for component in frame.format.components):
        lost.append("its transparency is not kept")
    return tuple(lost)
