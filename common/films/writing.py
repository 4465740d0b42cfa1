"""Films as they are written: codecs, containers, and how segments become a film again beside all else that it had."""

import heapq
import io
import math
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, count, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from common.errors import UserError
from common.films.colours import frame_of, tag
from common.films.parts import SEGMENT
from common.films.reading import Film, address, opened, reason
from common.films.sound import can_decode, decoded_sound
from common.provenance.digests import of_packets
from common.provenance.marking import film_comment

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
}  # that keep every timestamp
OTHERWISE = ".mkv"  # for films of other kinds: it holds nearly all that they may have
REORDERED = 16  # frames by which codecs may store one early, at most
REHEARSED = 64  # packets of the original that are written beforehand, to see whether they can be
KEPT = ("language", "title", "handler_name", "creation_time", "timecode")  # tags that hold of larger pictures too
OF_CONTAINERS = ("major_brand", "minor_version", "compatible_brands", "encoder")  # tags that are a container's own

Packet: TypeAlias = "av.Packet[Any]"  # of any stream; it takes no parameters at run time

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder would tell all it does


@dataclass(frozen=True)
class Codec:
    """How a codec is asked for.

    Attributes:
        encoder: its name in FFmpeg.
        crf: the usual --crf: hardly to be told from the original, but not larger than need be.
        top: the worst --crf.
        options: further ones.
    """

    encoder: str
    crf: int
    top: int
    options: dict[str, str]


@dataclass(frozen=True)
class Encoding:
    """How an output's pictures are encoded.

    Attributes:
        codec: which one.
        crf: constant quality, lower is better.
        size: height and width, even.
    """

    codec: Codec
    crf: int
    size: tuple[int, int]


CODECS = {
    "h264": Codec("libx264", 18, 51, {}),
    "vp9": Codec("libvpx-vp9", 24, 63, {"row-mt": "1", "cpu-used": "2"}),
    "av1": Codec("libsvtav1", 24, 63, {}),
    "hevc": Codec("libx265", 20, 51, {"x265-params": "log-level=error"}),
}  # in the order in which "auto" takes them, if they are there and the container holds them


def suffix_for(source: Path) -> str:
    """Ending of the usual output: that of the source, or .mkv."""
    suffix = source.suffix.lower()
    return source.suffix if suffix in CONTAINERS else OTHERWISE


def pick_encoding(name: str, crf: int | None, output: Path, film: Film, size: tuple[int, int]) -> Encoding:
    """Choose the encoder: the codec of that name, or the first that will do for "auto".

    Args:
        crf: None: the codec's usual.
        size: as `Encoding.size`.

    Raises:
        UserError: there is no such codec or container, the container does not hold the codec, or crf is out of range.
    """
    suffix = output.suffix.lower()
    if suffix not in CONTAINERS:
        raise UserError(f"{output}: films are written as {', '.join(CONTAINERS)}, not as {suffix or 'this'}")
    there = {known: codec for known, codec in CODECS.items() if codec.encoder in av.codecs_available}
    if name != "auto" and name not in there:
        raise UserError(f"--codec {name}: there is no such codec here; use auto or {', '.join(there)}")
    candidates = there.values() if name == "auto" else [there[name]]
    codec = next((one for one in candidates if _holds_codec(suffix, one, film)), None)
    if codec is None:
        raise UserError(f"--codec {name}: {suffix} files do not hold it; use --codec auto, or write an .mkv")
    if crf is not None and not 0 <= crf <= codec.top:
        raise UserError(f"--crf must be from 0 (best) to {codec.top} (smallest file) with {codec.encoder}, not {crf}")
    return Encoding(codec, codec.crf if crf is None else crf, size)


def suited(film: Film, codec: Codec) -> Film:
    """The film as a codec can hold it: with 8 bits a number if the codec has no more."""
    if film.colours.format in {one.name for one in av.Codec(codec.encoder, "w").video_formats or ()}:
        return film
    remark = f"its colours are rounded to 8 bits, for {codec.encoder} has no more"
    return replace(film, colours=replace(film.colours, bits=8, peak=255), remarks=(*film.remarks, remark))


def write_segment(
    path: Path,
    first: av.VideoFrame,
    others: Iterable[av.VideoFrame],
    film: Film,
    encoding: Encoding,
    is_shown: bool = False,
) -> tuple[int, int]:
    """Encode frames, whose timestamps are then counted from the first one on.

    Args:
        is_shown: it is to be looked at by itself, turned as the film is.

    Returns:
        The timestamp of the first one, in units of the film, and how many frames there are.
    """
    start, shown = pts(first), list[int]()
    with av.open(address(path), "w", format=SEGMENT) as container:
        stream, stored = _add_encoder(container, film, encoding), count()
        if is_shown and film.matrix:
            stream.set_display_matrix(film.matrix)
        for frame in chain([first], others, [None]):
            if frame is not None:
                frame.pts = pts(frame) - start
                shown.append(frame.pts)
            for packet in stream.encode(frame):
                k = next(stored) - REORDERED  # times of decoding only need to be in order; some encoders have none
                packet.dts = shown[k] if k >= 0 else k
                container.mux(packet)
    return start, len(shown)


def rehearse(film: Film, output: Path, encoding: Encoding) -> None:
    """Write the beginning of a film with one black frame, so that what cannot be written is known before hours of work.

    Raises:
        UserError: it cannot.
    """
    black = frame_of(np.zeros((*encoding.size, 3), np.uint8), film.colours)
    black.pts, black.time_base, black.duration = 0, film.time_base, film.last
    try:
        with TemporaryDirectory() as folder:
            segment = Path(folder, f"segment.{SEGMENT}")
            write_segment(segment, black, [], film, encoding)
            join(film, [(segment, 0)], Path(folder, "film"), output, REHEARSED)
    except av.FFmpegError as error:
        height, width = encoding.size
        how = f"as {output.suffix} by {encoding.codec.encoder} in {width} x {height} pixels"
        advice = "try another --codec or --scale, or an .mkv"
        raise UserError(f"{film.path} cannot be written {how}: {reason(error)}; {advice}") from error


def changed_streams(film: Film, output: Path, drop: bool = False) -> list[str]:
    """What becomes of the streams of a film that the output's container cannot hold as they are, in words.

    Args:
        drop: leave out those that it cannot hold at all.

    Raises:
        UserError: there are such streams, and they are not to be left out.
    """
    changed, lost = [], []
    with opened(film.path) as original:
        for stream in original.streams:
            if stream.index == film.index or _is_written_anew(stream):
                continue
            name = f"stream {stream.index} ({stream.type}, {stream.name or 'of unknown kind'})"
            if (way := _way(stream, film, output)) is None:
                lost.append(name)
            elif way == "decode":
                changed.append(f"{name} is kept uncompressed, since {output.suffix} files cannot hold it otherwise")
    if lost and not drop:
        other = "" if output.suffix.lower() == OTHERWISE else f"write an {OTHERWISE}, or "
        what = f"{', '.join(lost)} has no place in {output.suffix} files"
        raise UserError(f"{film.path}: {what}; {other}leave it out by --drop")
    return [*changed, *(f"{name} has no place in {output.name}" for name in lost)]


def join(film: Film, segments: list[tuple[Path, int]], written: Path, output: Path, most: int | None = None) -> None:
    """Make a film of segments and of all else that is in the original; only sound that cannot be copied is decoded.

    Args:
        segments: files, and the timestamp at which each begins.
        written: where it goes, later renamed to `output`.
        most: packets of the original; None: all.
    """
    kind = CONTAINERS[output.suffix.lower()]
    with opened(film.path) as original, av.open(address(segments[0][0])) as pattern:
        options = _options(kind, film, original)
        with av.open(address(written), "w", format=kind, container_options=options) as result:
            result.metadata.update(_tags(original, segments))
            result.set_chapters(original.chapters())
            copies, sounds = dict[Stream, Stream](), list[Iterator[Packet]]()
            for stream in original.streams:
                way = _way(stream, film, output)
                if stream.index == film.index:
                    video = _add_video(result, pattern.streams.video[0], stream, film, kind)
                elif way == "copy":
                    copies[stream] = _add_copy(result, stream)
                elif way == "attach":
                    _attach(result, stream, film)
                elif way == "decode":
                    sounds.append(islice(decoded_sound(film.path, stream, result), most))
            others = islice(_copied(original, copies, kind not in ("matroska", "webm")), most)
            for packet in heapq.merge(_joined(film, segments, video), others, *sounds, key=_moment):
                result.mux(packet)


def _add_encoder(container: OutputContainer, film: Film, encoding: Encoding) -> VideoStream:
    codec = encoding.codec
    stream = container.add_stream(codec.encoder, film.rate, {"crf": str(encoding.crf), **codec.options})
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = encoding.size
    stream.pix_fmt = film.colours.format
    stream.codec_context.time_base = stream.time_base = film.time_base
    if film.aspect:
        stream.codec_context.sample_aspect_ratio = film.aspect
    tag(stream.codec_context, film.colours)
    return stream


def _holds_codec(suffix: str, codec: Codec, film: Film) -> bool:
    """Whether a container takes a codec: tried, because muxers do not tell."""
    with av.open(io.BytesIO(), "w", format=CONTAINERS[suffix]) as container:
        try:
            _add_encoder(container, suited(film, codec), Encoding(codec, codec.crf, (64, 64)))
            container.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
    return True


def _way(stream: Stream, film: Film, output: Path) -> Literal["copy", "attach", "decode"] | None:
    """How a stream gets into the output's container, if it does: tried too."""
    kind = CONTAINERS[output.suffix.lower()]
    if _is_written_anew(stream):
        return None
    if stream.disposition & Disposition.attached_pic and kind != "mp4":
        return "attach" if kind == "matroska" else None
    with av.open(io.BytesIO(), "w", format=kind) as container:
        try:
            _add_copy(container, stream)
            container.start_encoding()
        except (av.FFmpegError, ValueError):
            return "decode" if kind == "matroska" and can_decode(film.path, stream) else None
    return "copy"


def _is_written_anew(stream: Stream) -> bool:
    """Whether it is a track of QuickTime that a muxer makes of chapters or of the picture's timecode."""
    is_of_chapters = stream.name == "bin_data" and bool(stream.container.chapters())
    return stream.type == "data" and (is_of_chapters or "timecode" in stream.metadata)


def _options(kind: str, film: Film, original: InputContainer) -> dict[str, str]:
    """That make a muxer keep timestamps and tags as they are."""
    if kind == "mpegts":
        return {"mpegts_copyts": "1"}
    if kind not in ("mp4", "mov"):
        return {"avoid_negative_ts": "disabled"}  # sound of MP4 may begin before 0
    units = math.lcm(film.time_base.denominator, 1000)  # of the time at which streams begin
    flags = "+faststart+use_metadata_tags" if any("." in key for key in original.metadata) else "+faststart"
    return {"movflags": flags} | ({"movie_timescale": str(units)} if units < 2**31 else {})


def _tags(original: InputContainer, segments: list[tuple[Path, int]]) -> dict[str, str]:
    """Those of the original, and how the film was made."""
    tags = _without(original.metadata, OF_CONTAINERS)
    name = next((name for name in tags if name.lower() == "comment"), "comment")
    packets = (packet for path, _ in segments for packet in _packets(path))
    comment = film_comment(tags.get(name, ""), lambda: of_packets(packets))
    return tags | ({name: comment} if comment else {})


def _without(tags: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower() not in names}


def _add_video(result: OutputContainer, pattern: VideoStream, original: Stream, film: Film, kind: str) -> VideoStream:
    video = result.add_stream_from_template(pattern, opaque=True)
    video.codec_context.framerate = film.rate
    video.time_base = film.time_base
    video.disposition = original.disposition
    video.metadata.update({key: value for key, value in original.metadata.items() if key.lower() in KEPT})
    if film.matrix:
        video.set_display_matrix(film.matrix)
    if pattern.name == "hevc" and kind in ("mp4", "mov"):
        video.codec_context.codec_tag = "hvc1"  # players of Apple want it
    return video


def _add_copy(result: OutputContainer, stream: Stream) -> Stream:
    copy = result.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(stream.metadata)
    copy.disposition = stream.disposition
    return copy


def _attach(result: OutputContainer, stream: Stream, film: Film) -> None:
    """Add a cover picture, which has one packet, the way of Matroska."""
    with opened(film.path) as original:
        picture = next(original.demux(original.streams[stream.index]))
        kind = "png" if stream.name == "png" else "jpeg"
        name, mime = stream.metadata.get("filename", f"cover.{kind}"), stream.metadata.get("mimetype", f"image/{kind}")
        result.add_attachment(name, mime, bytes(picture))


def _copied(original: InputContainer, copies: dict[Stream, Stream], is_strict: bool) -> Iterator[Packet]:
    """The packets of the streams that are copied, with times of decoding that rise, as muxers want.

    Args:
        is_strict: whether no two of a stream may have the same.
    """
    least: dict[Stream, int] = {}
    for packet in original.demux(list(copies)) if copies else ():
        if not packet.size:  # the last ones, for decoders only
            continue
        if packet.dts is not None:
            packet.dts = max(packet.dts, least.get(packet.stream, packet.dts))
            packet.pts = None if packet.pts is None else max(packet.pts, packet.dts)
            least[packet.stream] = packet.dts + is_strict
        packet.stream = copies[packet.stream]
        yield packet


def _joined(film: Film, segments: list[tuple[Path, int]], video: VideoStream) -> Iterator[Packet]:
    """The packets of segments, with the timestamps of the film.

    Every segment was encoded by itself from zero on, and frames are stored in the order of decoding. They are decoded
    at the film's own timestamps, as many frames earlier as reordering takes anywhere.
    """
    stored = [[_stamp(film, packet, start) for packet in _packets(path)] for path, start in segments]
    delay = max(map(_delay, stored))
    moments = [moment for stamps in stored for moment in sorted(stamps)]
    durations = dict(zip(moments, [after - before for before, after in pairwise(moments)] + [film.last], strict=True))
    lead = durations[moments[0]]
    decoded = iter([moments[0] - lead * (delay - k) for k in range(delay)] + moments)
    for path, start in segments:
        for packet in _packets(path):
            packet.pts = _stamp(film, packet, start)
            packet.dts, packet.duration = next(decoded), durations[packet.pts]
            packet.time_base, packet.stream = film.time_base, video
            yield packet


def _packets(path: Path) -> Iterator[Packet]:
    with av.open(address(path)) as segment:
        for packet in segment.demux(video=0):
            if packet.size:
                yield packet


def _stamp(film: Film, packet: Packet, start: int) -> int:
    """When a packet's frame is shown, in units of the film."""
    return start + round(pts(packet) * packet.time_base / film.time_base)


def pts(coded: "av.VideoFrame | Packet") -> int:
    """The timestamp, which all have that come from `frames_of` or out of an encoder."""
    assert coded.pts is not None
    return coded.pts


def _delay(stored: list[int]) -> int:
    """By how many frames decoding must be ahead for every frame, in stored order, to be there when it is shown."""
    shown = sorted(stored)
    return max(k - bisect_left(shown, stamp) for k, stamp in enumerate(stored))


def _moment(packet: Packet) -> Fraction:
    moment = packet.pts if packet.dts is None else packet.dts
    return (moment or 0) * packet.time_base  # cover pictures have none
