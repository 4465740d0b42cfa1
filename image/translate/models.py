"""A trained translator as one thing to use: pictures of any size in, pictures out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label
from torch import Tensor
from torch.nn import functional as F

from common.errors import UserError
from common.pictures.reading import Picture, Pixels
from common.pictures.tiles import Cut, tiles
from common.schema import from_json
from common.training.devices import placed
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from image.data.loading import to_model
from image.translate.chroma import coloured, rounded_luma
from image.translate.colorizer import Colorizer, ColorizerConfig
from image.translate.config import TaskName
from image.translate.exemplars import guessed
from image.translate.hints import hinted
from image.translate.holes import deepest, depth
from image.translate.inpainter import Inpainter, InpainterConfig
from image.translate.networks import Local, Translator, TranslatorConfig
from image.translate.pages import Page
from image.translate.tasks import GAIN

TILE = 2_048  # longest side of what goes through the network at a time, in pixels
GRID = 64  # a multiple of every network's stride, in pixels


@dataclass(frozen=True)
class TranslationModel:
    """A translator with what is needed to use it.

    Attributes:
        network: in evaluation mode. A colorizer colours pictures as a whole, and all others work in tiles.
        name: of the weights.
        data: what it was trained on: "name", "key" and "patch".
        tile: longest side of what goes through the network at a time, in pixels.
    """

    network: Translator | Inpainter | Colorizer
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    tile: int = TILE

    @property
    def task(self) -> TaskName:
        """The task that the network was trained for."""
        return self.network.config.task

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @torch.inference_mode()
    def translate(self, source: Tensor, advance: Callable[[float], Any] = lambda count: None) -> Tensor:
        """Sources of any size -> what the network says, float32 on the CPU, (N, C, H, W) -> (N, C', H, W).

        Args:
            advance: is told how many pixels of `source` are done.
        """
        if not isinstance(self.network, Colorizer):
            if not self.network.task.mirrored:
                return self._tiled(self.network, source, advance)
            ways = [source, source.flip(3)]
            first, second = (self._tiled(self.network, way, lambda count: advance(count / 2)) for way in ways)
            return (first + second.flip(3)) / 2
        made = self.network(source.to(self.device)).float().cpu()
        advance(source.shape[2] * source.shape[3])
        return made

    def _tiled(self, network: Translator | Inpainter, source: Tensor, advance: Callable[[float], Any]) -> Tensor:
        """As `translate`. The border is repeated up to a multiple of the network's stride.

        Tiles overlap by its radius, so that the result is what it would be in one piece, up to rounding. Tiles
        without a hole to fill stay what they are.
        """
        stride, (height, width) = network.config.stride, source.shape[2:]
        source = F.pad(source, (0, -width % stride, 0, -height % stride), mode="replicate")
        result = torch.empty(len(source), network.task.outputs, *source.shape[2:])
        rows, columns = (side // stride for side in source.shape[2:])
        margin = -(-network.config.radius // stride)
        for row in tiles(rows, columns, max(self.tile // stride, 2 * margin + 1), margin):
            for tile in row:
                known = source[(..., *tile.placed(stride))]
                if self.task == "inpaint" and not known[:, 3:4].any():
                    result[(..., *tile.placed(stride))] = known[:, :3]
                    continue
                region = source[(..., _times(tile.rows, stride), _times(tile.columns, stride))].to(self.device)
                output = network(region.contiguous(memory_format=torch.channels_last)).float().cpu()
                result[(..., *tile.placed(stride))] = output[(..., *tile.kept(stride))]
            advance(height * width * (row[0].rows.stop - row[0].rows.start) / rows)
        return result[..., :height, :width]

    def picture(
        self,
        picture: Picture,
        hole: NDArray[np.bool_] | None = None,
        advance: Callable[[float], Any] = lambda count: None,
        note: Callable[[str], Any] = lambda line: None,
        hints: Picture | None = None,
    ) -> Picture:
        """Translate a picture, with 8 or 16 bits; what is not translated stays what it was to the last bit.

        Args:
            hole: of inpainting, (H, W); by default where the picture is invisible.
            advance: is told how many pixels are done.
            note: is told, in a line, why the result may be poor.
            hints: for a colorizer, colours where they are to be seen, and transparent elsewhere.

        Raises:
            UserError: there is no hole to fill, or hole or hints are of another size than the picture.
        """
        pixels, most = picture.pixels, np.iinfo(picture.pixels.dtype).max
        colours, alpha = np.split(pixels, [1 if picture.is_grey else 3], 2)
        icc = None if picture.is_grey else picture.icc  # the profile of a grey picture would not fit its colours
        if self.task == "colorize":
            changed = self._coloured(colours, most, advance, hints)
        elif self.task == "inpaint":
            hole = _hole(hole, alpha, colours.shape[:2])
            changed = self._filled(colours, hole, most, advance, note)
            alpha = np.where(hole[..., None], most, alpha).astype(pixels.dtype)
            alpha = alpha[..., : 0 if (alpha == most).all() else None]
        else:
            opaque, alpha = _over_white(colours, alpha, most), alpha[..., :0]
            if self.task == "edges":
                changed = self._painted(opaque, most, advance, note)
            else:
                changed = self._drawn(opaque, most, advance)
        return replace(picture, pixels=np.concatenate([changed, alpha], 2), icc=icc)

    def _coloured(self, colours: Pixels, most: int, advance: Callable[[float], Any], hints: Picture | None) -> Pixels:
        grey = grey_of(colours)
        source = 2 * grey.float() / most - 1
        if hints is not None:
            source = torch.cat([source, hinted(hints, colours.shape[:2])], 1)
        chroma = self.translate(source, advance) / GAIN
        return with_chroma(grey, chroma, colours.dtype)

    def _filled(
        self,
        colours: Pixels,
        hole: NDArray[np.bool_],
        most: int,
        advance: Callable[[float], Any],
        note: Callable[[str], Any],
    ) -> Pixels:
        """Holes are filled group by group, and only what lies around each group is looked at."""
        given = np.repeat(colours, 3 // colours.shape[2], 2)
        filled, deep, found = given.copy(), 0.0, list(_groups(hole, cast(Local, self.network.config).radius))
        for place, own in found:
            source = guessed(_to_tensor(given[place], most), torch.from_numpy(hole[place])[None, None].float())
            filled[place][own] = _to_pixels(self.translate(source), most)[own]
            advance(hole.size / len(found))
            deep = max(deep, depth(hole[place]))
        if deep > (learned := deepest(int(self.data["patch"]))):
            note(
                f"the middle of the hole is {deep:.0f} pixels from what is known, and {self.name} learned from up to "
                f"{learned:.0f}; it may look empty there"
            )
        return filled

    def _painted(
        self, colours: Pixels, most: int, advance: Callable[[float], Any], note: Callable[[str], Any]
    ) -> Pixels:
        light = (_to_tensor(colours, most).mean(1, keepdim=True) + 1) / 2
        page = Page.of(light, int(self.data["patch"]))
        for doubt in page.doubts():
            note(doubt)
        share = light.numel() / page.drawing.numel()
        painted = self.translate(page.drawing, lambda count: advance(count * share))
        return _to_pixels(page.enlarged(painted), most).astype(colours.dtype)

    def _drawn(self, colours: Pixels, most: int, advance: Callable[[float], Any]) -> Pixels:
        source = _to_tensor(colours, most).expand(-1, 3, -1, -1)
        return _to_pixels(self.translate(source, advance), most).astype(colours.dtype)


def grey_of(colours: Pixels) -> Tensor:
    """The luma of a picture, whole numbers, (H, W, 1 or 3) -> int64 (1, 1, H, W)."""
    numbers = _channels_first(colours.astype(np.int64))
    return rounded_luma(numbers) if numbers.shape[1] == 3 else numbers


def with_chroma(grey: Tensor, chroma: Tensor, kind: np.dtype[Any]) -> Pixels:
    """The picture of this luma (1, 1, H, W) and chroma (1, 2, H, W), whole numbers of a dtype, (H, W, 3)."""
    return _channels_last(coloured(grey, chroma, np.iinfo(kind).max)).astype(kind)


def load_translation_model(
    source: str, device: torch.device | str = "cpu", tile: int | None = None
) -> TranslationModel:
    """Load a translator by bundled name, path (a weights folder or a run) or Hub id.

    Args:
        tile: default `TILE`.

    Raises:
        UserError: there is none, it is damaged or of another kind; or `tile` is all margin.
    """
    folder = find_weights(source, "image")
    config = load_config(folder, "image", "translator")
    with reading_config(folder):
        kind = _kind(config["network"])
        settings = from_json(kind, config["network"])
        from_json(_StatedData, config["data"], others=True)
    network = load_network(folder, lambda: NETWORKS[kind](settings))
    least = 0 if isinstance(network, Colorizer) else network.config.least_tile
    if tile is not None and tile < least:
        raise UserError(f"--tile {tile}: the network needs tiles of {least} pixels or more")
    return TranslationModel(placed(network, device), folder.resolve().name, config["data"], tile or TILE)


@dataclass(frozen=True)
class _StatedData:
    """What config.json must tell of the data."""

    name: str
    patch: int
    key: str = ""


NETWORKS: dict[type[Any], Callable[..., Translator | Inpainter | Colorizer]] = {
    InpainterConfig: Inpainter,
    ColorizerConfig: Colorizer,
    TranslatorConfig: Translator,
}


def _kind(settings: dict[str, Any]) -> type[Any]:
    """Which settings these are; those of before there was a choice of networks do not name one."""
    if "dilations" in settings:
        return InpainterConfig
    return ColorizerConfig if settings.get("core") == "classes" else TranslatorConfig


def _times(cut: Cut, stride: int) -> slice:
    return slice(cut.first * stride, cut.last * stride)


def _hole(hole: NDArray[np.bool_] | None, alpha: Pixels, size: tuple[int, int]) -> NDArray[np.bool_]:
    if hole is None and not alpha.size:
        raise UserError("nothing is transparent; name a picture that is white where the hole is by --mask")
    found = alpha[..., 0] == 0 if hole is None else hole
    if found.shape != size:
        (height, width), (rows, columns) = size, found.shape
        raise UserError(f"--mask is {columns} x {rows} pixels and the picture {width} x {height}; make them alike")
    if not found.any():
        raise UserError("there is no hole; the --mask must be white where it is, or the picture transparent")
    if found.all():
        raise UserError("the hole is the whole picture; leave something of it")
    return found


def _groups(hole: NDArray[np.bool_], radius: int) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """Holes in neighbouring squares of `GRID` pixels together: the rectangle that decides what fills them, and they.

    The rectangle reaches `radius` further or more; copies are of places in it, so what lies outside counts for nothing.
    """
    margin = -(-radius // GRID)
    padded = np.pad(hole, [(0, -side % GRID) for side in hole.shape])
    numbers, _ = label(reduce(padded, "(y h) (x w) -> y x", "max", h=GRID, w=GRID), np.ones((3, 3)))
    for number, spans in enumerate(find_objects(numbers), 1):
        y, x = (slice(max(0, span.start - margin), span.stop + margin) for span in spans)
        place = slice(y.start * GRID, y.stop * GRID), slice(x.start * GRID, x.stop * GRID)
        own = repeat(numbers[y, x] == number, "y x -> (y h) (x w)", h=GRID, w=GRID)
        inside = hole[place]
        yield place, inside & own[: inside.shape[0], : inside.shape[1]]


def _over_white(colours: Pixels, alpha: Pixels, most: int) -> Pixels:
    if not alpha.size:
        return colours
    share = alpha.astype(np.float64) / most
    return np.rint(colours * share + most * (1 - share)).astype(colours.dtype)


def _to_tensor(colours: Pixels, most: int) -> Tensor:
    """(H, W, C) -> float (1, C, H, W) in [-1, 1]."""
    return to_model(_channels_first(colours.astype(np.float32) * np.float32(255 / most)))


def _to_pixels(output: Tensor, most: int) -> Pixels:
    """Float (1, C, H, W) in [-1, 1] -> whole numbers, (H, W, C)."""
    return _channels_last(((output + 1) * (most / 2)).round().clamp(0, most))


def _channels_first(pixels: Pixels) -> Tensor:
    return rearrange(torch.from_numpy(pixels), "h w c -> 1 c h w")


def _channels_last(images: Tensor) -> Pixels:
    return rearrange(images, "1 c h w -> h w c").numpy()
