"""The page as a browser sees it, by Gradio's own client."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gradio")

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from common.pictures.sheets import save_animation
from common.training.runs import is_running

SHEET = ("fashion-cgan", ["Bag"], "", 4, 0, 1, 1)


@pytest.fixture
def visitor(page: Any, tmp_path: Path) -> Client:
    return Client(page[0], verbose=False, download_files=str(tmp_path))


def test_a_sheet_comes_with_its_command(visitor: Client) -> None:
    shown, files, told, command = visitor.predict(*SHEET, api_name="/sheet")
    assert Image.open(shown).size[0] > 100
    assert [Path(path).name for path in files["value"]] == ["samples.png"]
    assert not told["visible"]
    assert command["value"] == "python -m image.generate --device cpu --weights fashion-cgan --n 4 --label Bag"


def test_every_tab_has_its_buttons(visitor: Client) -> None:
    of_images = {"/sheet", "/way", "/colour", "/fill", "/paint", "/edit", "/morph"}
    of_others = {"/enlarge", "/enlarge_film", "/compare", "/write", "/between", "/neighbours", "/origin"}
    of_music = {"/compose", "/harmonise", "/rewrite", "/note", "/morph_note"}
    of_trainings = {"/start", "/stop", "/go_on", "/use_weights"}
    there = set(visitor.view_api(return_format="dict")["named_endpoints"])
    assert there == of_images | of_others | of_music | of_trainings


def test_what_is_not_among_the_choices_is_refused(visitor: Client) -> None:
    with pytest.raises(AppError, match="not in the list of choices"):
        visitor.predict("../../tests", *SHEET[1:], api_name="/sheet")


def test_bad_uploads_are_answered_as_by_the_command(visitor: Client, tmp_path: Path) -> None:
    broken = tmp_path / "<b>broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(AppError) as refused:
        visitor.predict(handle_file(broken), api_name="/colour")
    assert re.search(r"broken\.png is not a picture", str(refused.value))
    assert "<b>" not in str(refused.value)
    assert "/visitors/" not in str(refused.value)


def test_files_of_this_machine_are_no_uploads(page: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("L", (32, 32)).save(secret)
    given = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    asked = httpx.post(f"{page[0]}gradio_api/call/colour", json={"data": [given]})
    answer = httpx.get(f"{page[0]}gradio_api/call/colour/{asked.json()['event_id']}", timeout=60)
    assert answer.text.startswith("event: error")
    assert httpx.get(f"{page[0]}gradio_api/file={secret}").status_code in (403, 404)


def test_the_page_names_no_other_machine(page: Any) -> None:
    config = httpx.get(f"{page[0]}config").json()
    assert not config["analytics_enabled"]
    assert not [one for one in config["components"] if "share" in (one["props"].get("buttons") or ())]
    css = httpx.get(f"{page[0]}theme.css").text
    assert not re.findall(r"url\(['\"]?https?:", css)
    assert not [sheet for sheet in config.get("stylesheets", []) if sheet.startswith("http")]


def test_places_for_words_hold_words_before_anybody_has_seen_them(page: Any) -> None:
    """What stands in a closed part of the page is sent as it is in here."""
    placed = [one["props"] for one in httpx.get(f"{page[0]}config").json()["components"] if one["type"] == "textbox"]
    assert not [one["label"] for one in placed if one.get("interactive") is not False and one["value"] is None]


def test_what_is_cancelled_ends_and_leaves_nothing(page: Any, visitor: Client, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    save_animation([Image.new("RGB", (160, 120), (0, 0, 8 * shade)) for shade in range(30)], film)
    job = visitor.submit(handle_file(film), "x4-base", 0, -1, api_name="/enlarge_film")
    while not job.done():  # a press before it has begun takes it from those that wait, which is Gradio's
        page[1].ended.add(visitor.session_hash)
        time.sleep(0.1)
    with pytest.raises(AppError, match="it was cancelled, and nothing is kept of it"):
        job.result()
    assert not list(page[1].place(visitor.session_hash).rglob("*_x4.mp4"))


def test_two_visitors_have_two_folders(page: Any, tmp_path: Path) -> None:
    _, shop = page
    before = set(shop.root.glob("visitors/*"))
    for name in ("one", "two"):
        Client(page[0], verbose=False, download_files=str(tmp_path / name)).predict(*SHEET, api_name="/sheet")
    assert len(set(shop.root.glob("visitors/*")) - before) == 2


def test_a_training_is_begun_and_stopped_on_the_page_and_its_weights_used_there(page: Any, visitor: Client) -> None:
    _, shop = page
    with pytest.raises(AppError, match="letters, digits, - and _"):
        visitor.predict("Images", "digits", "", None, 5, "../seen", api_name="/start")
    chosen, command = visitor.predict("Images", "digits", "", None, 5, "seen", api_name="/start")
    assert (chosen["value"], chosen["choices"]) == ("seen", [["seen", "seen"]])
    folder = shop.runs / "seen"
    assert command["value"] == f"python -m image.train --device cpu --out {folder} --minutes 5"
    with pytest.raises(AppError, match="seen trains; one training at a time"):
        visitor.predict("Images", "digits", "", None, 5, "another", api_name="/start")
    while not (folder / "metrics.jsonl").exists():
        time.sleep(0.2)
    visitor.predict("seen", api_name="/stop")
    while is_running(folder):
        time.sleep(0.2)
    with pytest.raises(AppError, match="not in the list of choices"):
        visitor.predict(str(folder), *SHEET[1:], api_name="/sheet")
    visitor.predict("seen", api_name="/use_weights")
    _, files, *_ = visitor.predict(str(folder), [], *SHEET[2:], api_name="/sheet")
    assert [Path(path).name for path in files["value"]] == ["samples.png"]
    with pytest.raises(AppError, match="there is no run nothing"):
        visitor.predict("nothing", api_name="/use_weights")
