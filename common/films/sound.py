"""Sound of films that cannot be copied into the new container: decoded, and stored as plain numbers at the same times.

Matroska, for one, holds much of what is found in old .avi, .wmv and .3gp files (WMA, ADPCM, mu-law, AMR) by a way that
PyAV does not open.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

from common.films.reading import opened

Packet: TypeAlias = "av.Packet[Any]"  # of any stream; it takes no parameters at run time


def can_decode(path: Path, stream: Stream) -> bool:
    """Whether a stream of a film is sound of which at least the beginning can be decoded."""
    return stream.type == "audio" and next(_frames(path, stream.index), None) is not None


def decoded_sound(path: Path, stream: Stream, result: OutputContainer) -> Iterator[Packet]:
    """Add a stream of PCM to a film, of 16 bits or of 24 where it is finer, and yield its packets.

    Args:
        path: of the film that the sound is from.
        stream: its sound, of which `can_decode` holds.
    """
    frames = _frames(path, stream.index)
    first = next(frames)
    is_fine = first.format.name.startswith("s32")
    sound = result.add_stream("pcm_s24le" if is_fine else "pcm_s16le", first.sample_rate)
    assert isinstance(sound, AudioStream)
    sound.codec_context.layout = first.layout
    sound.metadata.update(stream.metadata)
    sound.disposition = stream.disposition
    resampler = av.AudioResampler("s32" if is_fine else "s16", first.layout, first.sample_rate)
    return _encoded(chain([first], frames), resampler, sound)


def _encoded(frames: Iterator[av.AudioFrame], resampler: av.AudioResampler, sound: AudioStream) -> Iterator[Packet]:
    for frame in frames:
        for plain in resampler.resample(frame):
            yield from sound.encode(plain)
    yield from sound.encode(None)


def _frames(path: Path, index: int) -> Iterator[av.AudioFrame]:
    """All that can be decoded of the sound; damaged packets are passed over."""
    with opened(path) as container:
        stream = container.streams[index]
        if stream.codec_context is None:
            return
        for packet in container.demux(stream):
            try:
                yield from cast(list[av.AudioFrame], packet.decode())
            except av.InvalidDataError:
                continue
