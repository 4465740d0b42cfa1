"""Films of a second or less, made for tests and looked into."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from common.errors import UserError
from superres.video.upscaling import upscale_video

HEIGHT, WIDTH, RATE = 24, 32, 48_000
MILLISECONDS = Fraction(1, 1000)


def noise(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[NDArray[np.uint8]]:
    """Pictures that move."""
    base = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return [np.roll(base, k, 1) for k in range(count)]


def make(
    path: Path,
    pictures: list[NDArray[Any]],
    stamps: list[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    audio: str | None = "aac",
    turned: float | None = None,
    options: dict[str, str] | None = None,
    **tags: int,
) -> Path:
    """A film of these pictures, with a tone where `audio` names a codec."""
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, 25, options)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt, video.codec_context.time_base = pixels, time_base
        for name, value in tags.items():
            setattr(video.codec_context, name, value)
        if turned is not None:
            video.set_display_rotation(turned, hflip=True)
        tone = film.add_stream(audio, RATE) if audio else None
        if tone is not None and audio in ("wmav1", "wmav2"):
            tone.bit_rate = 96_000  # there is none by default
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24" if picture.dtype == np.uint8 else "rgb48le")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = (k * 512 if stamps is None else stamps[k]), time_base
            film.mux(video.encode(frame))
            if tone is not None:
                film.mux(tone.encode(sine(k)))
        for stream in film.streams:
            film.mux(stream.encode(None))
    return path


def sine(number: int) -> av.AudioFrame:
    """The sound of one frame."""
    moments = np.arange(number * RATE // 25, (number + 1) * RATE // 25)
    wave = 0.3 * np.sin(2 * np.pi * 440 * moments / RATE).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE, int(moments[0]), Fraction(1, RATE)
    return frame


def moments(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as film:
        return [frame.pts * frame.time_base for frame in film.decode(video=0)]


def frames(path: Path) -> list[NDArray[Any]]:
    """As they are stored, without conversion of colours."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray() for frame in film.decode(video=0)]


def sounds(path: Path) -> NDArray[np.float32]:
    """The sound, decoded, (channels, samples) in [-1, 1]."""
    with av.open(str(path)) as film:
        resampler = av.AudioResampler("fltp")
        frames = [even for frame in film.decode(audio=0) for even in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray() for frame in frames], 1)


def others(path: Path) -> dict[int, list[tuple[Fraction, bytes]]]:
    """By stream, the times and the contents of all packets but those of the picture."""
    found: dict[int, list[tuple[Fraction, bytes]]] = {}
    with av.open(str(path)) as film:
        for packet in film.demux():
            if packet.size and packet.stream_index:
                found.setdefault(packet.stream_index, []).append((packet.pts * packet.time_base, bytes(packet)))
    return found


def refused(source: Path, model: Any, match: str, output: str = "out.mp4", **settings: Any) -> None:
    """One line that matches, and nothing written."""
    before = sorted(source.parent.iterdir())
    with pytest.raises(UserError, match=match) as caught:
        upscale_video(source, source.parent / output, model, **settings)
    assert "\n" not in str(caught.value)
    assert sorted(source.parent.iterdir()) == before
