"""Upscaling of films: frame by frame (`common.films.making`)."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from common.films.colours import frame_of, picture_of
from common.films.making import Change, make_film, require_size
from common.films.reading import Film, survey
from superres.upscaling import Model, TiledUpscaler
from superres.video.deflicker import BEFORE, Deflicker
from superres.video.unchanged_tiles import FrameUpscaler


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
        output: the file to write, of a container in `common.films.writing.CONTAINERS`; one that is there is replaced.
        model: upscales by its own scale, as often as it takes; the excess is resized.
        scale: size of the output by that of the source, up to an even number; None: the model's own.
        tile: longest side of what the network gets at once, in pixels; None: as the free memory allows.
        deflicker: average frames with those before where nothing moves.
        made_with: what else decides on the pixels, such as the names of weights, for comparison with segments.

    Raises:
        UserError: the film is unreadable or without pictures, or as `make_film`.
        KeyboardInterrupt: with a text that says how to go on.
    """
    film, upscaler = survey(source), TiledUpscaler(model, scale, tile)

    def upscaled(film: Film, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        return upscaled_frames(film, frames, upscaler, deflicker)

    settings = {"scale": upscaler.scale, **(made_with or {})}
    settings |= {"deflicker": True} if deflicker else {}  # films begun before there was any go on
    change = Change(upscaled, *even_size(upscaler, film), settings, before=BEFORE if deflicker else 0)
    make_film(film, output, change, codec=codec, crf=crf, overwrite=overwrite, drop=drop)


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
        require_size(film, frame)
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
