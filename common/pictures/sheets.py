"""Pictures for people: grids, labelled sheets, moving pictures and curves.

Images come as batches (N, C, H, W) with one channel or three, uint8 in [0, 255] or float in [-1, 1]. The same input
gives the same pixels.
"""

import io
import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from einops import rearrange, repeat
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from common.errors import UserError
from common.files import replacing
from common.pictures.formats import FORMATS
from common.provenance.marking import save_marked, write_film

VISIBLE = 96  # pixels that a small picture is enlarged to, at most
FONT_SIZE = 16  # pixels
SMALLEST = 9  # pixels, of what must fit above its column
MARGIN = 8  # pixels around a row's label
BACKGROUND = 255
PICTURE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".jpg": {"quality": 95},
    ".jpeg": {"quality": 95},
    ".webp": {"lossless": True},
}


def pictures(images: Tensor) -> list[Image.Image]:
    """Every image of a batch (N, C, H, W) as an RGB picture of its own size."""
    return [Image.fromarray(pixels) for pixels in _to_pixels(images).numpy()]


def grid(images: Tensor, columns: int | None = None, gap: int = 2, upscale: int | None = None) -> Image.Image:
    """Lay a batch out row by row on white.

    Image i starts at x = gap + (i % columns) * (W * upscale + gap), and y likewise from i // columns.

    Args:
        images: (N, C, H, W), at least one.
        columns: images in a row; by default the grid is square, or somewhat wider where this fills its rows.
        gap: white pixels between and around the images.
        upscale: whole factor by which pixels are repeated; by default small images are brought near 96 pixels.
    """
    pixels = _enlarge(_to_pixels(images), upscale)  # (N, H, W, 3)
    count, height, width, _ = pixels.shape
    columns = columns or _filling_columns(count)
    rows = math.ceil(count / columns)
    canvas = torch.full((gap + rows * (height + gap), gap + columns * (width + gap), 3), BACKGROUND, dtype=torch.uint8)
    for index, image in enumerate(pixels):
        y, x = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        canvas[y : y + height, x : x + width] = image
    return Image.fromarray(canvas.numpy())


def sheet(
    rows: Sequence[tuple[str, Tensor]], gap: int = 2, upscale: int | None = None, headings: Sequence[str] = ()
) -> Image.Image:
    """A labelled sheet: one row of images for every (label, images), with the label to the left of it.

    Args:
        rows: labels and their images (N, C, H, W); N and the sizes may differ from row to row.
        gap, upscale: as in `grid`.
        headings: what stands above each image of the first row, "" for nothing; small or cut off where it must be.
    """
    strips = [grid(images, columns=len(images), gap=gap, upscale=upscale) for _, images in rows]
    font = ImageFont.load_default(FONT_SIZE)
    boxes = [_text_box(label, font) for label, _ in rows]
    widest = max(right for right, _ in boxes)
    left, top = widest + 2 * MARGIN if widest else 0, FONT_SIZE + MARGIN if any(headings) else 0
    heights = [max(strip.height, bottom + MARGIN) for strip, (_, bottom) in zip(strips, boxes, strict=True)]
    canvas = Image.new("RGB", (left + max(strip.width for strip in strips), top + sum(heights)), (BACKGROUND,) * 3)
    draw = ImageDraw.Draw(canvas)
    step = (strips[0].width - gap) / len(rows[0][1])
    _write_headings(draw, {left + (i + 0.5) * step: text for i, text in enumerate(headings) if text}, canvas.width)
    for (label, _), strip, height in zip(rows, strips, heights, strict=True):
        canvas.paste(strip, (left, top))
        draw.text((MARGIN, top + height // 2), label, fill=(0, 0, 0), font=font, anchor="lm")
        top += height
    return canvas


def beside(images: Sequence[Image.Image]) -> Image.Image:
    """Pictures next to each other, their upper edges in line."""
    canvas = Image.new(
        "RGB", (sum(image.width for image in images), max(image.height for image in images)), (BACKGROUND,) * 3
    )
    left = 0
    for image in images:
        canvas.paste(image, (left, 0))
        left += image.width
    return canvas


def captioned(image: Image.Image, text: str) -> Image.Image:
    """A picture with a line of text below it, which makes it wider where it must."""
    font = ImageFont.load_default(FONT_SIZE)
    width, height = _text_box(text, font)
    size = max(image.width, width + 2 * MARGIN), image.height + height + 2 * MARGIN
    canvas = Image.new("RGB", size, (BACKGROUND,) * 3)
    canvas.paste(image, (0, 0))
    ImageDraw.Draw(canvas).text((MARGIN, image.height + MARGIN), text, (0, 0, 0), font, anchor="lt")
    return canvas


def curves(rows: Sequence[Mapping[str, Any]], columns: int = 3) -> Image.Image:
    """Draw the figures of a `metrics.jsonl` against the images seen, one small chart for each figure.

    Args:
        rows: one mapping a line, with the number of images seen under "images". Every other number but "step" is a
            figure; a row need not have them all, and what is not a finite number is left out.
        columns: charts in a row.

    Raises:
        UserError: no row has a figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and few callers draw curves
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    series = _series(rows)
    if not series:
        raise UserError("there is nothing to draw: no figures have been logged yet; train for longer")
    columns = min(columns, len(series))
    lines = math.ceil(len(series) / columns)
    figure = Figure(figsize=(4 * columns, 2.4 * lines), dpi=100, layout="constrained")
    for index, (name, points) in enumerate(series.items()):
        axes = figure.add_subplot(lines, columns, index + 1)
        axes.plot(*zip(*points, strict=True), linewidth=1, marker="." if len(points) < 50 else "")
        axes.set_title(name, fontsize=10, loc="left")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    figure.supxlabel("examples seen", fontsize=9)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")


def save_picture(image: Image.Image, path: str | Path) -> None:
    """Write a picture in the format of its ending (.png, .jpg, .jpeg, .webp), whole or not at all.

    Raises:
        UserError: another ending, or the file cannot be written.
    """
    ending = require_ending(path, PICTURE_OPTIONS)
    with replacing(path) as temporary:
        save = partial(image.convert("RGB").save, temporary, **PICTURE_OPTIONS[ending])
        save_marked(temporary, FORMATS[ending], save)


def save_gif(frames: Sequence[Image.Image], path: str | Path, fps: float = 12) -> None:
    """Write frames of one size as a GIF that repeats for ever, whole or not at all.

    A GIF counts time in hundredths of a second, and browsers slow down what is faster than 50 frames a second, so the
    rate is the nearest possible one up to 50. Frames that follow an equal one are stored as a longer wait.

    Raises:
        UserError: the ending is not .gif, or the file cannot be written.
    """
    require_ending(path, [".gif"])
    wait = max(2, round(100 / fps)) * 10  # milliseconds
    with replacing(path) as temporary:
        save = partial(frames[0].save, temporary, save_all=True, append_images=frames[1:], duration=wait, loop=0)
        save_marked(temporary, "GIF", save)


def save_mp4(frames: Sequence[Image.Image], path: str | Path, fps: float = 12) -> None:
    """Write frames of one size as an MP4 (H.264, 8 bits, colour at half the size), whole or not at all.

    Odd sizes become even by a white line at the right or below, as the codec wants.

    Raises:
        UserError: the ending is not .mp4, there is no encoder for it, or the file cannot be written.
    """
    import av  # slow to import, and few callers write films

    require_ending(path, [".mp4"])
    if "libx264" not in av.codecs_available:
        raise UserError(f"cannot write {path}: there is no H.264 encoder here; write a .gif")
    width, height = (side + side % 2 for side in frames[0].size)
    coded = io.BytesIO()
    with av.open(coded, "w", format="mp4") as container:
        stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1000), {"crf": "15"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in frames:
            even = Image.new("RGB", (width, height), (BACKGROUND,) * 3)
            even.paste(image)
            container.mux(stream.encode(av.VideoFrame.from_image(even)))
        container.mux(stream.encode(None))
    with replacing(path) as temporary:
        write_film(coded, temporary)


def save_animation(frames: Sequence[Image.Image], path: str | Path, fps: float = 12) -> None:
    """Write frames of one size as a .gif or an .mp4, by the ending of `path`, whole or not at all.

    Raises:
        UserError: another ending, or as `save_gif` and `save_mp4`.
    """
    save = save_mp4 if require_ending(path, [".gif", ".mp4"]) == ".mp4" else save_gif
    save(frames, path, fps)


def require_ending(path: str | Path, endings: Collection[str]) -> str:
    """The ending of `path` in small letters, if it is one of `endings`; lets a command refuse before it works.

    Raises:
        UserError: it is another one.
    """
    ending = Path(path).suffix.lower()
    if ending not in endings:
        raise UserError(f"cannot write {path}: its name must end in {', '.join(endings)}")
    return ending


def _to_pixels(images: Tensor) -> Tensor:
    """A batch as uint8 RGB with the channels last, (N, H, W, 3); NaN becomes mid-grey."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"images must be (N, 1 or 3, H, W) with N > 0, not {tuple(images.shape)}")
    images = images.detach().cpu()
    if images.dtype != torch.uint8:
        images = images.float().nan_to_num(0).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return rearrange(images.expand(-1, 3, -1, -1), "n c h w -> n h w c").contiguous()


def _enlarge(pixels: Tensor, factor: int | None) -> Tensor:
    """Repeat every pixel `factor` times each way, (N, H, W, 3) -> (N, H * factor, W * factor, 3)."""
    factor = factor or max(1, VISIBLE // max(pixels.shape[1:3]))
    return repeat(pixels, "n h w c -> n (h y) (w x) c", y=factor, x=factor)


def _filling_columns(count: int) -> int:
    """The least number of columns, from a square grid's to below twice that, that fills all rows; else a square's."""
    square = math.ceil(count**0.5)
    return next((columns for columns in range(square, 2 * square) if count % columns == 0), square)


def _write_headings(draw: ImageDraw.ImageDraw, texts: Mapping[float, str], width: int) -> None:
    """Write texts along the upper edge of a canvas of `width` pixels, each centred at its x and clear of the others."""
    room = min((right - left for left, right in pairwise(texts)), default=width) - MARGIN
    sizes = map(ImageFont.load_default, range(FONT_SIZE, SMALLEST, -1))
    fits = (font for font in sizes if all(draw.textlength(text, font) <= room for text in texts.values()))
    font = next(fits, ImageFont.load_default(SMALLEST))
    for x, text in texts.items():
        while draw.textlength(text, font) > room and len(text) > 1:
            text = text.rstrip("…")[:-1] + "…"
        half = draw.textlength(text, font) / 2
        draw.text((min(max(x, half), width - half), (FONT_SIZE + MARGIN) / 2), text, (0, 0, 0), font, anchor="mm")


def _text_box(text: str, font: Any) -> tuple[int, int]:
    """Width and height in pixels that a text of one line or more takes."""
    left, top, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((0, 0), text, font=font)
    return math.ceil(right - left), math.ceil(bottom - top)


def _series(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """(images, value) points of every figure, in the order in which the figures first appear."""
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if "images" in row and name not in ("images", "step") and _is_number(value):
                series.setdefault(name, []).append((row["images"], value))
    return series


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def there_and_back(frames: list[Tensor]) -> list[Tensor]:
    """Frames of an animation that returns to its start, with neither end twice in a row."""
    return frames + frames[-2:0:-1]
