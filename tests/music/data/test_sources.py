"""Notation of any kind comes onto the grid as it is written, and what cannot is a reason and never a crash."""

import io
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shard_making import write_tar

from common.data.folders import short_name
from common.errors import UserError
from music.config import DATA_SETS
from music.data.notation import abc as read_abc
from music.data.notation import bar_starts
from music.data.sources import BUILT_IN, find
from music.data.tunes import Item, Tune, monophonic, parse, plain
from music.theory import METRES, Key, bar_of


def tunes(folder: Path) -> dict[str, Tune | str]:
    """Every tune of a folder by its name, parsed in this process."""
    return {item.name: parse(item) for item in find(str(folder))[1]().items}


def abc(folder: Path, body: str, metre: str = "4/4", key: str = "C", unit: str = "1/8") -> Tune | str:
    """One tune in ABC, by way of a file."""
    folder.mkdir(exist_ok=True)
    (folder / "tune.abc").write_text(f"X:1\nT:Tune\nM:{metre}\nL:{unit}\nK:{key}\n{body}\n")
    return next(iter(tunes(folder).values()))


def notes(tune: Tune | str) -> list[tuple[int, int, int]]:
    """Pitch, first step and length of each note of the first track."""
    assert isinstance(tune, Tune), tune
    return [(pitch, start, stop - start) for track, pitch, start, stop in tune.notes.tolist() if track == 0]


# --- The grid ---------------------------------------------------------------------------------------------------------


def test_an_upbeat_lies_at_the_end_of_a_first_bar() -> None:
    assert bar_starts([4, 16, 16], [False, False], 16) == [12, 16, 32, 48]


def test_the_end_of_a_strain_and_the_next_upbeat_fill_one_bar() -> None:
    assert bar_starts([2, 8, 6, 2, 8, 6], [False, False, True, False, False], 8) == [6, 8, 16, 22, 24, 32, 40]


def test_a_short_bar_without_an_upbeat_after_it_is_filled_up() -> None:
    assert bar_starts([12, 10, 12], [False, False], 12) == [0, 12, 24, 36]


def test_an_upbeat_after_a_full_bar_has_a_bar_of_its_own() -> None:
    assert bar_starts([16, 4, 16], [True, False], 16) == [0, 28, 32, 48]


def test_a_bar_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="written bar 2 lasts 20 steps, where the metre has 16"):
        bar_starts([16, 20], [False], 16)


@given(
    st.sampled_from(sorted({bar_of(metre, 4) for metre in METRES})),
    st.lists(st.tuples(st.floats(0.05, 1), st.booleans()), min_size=1, max_size=20),
)
def test_written_bars_never_overlap_nor_cross_a_bar_line(bar: int, written: list[tuple[float, bool]]) -> None:
    lengths = [max(1, round(share * bar)) for share, _ in written]
    starts = bar_starts(lengths, [opens for _, opens in written[1:]], bar)
    assert starts[-1] % bar == 0
    for start, length, after in zip(starts, lengths, starts[1:], strict=False):
        assert start + length <= after and start // bar == (start + length - 1) // bar


# --- ABC --------------------------------------------------------------------------------------------------------------


def test_pitches_lengths_and_rests(tmp_path: Path) -> None:
    tune = abc(tmp_path, "C2 E2 z2 G/c/d | c8 |")
    assert notes(tune) == [(60, 0, 4), (64, 4, 4), (67, 12, 1), (72, 13, 1), (74, 14, 2), (72, 16, 16)]


def test_ties_join_and_repeated_notes_do_not(tmp_path: Path) -> None:
    assert notes(abc(tmp_path, "C4 C4- | C4 C4 |")) == [(60, 0, 8), (60, 8, 16), (60, 24, 8)]


def test_grace_notes_are_left_out(tmp_path: Path) -> None:
    assert notes(abc(tmp_path, "{d}c4 {ef}g4 | c8 |")) == [(72, 0, 8), (79, 8, 8), (72, 16, 16)]


def test_triplets_move_to_the_nearest_step(tmp_path: Path) -> None:
    tune = abc(tmp_path, "(3cde c2 c2 c2 | c2 c2 c2 c2 | c8 |")
    assert notes(tune)[:4] == [(72, 0, 1), (74, 1, 2), (76, 3, 1), (72, 4, 4)]


def test_a_tune_of_triplets_is_refused(tmp_path: Path) -> None:
    assert "of its 13 notes lie between two steps" in str(abc(tmp_path, "(3cde (3cde (3cde (3cde | c8 |"))


def test_of_two_endings_the_last_is_kept(tmp_path: Path) -> None:
    tune = abc(tmp_path, "|: C8 |1 D8 :|2 E8 || F8 |]")
    assert [pitch for pitch, _, _ in notes(tune)] == [60, 64, 65]
    assert [start for _, start, _ in notes(tune)] == [0, 16, 32]


def test_upbeats_within_a_tune_keep_the_bar_lines_on_the_grid(tmp_path: Path) -> None:
    tune = abc(tmp_path, "G | c6 | c3 c2 :| |: G | c6 | c3 c2 |]", metre="6/8")
    expected = [
        (67, 10, 2),
        (72, 12, 12),
        (72, 24, 6),
        (72, 30, 4),
        (67, 34, 2),
        (72, 36, 12),
        (72, 48, 6),
        (72, 54, 4),
    ]
    assert notes(tune) == expected
    assert isinstance(tune, Tune) and tune.bars == 5


@pytest.mark.parametrize(
    ("name", "key"),
    [("G", Key(7, "major")), ("Amin", Key(9, "minor")), ("Ador", Key(9, "minor")), ("Dmix", Key(2, "major"))],
)
def test_church_modes_count_by_their_third(tmp_path: Path, name: str, key: Key) -> None:
    tonic = name[0]
    tune = abc(tmp_path, f"{tonic}8 | {tonic}8 |", key=name)
    assert isinstance(tune, Tune) and tune.key == key


def test_a_stated_key_yields_to_the_bass_and_the_notes_together(tmp_path: Path) -> None:
    tune = abc(tmp_path, "E2G2B2e2 | e2d2B2G2 | B2A2G2F2 | E8 |", key="G")
    assert isinstance(tune, Tune) and tune.key == Key(4, "minor")


def test_a_file_may_hold_many_tunes_and_old_encodings(tmp_path: Path) -> None:
    head = "M:4/4\nL:1/4\nK:C\n"
    text = f"% Collected\nX:1\nT:Café\n{head}CDEF|\n\nX:7\nT:Two\n{head}EEEE|\n"
    (tmp_path / "book.abc").write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    assert list(tunes(tmp_path)) == ["book.abc X:1 Café", "book.abc X:7 Two"]


@pytest.mark.parametrize(
    ("body", "metre", "reason"),
    [
        ("C8 | [M:3/4] C6 |", "4/4", "its metre changes"),
        ("C10 | C10 |", "5/4", "its metre is 5/4"),
        ("z8 | z8 |", "4/4", "has no notes"),
    ],
)
def test_what_the_grid_cannot_hold_is_a_reason(tmp_path: Path, body: str, metre: str, reason: str) -> None:
    assert reason in str(abc(tmp_path, body, metre=metre))


@given(st.text(alphabet='CDEFGabc123/|:[]()<>-^_={}z \nKMLX"', max_size=80))
def test_no_text_in_abc_brings_the_parser_down(text: str) -> None:
    assert isinstance(parse(Item("x", "x", partial(read_abc, f"X:1\nK:C\n{text}"))), Tune | str)


# --- MusicXML ---------------------------------------------------------------------------------------------------------

XML = """<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>Duo</part-name>
</score-part></part-list><part id="P1">{measures}</part></score-partwise>"""
ATTRIBUTES = (
    "<attributes><divisions>4</divisions>{key}<time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
)
D_MINOR = "<key><fifths>-1</fifths><mode>minor</mode></key>"


def xml(*measures: str, key: str = D_MINOR) -> str:
    """One part in 3/4, four divisions a quarter note."""
    attributes = ATTRIBUTES.format(key=key)
    written = (f'<measure number="{n}">{attributes * (n == 0)}{m}</measure>' for n, m in enumerate(measures))
    return XML.format(measures="".join(written))


def note(step: str, duration: int, extra: str = "", octave: int = 4) -> str:
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    tie = f'<tie type="{extra}"/>' if extra in ("start", "stop") else ""
    return f"<note>{extra if not tie else ''}{pitch}<duration>{duration}</duration>{tie}</note>"


MINUET = xml(note("A", 4), note("D", 8) + note("E", 4, "start"), note("E", 4, "stop") + note("D", 8))


def test_musicxml_with_an_upbeat_and_a_tie(tmp_path: Path) -> None:
    (tmp_path / "minuet.musicxml").write_text(MINUET)
    tune = tunes(tmp_path)["minuet.musicxml"]
    assert notes(tune) == [(69, 8, 4), (62, 12, 8), (64, 20, 8), (62, 28, 8)]
    assert isinstance(tune, Tune) and (tune.metre, tune.bars, tune.key) == ("3/4", 3, Key(2, "minor"))
    assert (tune.tracks[0].name, tune.tracks[0].kind) == ("Duo", "mono")


def test_chords_make_a_track_poly(tmp_path: Path) -> None:
    (tmp_path / "chord.xml").write_text(xml(note("C", 12) + note("E", 12, "<chord/>")))
    tune = tunes(tmp_path)["chord.xml"]
    assert notes(tune) == [(60, 0, 12), (64, 0, 12)]
    assert isinstance(tune, Tune) and tune.tracks[0].kind == "poly"


def test_of_a_chord_some_notes_may_be_tied(tmp_path: Path) -> None:
    measures = (note("C", 12, tie) + note("E", 12, "<chord/>") for tie in ("start", "stop"))
    (tmp_path / "chord.xml").write_text(xml(*measures))
    assert notes(tunes(tmp_path)["chord.xml"]) == [(60, 0, 24), (64, 0, 12), (64, 12, 12)]


def test_packed_musicxml_is_the_same_and_a_packed_giant_is_refused(tmp_path: Path) -> None:
    container = '<container><rootfiles><rootfile full-path="m.xml"/></rootfiles></container>'
    for name, content in (("good", MINUET), ("giant", MINUET + " " * (65 << 20))):
        with zipfile.ZipFile(tmp_path / f"{name}.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("META-INF/container.xml", container)
            archive.writestr("m.xml", content)
    parsed = tunes(tmp_path)
    assert notes(parsed["good.mxl"])[0] == (69, 8, 4)
    assert parsed["giant.mxl"] == "has more than 64 MiB unpacked"


def test_damaged_files_are_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.mxl").write_bytes(b"PK\3\4 no zip")
    (tmp_path / "b.xml").write_text(MINUET[:300])
    (tmp_path / "c.mid").write_bytes(b"MThd")
    (tmp_path / "d.mid").write_bytes(b"")
    (tmp_path / "e.musicxml").write_text("<html/>")
    assert all(isinstance(tune, str) and tune and "\n" not in tune for tune in tunes(tmp_path).values())


@pytest.mark.parametrize(
    ("body", "metre"),
    [
        ("C99999999 | C8 |", "4/4"),
        ("C8 | C8 |", "99999999/4"),
        ("C" * 60_000, "4/4"),
        ("C8 | " + "C" * 400 + " | C8 |", "4/4"),  # music21 would look for a metre of 400 eighths
        ("C8 | C'400 | C8 |", "4/4"),
        ("C2 D2 E2 F2 |" * 400, "4/4"),  # music21 looks through the whole tune for each bar
    ],
)
def test_abc_that_would_take_all_memory_or_time_is_a_reason(tmp_path: Path, body: str, metre: str) -> None:
    assert "has " in str(abc(tmp_path, body, metre=metre))


def test_musicxml_that_would_take_all_memory_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(MINUET.replace("<beats>3", "<beats>99999999"))
    (tmp_path / "b.xml").write_text(MINUET + "<note/>" * 200_001)
    assert all("has " in str(tune) for tune in tunes(tmp_path).values())


def test_a_note_of_a_million_bars_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "long.xml").write_text(xml(note("C", 48_000_000)))
    assert "lasts" in str(tunes(tmp_path)["long.xml"])


# --- Finding ----------------------------------------------------------------------------------------------------------


def test_a_zip_is_the_same_data_as_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "duo"
    folder.mkdir()
    (folder / "minuet.musicxml").write_text(MINUET)
    with zipfile.ZipFile(tmp_path / "duo.zip", "w") as archive:
        archive.write(folder / "minuet.musicxml", "minuet.musicxml")
    (key, music), (zipped_key, zipped) = find(str(folder)), find(str(tmp_path / "duo.zip"))
    assert key == zipped_key
    assert notes(parse(music().items[0])) == notes(parse(zipped().items[0]))


@pytest.mark.parametrize("name", ["missing", "plain.txt"])
def test_what_is_no_data_names_the_flag(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain.txt").write_text("no music")
    with pytest.raises(UserError, match=r"^--data .*(no such file or folder|neither a folder)"):
        find(str(tmp_path / name))


def test_a_folder_without_music_says_which_endings_count(tmp_path: Path) -> None:
    (tmp_path / "cover.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"no music among its 1 files \(\.abc"):
        find(str(tmp_path))


def test_styles_are_sub_folders_and_files_beside_them_are_refused(tmp_path: Path) -> None:
    for style in ("jig", "reel"):
        (tmp_path / style).mkdir()
        (tmp_path / style / "x.mid").write_bytes(io.BytesIO().getvalue())
    assert [item.style for item in find(str(tmp_path))[1]().items] == ["jig", "reel"]
    (tmp_path / "stray.mid").write_bytes(b"")
    with pytest.raises(UserError, match="1 files lie beside sub-folders"):
        find(str(tmp_path))[1]()


def test_titles_without_case_signs_and_articles() -> None:
    assert plain("The Boyne Hunt, A Reel") == plain("BOYNE HUNT -- REEL") == "boynehuntreel"
    assert plain("???") == "???"


def test_short_names() -> None:
    assert [short_name(name) for name in ("chorales", "/a/my.tunes", "b/pop909.tar.gz", "c.zip")] == [
        "chorales",
        "my.tunes",
        "pop909",
        "c",
    ]


# --- Built in ---------------------------------------------------------------------------------------------------------


def test_the_settings_know_what_is_built_in() -> None:
    assert tuple(BUILT_IN) == DATA_SETS


def test_a_chorale_has_four_voices_in_order_and_its_bar_lines() -> None:
    (item,) = [item for item in BUILT_IN["chorales"]().items if item.name == "bwv269"]
    tune = parse(item)
    assert item.title == "ausmeinesherzensgrunde"
    assert isinstance(tune, Tune) and (tune.metre, tune.key) == ("3/4", Key(7, "major"))
    assert [track.name for track in tune.tracks] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert notes(tune)[:6] == [(67, 8, 4), (67, 12, 8), (74, 20, 4), (71, 24, 6), (69, 30, 2), (67, 32, 4)]


def test_dances_have_their_style_and_sixteenths_in_2_4_are_eighths_in_2_2() -> None:
    music = BUILT_IN["dances"]()
    (item,) = [item for item in music.items if item.name == "AcaciaReel Acacia -- Reel"]
    tune = parse(item)
    assert item.style == "reel" and {i.style for i in music.items} > {"jig", "hornpipe", "slip jig", "strathspey"}
    assert isinstance(tune, Tune) and (tune.metre, tune.bars) == ("2/2", 17)
    assert notes(tune)[:6] == [(62, 12, 1), (64, 13, 2), (66, 15, 1), (67, 16, 4), (67, 20, 2), (69, 22, 2)]


# --- Notes ------------------------------------------------------------------------------------------------------------


def test_monophonic_keeps_the_highest_and_cuts_it_off() -> None:
    chord = np.array([[0, 60, 0, 8], [0, 67, 0, 8], [0, 62, 4, 6], [1, 40, 0, 9]], dtype=np.int32)
    assert monophonic(chord).tolist() == [[0, 67, 0, 4], [0, 62, 4, 6], [1, 40, 0, 9]]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 127), st.integers(0, 50), st.integers(1, 9)), min_size=1))
def test_monophonic_never_has_two_notes_of_a_track_at_once(drawn: list[tuple[int, int, int, int]]) -> None:
    table = np.array([(t, p, start, start + length) for t, p, start, length in drawn], dtype=np.int32)
    kept = monophonic(table)
    for track in range(3):
        own = kept[kept[:, 0] == track]
        assert (own[1:, 2] >= own[:-1, 3]).all() and (own[:, 3] > own[:, 2]).all()
    assert set(map(tuple, kept[:, [0, 2]])) == set(map(tuple, table[:, [0, 2]]))


@pytest.mark.parametrize(("diatonic", "chromatic", "octave"), [(-1, -2, 0), (0, 0, -1), (-4, -7, 0), (1, 3, 0)])
def test_transposing_instruments_are_read_as_they_sound(
    diatonic: int, chromatic: int, octave: int, tmp_path: Path
) -> None:
    change = f"<octave-change>{octave}</octave-change>" if octave else ""
    moved = f"<transpose><diatonic>{diatonic}</diatonic><chromatic>{chromatic}</chromatic>{change}</transpose>"
    for name, text in (("plain", MINUET), ("moved", MINUET.replace("</attributes>", f"{moved}</attributes>", 1))):
        (tmp_path / f"{name}.musicxml").write_text(text)
    read = tunes(tmp_path)
    expected = [
        (pitch + chromatic + 12 * octave, start, length) for pitch, start, length in notes(read["plain.musicxml"])
    ]
    assert notes(read["moved.musicxml"]) == expected


def test_keys_and_lengths_inside_of_a_line_of_abc_are_heeded(tmp_path: Path) -> None:
    tune = abc(tmp_path / "a", "CDEF GABc|[K:G]FFFF FFFF|[L:1/4] FFFF|]")
    assert [pitch for pitch, *_ in notes(tune)] == [60, 62, 64, 65, 67, 69, 71, 72, *[66] * 12]
    assert [length for *_, length in notes(tune)] == [2] * 16 + [4] * 4


def test_slurs_in_abc_change_no_note_even_if_they_never_end(tmp_path: Path) -> None:
    plain, slurred = "C2 DE (3FGA G2 | c8 | G8 | C8 |", "(C2 (DE) ((3FGA G2) | (" + "(" * 40 + "c8 | G8 | C8 |"
    first, second = abc(tmp_path, plain), abc(tmp_path, slurred)
    assert isinstance(first, Tune) and isinstance(second, Tune)
    assert np.array_equal(first.notes, second.notes)


# --- Tars -------------------------------------------------------------------------------------------------------------


def test_tars_of_music_are_as_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "tunes"
    for style in ("march", "waltz"):
        for number in range(2):
            (folder / style).mkdir(parents=True, exist_ok=True)
            (folder / style / f"{number}.abc").write_text(f"X:1\nT:{style}\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.abc"))
    for number, some in enumerate((names[:2], names[2:])):
        write_tar(tmp_path / f"{number}.tar", {name: (folder / name).read_bytes() for name in some})
    wanted, found = (find(str(tmp_path / data))[1]() for data in ("tunes", "{0..1}.tar"))
    assert [(item.name, item.style) for item in found.items] == [(item.name, item.style) for item in wanted.items]
    for one, other in zip(found.items, wanted.items, strict=True):
        assert notes(parse(one)) == notes(parse(other)) != []
    write_tar(tmp_path / "1.tar", {"march/0.abc": "X:1"})
    with pytest.raises(UserError, match=r"1\.tar has march/0.abc, which one before it has too"):
        find(str(tmp_path / "{0..1}.tar"))
