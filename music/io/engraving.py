"""Engraved scores: MusicXML set as pages by Verovio, of the extra `scores`, and written as SVG or PDF."""

import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from common.errors import UserError
from common.files import replacing

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
WIDTH, HEIGHT, TALLEST = 2100, 2970, 60_000  # tenths of a millimetre: A4, and the most that Verovio sets as one page
SCALE, UNIT = 42, 8  # of an SVG, in per cent of 0.1 mm a pixel; half the space between two lines, in 0.1 mm
EM = 1000  # units of the music font's glyphs
NEEDED = ("verovio", "svglib", "reportlab")


def require_engraver(path: str) -> None:
    """Raise a UserError, which names the file that is to be written, where the extra is not installed."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        advice = "pip install 'quartet-gen[scores]', or name a .musicxml file"
        raise UserError(f"--out {path}: engraving needs {' and '.join(missing)}; {advice}")


def save_svg(musicxml: str, path: str | Path) -> None:
    """Write a score as one SVG picture, as high as it needs to be, whole or not at all.

    Raises:
        UserError: it is higher than `TALLEST`, or the file cannot be written.
    """
    pages = _pages(musicxml, adjustPageHeight=True, pageHeight=TALLEST)
    if len(pages) > 1:
        raise UserError(f"{path}: the score is too long for one picture; write it as .pdf")
    with replacing(path) as temporary:
        temporary.write_text(pages[0], encoding="utf-8")


def save_pdf(musicxml: str, path: str | Path) -> None:
    """Write a score as a PDF of A4 pages, drawn in lines, whole or not at all; the same score gives the same bytes.

    Raises:
        UserError: the file cannot be written.
    """
    from reportlab.graphics import renderPDF
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas
    from svglib.svglib import svg2rlg

    with replacing(path) as temporary:
        canvas = Canvas(str(temporary), A4, invariant=True)
        canvas.setTitle(Path(path).stem)
        for page in _pages(musicxml, pageHeight=HEIGHT):
            drawing: Any = svg2rlg(io.BytesIO(page.encode()))
            drawing.scale(A4[0] / drawing.width, A4[1] / drawing.height)
            renderPDF.draw(drawing, canvas, 0, 0)
            canvas.showPage()
        canvas.save()


def _pages(musicxml: str, **options: Any) -> list[str]:
    """The pages of a score, as the text of an SVG each."""
    import verovio

    data = Path(verovio.__file__).parent / "data"
    verovio.setDefaultResourcePath(str(data))  # which it knows in that thread alone that imported it
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    fixed = {
        "pageWidth": WIDTH,
        "scale": SCALE,
        "unit": UNIT,
        "footer": "none",
        "smuflTextFont": "none",
        "xmlIdSeed": 1,
    }
    toolkit.setOptions(fixed | options)
    if not toolkit.loadData(musicxml):
        raise RuntimeError("Verovio cannot read the score")
    return [_drawn_texts(toolkit.renderToSVG(number + 1), data / "Leipzig") for number in range(toolkit.getPageCount())]


# --- Texts ------------------------------------------------------------------------------------------------------------


@dataclass
class _Line:
    """A text at one place: its letters, and the notes before them, which are glyphs of the music font."""

    x: float
    y: float
    anchor: str
    notes: str = ""
    note_size: float = 0.0
    letters: str = ""
    size: float = 0.0


def _drawn_texts(svg: str, glyphs: Path) -> str:
    """Flatten Verovio's nested texts, and draw notes inside of them as outlines.

    They stand in a font that only browsers load from an SVG; other programs show empty boxes.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.fromstring(svg)
    for inner in root.findall(f"{{{SVG}}}svg"):  # a picture in the picture, which svglib would scale twice
        inner.tag, root.attrib["viewBox"] = f"{{{SVG}}}g", inner.attrib.pop("viewBox")
    for parent in list(root.iter()):
        for index, text in enumerate(list(parent)):
            if text.tag == f"{{{SVG}}}text":
                parent[index] = group = ElementTree.Element(f"{{{SVG}}}g")
                for line in _lines(text):
                    _draw(line, group, glyphs)
    return ElementTree.tostring(root, encoding="unicode")


def _lines(text: ElementTree.Element) -> list[_Line]:
    """What stands in a text, with a new line wherever a place is given."""
    lines: list[_Line] = []
    for element in text.iter():
        if element.get("x"):
            place = float(element.get("x", 0)), float(element.get("y", 0))
            lines.append(_Line(*place, element.get("text-anchor", "start")))
        words, size = (element.text or "").strip("\n"), float(element.get("font-size", "0px").removesuffix("px"))
        if len(element) == 0 and lines and size:
            if element.get("font-family"):
                lines[-1].notes, lines[-1].note_size = lines[-1].notes + words, size
            else:
                lines[-1].letters, lines[-1].size = lines[-1].letters + words, size
    return lines


def _draw(line: _Line, group: ElementTree.Element, glyphs: Path) -> None:
    x, scale = line.x, line.note_size / EM
    for note in line.notes:
        outlines, width = _glyph(glyphs, note)
        place = f"translate({x},{line.y}) scale({scale})"
        ElementTree.SubElement(group, f"{{{SVG}}}g", transform=place).extend(outlines)
        x += width * scale
    if letters := " ".join(line.letters.split()):  # Verovio sets spaces that do not break
        x += line.size / 3 if line.notes else 0  # a space, which some programs leave out at a text's beginning
        said = {"x": f"{x}", "y": f"{line.y}", "font-size": f"{line.size}px", "text-anchor": line.anchor}
        ElementTree.SubElement(group, f"{{{SVG}}}text", said).text = letters


def _glyph(glyphs: Path, character: str) -> tuple[list[ElementTree.Element], float]:
    """A glyph's outlines, of which a space has none, and its width, in `EM`s."""
    code = f"{ord(character):04X}"
    outlines = list(ElementTree.parse(glyphs / f"{code}.xml").getroot())
    for outline in outlines:
        outline.tag, outline.attrib["style"] = f"{{{SVG}}}path", "stroke:none"
    table = ElementTree.parse(glyphs.with_suffix(".xml")).getroot()
    return outlines, next((float(entry.get("h-a-x", 0)) for entry in table if entry.get("c") == code), 0.0)
