"""The page in a browser: clicked, typed into, loaded anew, looked at by two, and narrow as on a phone."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pretty_midi import Instrument, Note, PrettyMIDI

import image
from common.errors import UserError
from common.pictures.sheets import save_animation
from common.training.runs import is_running
from studio.images import colour as coloured

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")

PATH = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(PATH is None, reason="there is no Chromium")

TABS = ("Images", "Super-resolution", "Text", "Music", "Sounds", "Origin", "Train")
WAITED = 300_000  # milliseconds for what a busy machine makes
PHONE = {"width": 390, "height": 800}  # pixels
DESK = {"width": 1_280, "height": 900}


class Visitor:
    """Somebody with a browser of their own, whose requests to other machines are refused and written down."""

    def __init__(self, browser: Any, address: str) -> None:
        self.context = browser.new_context(viewport=DESK, reduced_motion="reduce")
        self.address, self.outside, self.errors = address, list[str](), list[str]()
        self.context.route(lambda url: not url.startswith(address), self._refuse)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAITED)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.load()

    def _refuse(self, route: Any) -> None:
        if route.request.url.startswith(("data:", "blob:")):  # of the page itself
            route.continue_()
            return
        self.outside.append(route.request.url)
        route.abort()

    def load(self) -> None:
        """Open the page, anew if it is open, and wait until it works."""
        self.page.goto(self.address)
        self.page.get_by_role("button", name="Draw", exact=True).wait_for()

    def open(self, *tabs: str) -> None:
        """Press tabs, one inside of the other."""
        for name in tabs:
            self.page.get_by_role("tab", name=name, exact=True).click()

    def open_narrow(self, name: str) -> None:
        """Press a tab that may be in the menu of those for which there is no room."""
        tab = self.page.get_by_role("tab", name=name, exact=True)
        if not tab.count():
            self.page.get_by_label("More tabs").first.click()
            tab = self.page.get_by_role("button", name=name, exact=True).locator("visible=true")
        tab.first.click()
        self.page.get_by_role("tab", name=name, exact=True, selected=True).wait_for()

    def reach(self, name: str) -> None:
        """Go on by the key Tab to what is called so."""
        named = "name => [document.activeElement.ariaLabel, document.activeElement.innerText].includes(name)"
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(named, name):
                return
        raise AssertionError(f"{name} cannot be reached by Tab")

    def type(self, label: str, text: str) -> None:
        """Replace what stands in a place, as it is called on the page."""
        place = self.page.get_by_label(label).locator("visible=true").first
        place.fill(text)
        place.press("Tab")

    def choose(self, label: str, text: str) -> None:
        """Choose something in a list that opens."""
        self.page.get_by_role("combobox", name=label).locator("visible=true").first.click()
        self.page.get_by_role("option", name=text, exact=True).first.click()

    def upload(self, path: Path) -> None:
        """Upload a file where one is asked for, in the place of one that is there."""
        there = self.page.get_by_label("Clear", exact=True).locator("visible=true")
        if there.count():
            there.first.click()
        self.choose_file("Click to upload or drop files", path)
        self.page.get_by_role("cell", name=path.stem).locator("visible=true").first.wait_for()

    def choose_file(self, label: str, path: Path) -> None:
        """Choose a file where a press opens the dialogue for that."""
        with self.page.expect_file_chooser() as chosen:
            self.page.get_by_label(label, exact=True).locator("visible=true").first.click()
        chosen.value.set_files(path)

    def press(self, button: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=button, exact=True).locator("visible=true").first.click()

    def command(self, begins: str, has: str = "") -> str:
        """The command below a result, once one that begins so and has this in it stands there."""
        shown = self.page.locator(".cm-content:visible", has_text=f"python -m {begins}").filter(has_text=has).first
        shown.wait_for()
        return str(shown.inner_text())

    def refusal(self) -> str:
        """What the page says did not work; it is closed then."""
        said = self.page.locator(".toast-body").first
        said.wait_for()
        text = str(said.inner_text())
        self.page.locator(".toast-close").first.click()
        return text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For this file alone: while it is there, nothing else can use asyncio."""
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=PATH, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, page: Any) -> Iterator[Callable[[], Visitor]]:
    """Opens the page as somebody new; whoever came asked no other machine for anything, and nothing broke."""
    came: list[Visitor] = []

    def visiting() -> Visitor:
        came.append(Visitor(browser, page[0]))
        return came[-1]

    yield visiting
    for visitor in came:
        visitor.context.close()
        assert visitor.outside == visitor.errors == []


@pytest.fixture(scope="module")
def somebody(browser: Any, page: Any) -> Iterator[Visitor]:
    """One visitor for all tests that do not load the page anew."""
    visitor = Visitor(browser, page[0])
    yield visitor
    visitor.context.close()
    assert visitor.outside == visitor.errors == []


def photo(folder: Path, name: str = "photo.png") -> Path:
    Image.radial_gradient("L").resize((48, 40)).save(folder / name)
    return folder / name


def draw(somebody: Visitor, _: Path) -> None:
    somebody.open("Images", "Draw")
    somebody.type("number input for Pictures", "4")
    somebody.choose("Classes", "Bag")
    somebody.page.keyboard.press("Escape")
    somebody.press("Draw")


def colour(somebody: Visitor, folder: Path) -> None:
    somebody.open("Images", "Colour a photo")
    somebody.upload(photo(folder))
    somebody.press("Colour it")


def enlarge(somebody: Visitor, folder: Path) -> None:
    somebody.open("Super-resolution", "Enlarge")
    somebody.upload(photo(folder))
    somebody.choose("Weights", "x2-fast")
    somebody.press("Enlarge")


def write(somebody: Visitor, _: Path) -> None:
    somebody.open("Text", "Write")
    somebody.type("number input for Texts", "1")
    somebody.press("Write")


def compose(somebody: Visitor, _: Path) -> None:
    somebody.open("Music", "Compose")
    somebody.type("number input for Bars", "4")
    somebody.press("Compose")


def lead_texts(somebody: Visitor, _: Path) -> None:
    somebody.open("Text", "From one to another")
    somebody.press("Write the way")


def lead_notes(somebody: Visitor, _: Path) -> None:
    somebody.open("Sounds", "From one to another")
    somebody.type("Seconds", "1")
    somebody.press("Play")


def edit(somebody: Visitor, folder: Path) -> None:
    image.draw("fashion-vae", n=1, seed=1, device="cpu")[0].save(folder / "garment.png")
    somebody.open("Images", "Edit your own")
    somebody.upload(folder / "garment.png")
    somebody.choose("Weights", "fashion-vae")  # which need no search
    somebody.press("Edit it")


def enlarge_film(somebody: Visitor, folder: Path) -> None:
    save_animation([Image.new("RGB", (32, 32), (0, 0, 40 * shade)) for shade in range(6)], folder / "film.mp4")
    somebody.open("Super-resolution", "Enlarge a film")
    somebody.upload(folder / "film.mp4")
    somebody.choose("Weights", "x2-fast")
    somebody.press("Enlarge")


def rewrite(somebody: Visitor, _: Path) -> None:
    somebody.open("Music", "Rewrite")
    somebody.press("Rewrite")


def lead(somebody: Visitor, _: Path) -> None:
    somebody.open("Images", "From one to another")
    somebody.press("Draw the way")


def compare(somebody: Visitor, folder: Path) -> None:
    somebody.open("Super-resolution", "Compare weights")
    somebody.upload(photo(folder))
    somebody.type("number input for Square", "16")
    somebody.press("Compare")


def tell(somebody: Visitor, folder: Path) -> None:
    """Of the sheet that was drawn first."""
    somebody.open("Images", "Draw")
    with somebody.page.expect_download() as download:
        somebody.page.locator("a[download='samples.png']:visible").first.click()
    download.value.save_as(folder / "samples.png")
    somebody.open("Origin")
    somebody.upload(folder / "samples.png")
    somebody.press("How was it made?")


def play(somebody: Visitor, _: Path) -> None:
    somebody.open("Sounds", "Notes")
    somebody.type("Seconds", "1")
    somebody.press("Play")


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (draw, "image.generate --device cpu --weights fashion-cgan --n 4 --label Bag"),
        (colour, "image.translate photo.png --device cpu --task colorize"),
        (enlarge, "superres.upscale photo.png --device cpu --weights x2-fast"),
        (write, "text.generate --device cpu --n 1"),
        (compose, "music.generate --device cpu --style chorale --bars 4"),
        (rewrite, "music.generate --device cpu --style chorale --rewrite song.mid --at-bars 1-2"),
        (play, "music.sound.generate --device cpu"),
        (lead, "image.generate --device cpu --weights fashion-cgan --n 1 --label"),
        (compare, "superres.compare photo-16-12.png --device cpu --crops 1 --side 16"),
        (lead_texts, "text.generate --device cpu --n 9 --interpolate"),
        (lead_notes, "music.sound.generate --device cpu --morph flute cello"),
        (edit, "image.edit garment.png --device cpu --weights fashion-vae"),
        (enlarge_film, "superres.upscale film.mp4 --device cpu --weights x2-fast"),
        (tell, "common.provenance samples.png"),
    ],
)
def test_every_tab_makes_its_thing_by_clicks(
    somebody: Visitor, tmp_path: Path, make: Callable[[Visitor, Path], None], shown: str
) -> None:
    make(somebody, tmp_path)
    assert somebody.command(shown)


SEEK = """(audio, second) => new Promise(heard => {
  const seen = () => [...document.querySelectorAll("#piece .image-frame > *")].map(one => one.getBoundingClientRect());
  audio.addEventListener("timeupdate", () => setTimeout(() => heard(seen().map(box => box.toJSON()))), { once: true });
  audio.currentTime = second;
})"""


def test_a_line_goes_over_the_roll_while_a_piece_is_heard(somebody: Visitor, page: Any, tmp_path: Path) -> None:
    song = PrettyMIDI(initial_tempo=120)
    song.instruments.append(Instrument(0))
    song.instruments[0].notes = [Note(80, 60 + 2 * beat, beat / 2, beat / 2 + 0.5) for beat in range(8)]
    song.write(str(tmp_path / "melody.mid"))
    somebody.open("Music", "Harmonise")
    somebody.upload(tmp_path / "melody.mid")
    somebody.press("Harmonise")
    assert somebody.command("music.generate --device cpu --style chorale --melody melody.mid")
    roll = max(page[1].root.glob("visitors/*/*/song.png"), key=lambda path: path.stat().st_mtime)
    frame = np.flatnonzero((np.asarray(Image.open(roll).convert("L"))[60:80] < 20).all(axis=0))  # of 4 seconds
    player = somebody.page.locator("#piece audio")
    for size, second in ((DESK, 1), (PHONE, 3), (DESK, 4)):
        somebody.page.set_viewport_size(size)
        picture, line = player.evaluate(SEEK, second)
        scale = picture["width"] / Image.open(roll).width
        there = picture["left"] + scale * (frame[0] + (frame[-1] - frame[0]) * second / 4)
        assert line["left"] + line["width"] / 2 == pytest.approx(there, abs=2)
        assert line["height"] == pytest.approx(picture["height"], abs=2)
    player.evaluate("audio => { audio.currentTime = 0; return audio.play(); }")
    place = "document.querySelector('#piece .now').offsetLeft"
    somebody.page.wait_for_function(f"{place} > {frame[0] * scale + 9} && {place} < {frame[-1] * scale - 9}")
    player.evaluate("audio => audio.pause()")


def test_bad_uploads_are_answered_by_the_message_of_the_command(somebody: Visitor, page: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    folder = page[1].new_folder("me")
    with pytest.raises(UserError) as refused:
        coloured(page[1], folder, str(broken))
    somebody.open("Images", "Colour a photo")
    somebody.upload(broken)
    somebody.press("Colour it")
    assert str(refused.value).replace(f"{folder}/", "") in somebody.refusal()


def test_two_at_once_do_not_see_each_others_files(somebody: Visitor, page: Any, visit: Callable[[], Visitor]) -> None:
    other = visit()
    assert other.page.locator(".cm-content:visible").count() == 0
    before = set(page[1].root.glob("visitors/*/*/samples.png"))
    for visitor, seed in ((somebody, "11"), (other, "12")):
        visitor.open("Images", "Draw")
        visitor.type("number input for Pictures", "4")
        visitor.type("Seed", seed)
    for visitor in (somebody, other):
        visitor.press("Draw")
    assert somebody.command("image.generate", "--seed 11")
    assert other.command("image.generate", "--seed 12")
    made = set(page[1].root.glob("visitors/*/*/samples.png")) - before
    assert len({path.parents[1] for path in made}) == 2
    shown = [one.page.locator("a[download]:visible").first.get_attribute("href") for one in (somebody, other)]
    assert shown[0] != shown[1]


def test_a_training_is_begun_by_clicks_and_a_reload_loses_nothing(page: Any, visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    visitor.open("Train")
    visitor.type("Name", "clicked")
    visitor.page.get_by_role("button", name="More settings").click()
    visitor.choose("Size of the networks", "debug")
    visitor.press("Start")
    written = f"--out {page[1].runs / 'clicked'} --minutes 10"
    assert visitor.command("image.train --net-size debug", written)  # with more, once it has settled its defaults
    visitor.load()
    visitor.open("Train")
    visitor.page.get_by_text("clicked: running").wait_for()
    assert visitor.command("image.train --net-size debug", written)
    visitor.press("Stop")
    visitor.page.get_by_text("clicked: not running").wait_for()
    assert not is_running(page[1].runs / "clicked")


WIDE = """() => {
  const scrolls = node => node && node !== document.body && (
    ["auto", "scroll"].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  return [...document.querySelectorAll("main *")]
    .filter(node => node.checkVisibility() && !node.closest("[aria-hidden=true]"))  // by which tabs are measured
    .filter(node => node.getBoundingClientRect().right > innerWidth + 1)
    .filter(node => node.getBoundingClientRect().width && !scrolls(node.parentElement))
    .map(node => node.outerHTML.slice(0, 200));
}"""


def test_on_a_phone_every_tab_can_be_opened_and_nothing_leaves_the_screen(somebody: Visitor) -> None:
    somebody.page.set_viewport_size(PHONE)
    for name in TABS:
        somebody.open_narrow(name)
        assert somebody.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
        assert somebody.page.evaluate(WIDE) == [], name
    somebody.page.set_viewport_size(DESK)


def test_tabs_are_reached_and_operated_by_keyboard(somebody: Visitor) -> None:
    somebody.page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    somebody.reach("Text")
    somebody.page.keyboard.press("Enter")
    somebody.reach("Neighbours")
    somebody.page.keyboard.press("Enter")
    somebody.reach("number input for Texts")
    somebody.page.keyboard.press("Control+A")
    somebody.page.keyboard.type("1")
    somebody.reach("Write neighbours")
    somebody.page.keyboard.press("Enter")
    assert somebody.command("text.generate", "--n 1 --like")


def stroke(page: Any) -> None:
    """A line over the middle of the place where one draws."""
    page.locator("canvas:visible").first.wait_for()
    place = page.locator("canvas:visible").first.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x - 40, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 20, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)  # in which the drawing is taken over


def fill(somebody: Visitor, folder: Path) -> None:
    somebody.open("Images", "Fill a hole")
    somebody.choose_file("Upload", photo(folder))
    somebody.page.wait_for_timeout(1_000)  # in which it is drawn
    somebody.page.get_by_label("Brush", exact=True).locator("visible=true").first.click()
    stroke(somebody.page)
    somebody.press("Fill it")


def paint(somebody: Visitor, _: Path) -> None:
    somebody.open("Images", "Drawing to picture")
    somebody.page.get_by_label("Brush", exact=True).locator("visible=true").first.click()
    stroke(somebody.page)
    somebody.press("Make a picture of it")


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (fill, "image.translate picture.png --device cpu --task inpaint --mask mask.png"),
        (paint, "image.translate drawing.png --device cpu --task edges"),
    ],
)
def test_what_is_drawn_by_hand_becomes_a_picture(
    somebody: Visitor, tmp_path: Path, make: Callable[[Visitor, Path], None], shown: str
) -> None:
    """At the end, because Gradio's canvas draws itself anew all the time once it has been seen."""
    make(somebody, tmp_path)
    assert somebody.command(shown)
