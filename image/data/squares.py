"""Squares of pictures, for photos that show more than one thing: of few large ones, many to learn from."""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageOps

from common.data.columns import Item, Lazy
from image.data.sources import Pictures

# Of each picture, how many squares lie along its longer and its shorter side, and their side as a share of the shorter.
GRIDS = ((3, 1, 1.0), (3, 2, 0.5))
SQUARES = sum(along * across for along, across, _ in GRIDS)


def in_squares(pictures: Pictures) -> Pictures:
    """Squares of each of some pictures in its place, which have its label, its description and its key.

    So those of one picture are never both learned from and held out. Neighbours overlap where the picture is not long.
    """

    def read(row: int, size: int | None) -> Image.Image:
        smallest = min(share for _, _, share in GRIDS)
        with pictures.read(row // SQUARES, size and round(size / smallest)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return image.crop(box(image.size, row % SQUARES))

    held_out = pictures.held_out
    if isinstance(held_out, tuple):
        share, keys = held_out
        held_out = share, _each_repeated(keys)
    else:
        held_out = held_out.repeat(SQUARES)
    return replace(
        pictures,
        read=read,
        names=Lazy(SQUARES * len(pictures.names), lambda row: f"{pictures.names[row // SQUARES]} {row % SQUARES + 1}"),
        held_out=held_out,
        labels=None if pictures.labels is None else pictures.labels.repeat(SQUARES),
        captions=pictures.captions and _each_repeated(pictures.captions),
    )


def _each_repeated(items: Sequence[Item]) -> Sequence[Item]:
    return Lazy(SQUARES * len(items), lambda row: items[row // SQUARES])


def box(size: tuple[int, int], number: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of one of the squares of a picture, in pixels.

    Args:
        size: width and height.
        number: from 0 to SQUARES - 1.
    """
    squares = [(place, *grid) for grid in GRIDS for place in range(grid[0] * grid[1])]
    number, along, across, share = squares[number]
    side = max(round(min(size) * share), 1)
    columns, rows = (along, across) if size[0] >= size[1] else (across, along)
    row, column = divmod(number, columns)
    left, top = (
        round((length - side) * place / max(count - 1, 1)) if count > 1 else (length - side) // 2
        for length, place, count in ((size[0], column, columns), (size[1], row, rows))
    )
    return left, top, left + side, top + side
