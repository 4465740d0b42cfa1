"""Films in colour: each frame is given colours, which are held where nothing moves, so that they do not flicker.

What a network makes of one frame it makes a little differently of the next. So the colours of a cell are a mean over
the last frames, in which those count that were as light there as the newest is (as in a bilateral filter, Tomasi &
Manduchi 1998, over time alone): what moves keeps no trail, and a cut begins anew. A frame depends on `KEPT` others and
no more, so that a film that was interrupted goes on exactly.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from torch import Tensor
from torch.nn import functional as F

from common.errors import UserError
from common.films.colours import frame_of, picture_of
from common.films.making import Change, make_film, require_size
from common.films.reading import Film, survey
from image.translate.colorizer import Colorizer
from image.translate.models import TranslationModel, grey_of, with_chroma
from image.translate.tasks import GAIN

KEPT = 15  # frames before the newest, over which colours are averaged
ALIKE = 0.05  # difference of luma, in [-1, 1], at which a cell of another frame counts for .6


class SteadyColours:
    """Colours of frame after frame.

    Args:
        network: what guesses them.
    """

    def __init__(self, network: Colorizer) -> None:
        self.network = network
        self.seen: deque[tuple[Tensor, Tensor]] = deque(maxlen=KEPT + 1)  # luma and colours of cells, the newest last

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """The luma of the next frame, (1, 1, H, W) in [-1, 1] -> its chroma, (1, 2, H, W)."""
        return self.network.spread(source, self.of_cells(source)) / GAIN

    @torch.inference_mode()
    def of_cells(self, source: Tensor) -> Tensor:
        """The colours of the next frame's cells, a* and b*, (1, 2, h, w)."""
        network, config = self.network, self.network.config
        colours = network.colours(network.guess(source), config.temperature, config.balance)
        luma = F.interpolate(source, colours.shape[2:], mode="bilinear", antialias=True)
        self.seen.append((luma, colours))
        weights = torch.cat([torch.exp(-0.5 * ((then - luma) / ALIKE).square()) for then, _ in self.seen])
        found = torch.cat([then for _, then in self.seen])
        return (weights * found).sum(0, keepdim=True) / weights.sum(0, keepdim=True)


def colour_film(source: Path, output: Path, model: TranslationModel, overwrite: bool = False) -> None:
    """Give a film colours, and show progress on stderr; sound and all else stay.

    Args:
        source: any film that FFmpeg reads.
        output: the file to write; one that is there is replaced.
        model: a colorizer that tells classes of colours.
        overwrite: drop what is there of a film that was begun with other settings.

    Raises:
        UserError: the film is unreadable or without pictures, the model is of another kind, or as
            `common.films.making.make_film`.
        KeyboardInterrupt: with a text that says how to go on.
    """
    network = model.network
    if not isinstance(network, Colorizer):
        raise UserError(f"{source}: {model.name} translates pictures and no films; name weights of a colorizer")
    film = survey(source)

    def frames(film: Film, given: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        return coloured_frames(film, given, network)

    even = (film.height + film.height % 2, film.width + film.width % 2)
    make_film(film, output, Change(frames, *even, {"weights": model.name}, before=KEPT), overwrite=overwrite)


def coloured_frames(film: Film, frames: Iterator[av.VideoFrame], network: Colorizer) -> Iterator[av.VideoFrame]:
    """Frames of a film in colour, with their timestamps and durations.

    Raises:
        UserError: the frames change their size.
    """
    steady, reformatter, device = SteadyColours(network), VideoReformatter(), next(network.parameters()).device
    for frame in frames:
        require_size(film, frame)
        pixels = picture_of(frame, film.colours, reformatter)
        grey = grey_of(pixels)
        chroma = steady((2 * grey.float() / np.iinfo(pixels.dtype).max - 1).to(device))
        made = frame_of(with_chroma(grey, chroma.float().cpu(), pixels.dtype), film.colours)
        made.pts, made.time_base, made.duration = frame.pts, film.time_base, frame.duration
        yield made
