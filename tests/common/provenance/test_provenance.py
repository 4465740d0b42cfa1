"""Records in files: there for every kind, true after tags change, no longer true after content does, off at will."""

import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import av
import mido
import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pretty_midi import Instrument, Note, PrettyMIDI

from common.errors import UserError
from common.pictures.conversion import convert_picture
from common.pictures.reading import Picture, read_picture
from common.pictures.sheets import save_animation, save_picture
from common.pictures.writing import write_pictures
from common.provenance import xmp
from common.provenance.marking import marked_row
from common.provenance.reading import read_record
from common.provenance.record import COMPOSITE, GENERATED, VOCABULARY, Record, made_by, recording
from music.io.midi import save_midi
from music.io.sound import save_wav

COMMAND = "python -m image.generate --label 'Ankle boot' --seed 3"
SHEETS = (".png", ".jpg", ".webp")
MOVING = (".gif", ".mp4")
CONVERTED = (".png", ".jpg", ".webp", ".tif", ".gif", ".avif")
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" dc:format="none">'
    "<dc:creator><rdf:Seq><rdf:li>Anaïs</rdf:li></rdf:Seq></dc:creator>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
).encode()


@pytest.fixture(scope="module")
def record() -> Record:
    return made_by("image.generate", COMMAND, 3, ("digits-cgan",), is_composite=False)


def noise(side: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def write(path: Path) -> None:
    """A file of the kind of the ending, by the writer that commands use."""
    image = Image.fromarray(noise())
    if path.suffix in SHEETS:
        save_picture(image, path)
    elif path.suffix in MOVING:
        save_animation([image, image.rotate(90), image.rotate(180)], path)
    elif path.suffix == ".wav":
        save_wav(torch.linspace(-1, 1, 99).expand(1, -1), 8000, path)
    elif path.suffix == ".mid":
        midi, piano = PrettyMIDI(), Instrument(0)
        piano.notes += [Note(90, 60, 0, 0.5), Note(90, 64, 0.5, 1)]
        midi.instruments.append(piano)
        save_midi(midi, path)
    else:
        rows = [marked_row({"text": text, "style": "poem"}) for text in ("one", "two")]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


KINDS = (*SHEETS, *MOVING, ".wav", ".mid", ".jsonl")


def test_a_record_says_what_is_needed_to_make_it_again(record: Record) -> None:
    assert record["made_by"].startswith("Quartet") and record["command"] == COMMAND and record["seed"] == 3
    assert record["digital_source_type"] == VOCABULARY + GENERATED
    (digest,) = record["weights"].values()
    assert digest.startswith("sha256:") and len(digest) == 7 + 64
    assert "seed" not in made_by("superres.upscale", "", None, (), True)


@pytest.mark.parametrize("ending", KINDS)
def test_what_is_written_carries_the_record_and_equal_runs_are_equal(
    ending: str, record: Record, tmp_path: Path
) -> None:
    with recording(record):
        write(tmp_path / f"a{ending}")
        write(tmp_path / f"b{ending}")
    found = read_record(tmp_path / f"a{ending}")
    assert found.is_unchanged and found.record["digest"]
    assert {name: value for name, value in found.record.items() if name != "digest"} == record
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.mark.parametrize("ending", KINDS)
def test_without_a_record_nothing_is_added(ending: str, tmp_path: Path) -> None:
    write(tmp_path / f"a{ending}")
    assert b"Quartet" not in (tmp_path / f"a{ending}").read_bytes()
    with pytest.raises(UserError, match="does not say how it was made"):
        read_record(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", SHEETS)
def test_the_pixels_of_a_sheet_are_the_same_with_and_without_a_record(
    ending: str, record: Record, tmp_path: Path
) -> None:
    write(tmp_path / f"a{ending}")
    with recording(record):
        write(tmp_path / f"b{ending}")
    one, other = (np.asarray(Image.open(tmp_path / f"{name}{ending}")) for name in "ab")
    assert (one == other).all()


def retag_mp4(path: Path, change: Callable[[av.Packet], None]) -> None:
    shutil.copy(path, path.with_name("old.mp4"))
    with av.open(str(path.with_name("old.mp4"))) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        new.metadata.update(old.metadata | {"title": "mine"})
        for packet in list(old.demux(video=0))[:-1]:
            change(packet)
            packet.stream = stream
            new.mux(packet)


def test_tags_may_change_and_content_may_not(record: Record, tmp_path: Path) -> None:
    with recording(record):
        for ending in KINDS:
            write(tmp_path / f"a{ending}")
    png = Image.open(tmp_path / "a.png")
    png.save(tmp_path / "a.png", pnginfo=info_of(png), compress_level=1)
    retag_mp4(tmp_path / "a.mp4", lambda packet: None)
    midi = mido.MidiFile(tmp_path / "a.mid")
    midi.tracks[0].insert(0, mido.MetaMessage("text", text="mine"))
    midi.save(tmp_path / "a.mid")
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes() + b"note\x04\0\0\0mine")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, indent=None) for row in reversed(rows)))
    for ending in (".png", ".mp4", ".mid", ".wav", ".jsonl"):
        assert read_record(tmp_path / f"a{ending}").is_unchanged, ending
    change_content(tmp_path, png)
    for ending in (".png", ".mid", ".wav", ".jsonl"):
        assert not read_record(tmp_path / f"a{ending}").is_unchanged, ending


def info_of(image: Image.Image) -> PngInfo:
    """What a PNG says, and a title."""
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", image.info["xmp"].decode())
    info.add_text("Title", "mine")
    return info


def change_content(folder: Path, png: Image.Image) -> None:
    """Change one pixel, note, sample and word."""
    info = info_of(png)
    png.putpixel((0, 0), (1, 2, 3))
    png.save(folder / "a.png", pnginfo=info)
    midi = mido.MidiFile(folder / "a.mid")
    next(message for message in midi.tracks[1] if message.type == "note_on").note = 61
    midi.save(folder / "a.mid")
    content = bytearray((folder / "a.wav").read_bytes())
    content[60] ^= 1
    (folder / "a.wav").write_bytes(content)
    text = (folder / "a.jsonl").read_text()
    (folder / "a.jsonl").write_text(text.replace('"two"', '"three"'))


@pytest.mark.parametrize("ending", CONVERTED)
def test_converted_pictures_keep_what_their_makers_said(ending: str, tmp_path: Path) -> None:
    record = made_by("image.translate", "python -m image.translate", None, ("colorize",), is_composite=True)
    Image.fromarray(noise()).save(tmp_path / "in.jpg", xmp=XMP)
    with recording(record):
        convert_picture(tmp_path / "in.jpg", tmp_path / f"out{ending}", lambda picture, _: picture)
    convert_picture(tmp_path / "in.jpg", tmp_path / f"plain{ending}", lambda picture, _: picture)
    found = read_record(tmp_path / f"out{ending}")
    assert found.is_unchanged and found.record["digital_source_type"] == VOCABULARY + COMPOSITE
    if ending != ".gif":
        for name in ("out", "plain"):
            packet = read_picture(tmp_path / f"{name}{ending}").xmp or b""
            assert "Anaïs" in packet.decode() or "Ana&#239;s" in packet.decode()
            assert b"Orientation" not in packet and (b"DigitalSourceType" in packet) == (name == "out")


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_of_16_bits_and_transparency_are_recorded(
    ending: str, channels: int, record: Record, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 7, channels), dtype=np.uint16)
    with recording(record):
        write_pictures(tmp_path / f"deep{ending}", [Picture(pixels)])
    assert read_record(tmp_path / f"deep{ending}").is_unchanged


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_animations_are_recorded_frame_by_frame(ending: str, record: Record, tmp_path: Path) -> None:
    frames = [Picture(np.roll(noise(), k, 0), duration=100) for k in range(3)]
    with recording(record):
        write_pictures(tmp_path / f"moving{ending}", frames)
    assert read_record(tmp_path / f"moving{ending}").is_unchanged


def test_what_was_made_from_a_result_tells_of_both(record: Record, tmp_path: Path) -> None:
    with recording(record):
        write(tmp_path / "first.png")
    second = made_by("superres.upscale", "python -m superres.upscale", None, ("x4-fast",), is_composite=True)
    with recording(second):
        convert_picture(tmp_path / "first.png", tmp_path / "second.jpg", lambda picture, _: picture)
    assert read_record(tmp_path / "second.jpg").record["input"]["command"] == COMMAND


@pytest.mark.parametrize(
    "packet",
    [b"", b"no xml", b"<x>", XMP[:-9], b'<!DOCTYPE x [<!ENTITY a "a">]>' + XMP, "\ud800".encode(errors="replace")],
)
def test_malformed_packets_say_nothing(packet: bytes) -> None:
    assert xmp.record_in(packet) is None
    assert xmp.packet(packet, None) is None


def test_a_packet_that_is_too_long_for_a_jpeg_gives_way_to_the_record(record: Record, tmp_path: Path) -> None:
    long = XMP.replace("Anaïs".encode(), b"a" * 64_900)
    with recording(record):
        write_pictures(tmp_path / "a.jpg", [Picture(noise(), xmp=long)])
    assert read_record(tmp_path / "a.jpg").is_unchanged


def test_files_that_cannot_carry_a_record_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a text")
    with pytest.raises(UserError, match=r"a.txt: files of this kind carry no record; .* \.jsonl .*\.png"):
        read_record(tmp_path / "a.txt")
    for ending in KINDS:
        (tmp_path / f"b{ending}").write_bytes(b"\xff" * 50)
        with pytest.raises(UserError, match=f"b{ending}"):
            read_record(tmp_path / f"b{ending}")


def test_a_wav_file_stays_one_that_others_read(record: Record, tmp_path: Path) -> None:
    with recording(record):
        write(tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnframes(), file.getframerate()) == (99, 8000)
    content = (tmp_path / "a.wav").read_bytes()
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
