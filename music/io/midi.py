"""Between pieces on the grid and MIDI files: decoded exactly one way, quantised the other way.

The grid's note lengths and times survive a round trip exactly; see `from_midi` for what MIDI cannot hold.
"""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mido import KeySignatureError, MidiFile
from pretty_midi import Instrument, KeySignature, Note, PrettyMIDI, TimeSignature

from common.errors import UserError
from common.files import replacing
from common.provenance.marking import mark_midi
from music.io.midi_file import MidiContent, Voice, content_of, open_midi
from music.score import Kind, Score, TrackSpec, notes
from music.theory import GRID, GRIDS, METRES, MODES, PITCHES, Key, bar_of

MAX_BYTES = 5_000_000  # of a file: 200,000 notes take 2 MB, and the parser takes three seconds a MB
MAX_NOTES = 200_000
MAX_QUARTERS = 5_000  # 1,250 bars of 4/4
MAX_TRACKS = 64
MAX_TOO_FAST = 0.25  # share of notes that begin at the step of the one before, though at least TOGETHER later
TOGETHER = 0.1  # quarter notes; chords are rolled faster
TICKS = 0.0125  # quarter notes; where a file's ticks can be no nearer to the grid
RESOLUTION = {4: 220, 12: 480}  # ticks a quarter note of what is written, in which steps are whole, by the grid
RINGING = 0.75  # steps into a further bar
DOWNBEAT, MID_BAR, BEAT, OFF_BEAT = 100, 92, 86, 76  # MIDI velocities
# What mido and pretty_midi raise on files that are damaged, or are none of MIDI.
_DAMAGED = (OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, KeySignatureError, struct.error)
# How well each pitch class, counted from the tonic, fits a key: Krumhansl and Kessler 1982.
_PROFILES = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),  # major
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),  # minor
)


def to_midi(score: Score, programs: Sequence[int] | None = None) -> PrettyMIDI:
    """Decode a piece: one instrument a track, each held note one note, drum hits one step long.

    Velocities follow the metre: `DOWNBEAT`, `MID_BAR` (4/4 and 12/8), the other beats, and what lies between beats.
    Tempo (to the microsecond a quarter note that MIDI counts in), key and time signature stand at time 0; a pickup is a
    first bar of its own metre.

    Args:
        score: a piece with at least one note.
        programs: General MIDI programs, 0 to 127, one a track, instead of the tracks' own; of no meaning for drums.

    Raises:
        UserError: the piece has no notes, or `programs` do not fit.
    """
    if not score.onset.any():
        raise UserError("the piece has no notes, so there is no MIDI to write")
    programs = [track.program for track in score.tracks] if programs is None else programs
    if len(programs) != len(score.tracks) or not all(0 <= program < 128 for program in programs):
        names = ", ".join(track.name for track in score.tracks)
        raise UserError(f"--instruments: need {len(score.tracks)} numbers from 0 to 127, one a track ({names})")
    # pretty_midi cuts off fractions of a microsecond on writing; the hundredth keeps rounding from costing a whole one
    tempo = 6e7 / (round(6e7 / score.tempo) + 0.01)
    midi = PrettyMIDI(resolution=RESOLUTION[score.grid], initial_tempo=tempo, charset="utf-8")
    seconds = 60 / midi.get_tempo_changes()[1][0] / score.grid  # a step
    midi.key_signature_changes = [KeySignature(score.key.tonic + 12 * (score.key.mode == "minor"), 0)]
    midi.time_signature_changes = [TimeSignature(*map(int, score.metre.split("/")), score.pickup * seconds)]
    if score.pickup:
        midi.time_signature_changes.insert(0, TimeSignature(*_short_bar(score.pickup, score.grid), 0))
    for index, (track, program) in enumerate(zip(score.tracks, programs, strict=True)):
        drums = track.kind == "drums"
        instrument = Instrument(0 if drums else program, drums, track.name)
        for start, stop, pitch in notes(score, index).tolist():
            begin, end = start - score.lead, (start + 1 if drums else stop) - score.lead
            instrument.notes.append(Note(_velocity(start, score), pitch, begin * seconds, end * seconds))
        midi.instruments.append(instrument)
    return midi


def from_midi(
    source: str | Path | PrettyMIDI, say: Callable[[str], None] = lambda line: None, grid: int = GRID
) -> Score:
    """Read MIDI to a grid, in beats by the file's own tempo map.

    Every note goes from its nearest step to its nearest step (ties go up) and is one step long at least; a note that
    begins while the same pitch sounds on ends the earlier one. One track a voice (`music.io.midi_file`): drums on
    channel 10, else mono if never two notes sound at once, else poly. Metre, key and tempo count wherever they stand:
    the key is the first one stated, or estimated (`estimate_key`); the tempo is that at the first note. A first bar of
    its own, shorter metre is a pickup.

    On its own grid `from_midi(to_midi(score))` is `score` but for this: the bar in which the last note stops is the
    end, filled up with rests; tracks without notes are lost; the range of a track becomes that of its notes, and a poly
    track that never sounds two at once becomes mono.

    Args:
        source: a file, or MIDI as `to_midi` makes it.
        say: is told in a few words what of the file is left out, and how many notes are too fast for the grid.
        grid: steps a quarter note, of GRIDS.

    Raises:
        UserError: no such file, not MIDI, too large (`MAX_BYTES`, `MAX_NOTES`, `MAX_QUARTERS`, `MAX_TRACKS`), no notes,
            a metre that changes or is none of METRES, or more than `MAX_TOO_FAST` of the notes too fast.
    """
    if isinstance(source, PrettyMIDI):
        name, content = "MIDI", _content(source)
    else:
        name, content = str(source), parse(Path(source), say)[1]
    return on_grid(name, content, say, grid)


def on_grid(name: str, content: MidiContent, say: Callable[[str], None] = lambda line: None, grid: int = GRID) -> Score:
    """What is in a MIDI file, called `name` in messages, on a grid; see `from_midi`.

    Raises:
        UserError: as there.
    """
    count = sum(len(voice.notes) for voice in content.voices)
    if not count:
        raise UserError(f"{name}: there are no notes in it")
    if count > MAX_NOTES or len(content.voices) > MAX_TRACKS:
        limits = f"{MAX_NOTES:,} and {MAX_TRACKS} are the most"
        raise UserError(f"{name}: {count:,} notes on {len(content.voices)} tracks are too many; {limits}")
    metre, pickup = _metre(name, content, grid)
    bar = bar_of(metre, grid)
    lead = bar - pickup if pickup else 0
    length = _length(content, bar, lead, grid)
    if length > MAX_QUARTERS * grid:
        told = f"{length // grid:,} quarter notes are too long, the most is {MAX_QUARTERS:,}"
        raise UserError(f"{name}: {told}; cut the piece")
    _require_slow(name, content, say, grid)
    onset, pitch = np.zeros((2, len(content.voices), length, PITCHES), bool)
    for track, voice in enumerate(content.voices):
        for start, stop, note in quantise(voice, grid).tolist():
            onset[track, lead + start, note] = True
            pitch[track, lead + start : lead + stop, note] = True
    melodic = pitch[[not voice.is_drums for voice in content.voices]]
    return Score(
        tracks=tuple(_spec(*parts) for parts in zip(content.voices, pitch, strict=True)),
        pitch=pitch,
        onset=onset,
        metre=metre,
        key=content.keys[0][1] if content.keys else estimate_key(melodic),
        tempo=_tempo(content),
        pickup=pickup,
        grid=grid,
    )


def save_midi(midi: PrettyMIDI | MidiFile, path: str | Path) -> None:
    """Write a MIDI file, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as temporary:
        (midi.write if isinstance(midi, PrettyMIDI) else midi.save)(str(temporary))
        mark_midi(temporary)


def estimate_key(pitch: np.ndarray) -> Key:
    """The key whose profile correlates best with how long each pitch class sounds: Krumhansl 1990, chapter 4.

    Args:
        pitch: bool (tracks, steps, 128), what sounds, without drums. C major if nothing does, or all classes equally.
    """
    sounding = np.bincount(np.arange(PITCHES) % 12, weights=pitch.sum(axis=(0, 1)), minlength=12)  # steps a class
    keys = [Key(tonic, mode) for mode in ("major", "minor") for tonic in range(12)]
    profiles = np.array([np.roll(profile, tonic) for profile in _PROFILES for tonic in range(12)])  # (24, 12)
    profiles -= profiles.mean(axis=1, keepdims=True)
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    return keys[int((profiles @ (sounding - sounding.mean())).argmax())]


def settled_key(score: Score, stated: Key | None) -> Key:
    """The stated key, or that which the last bass note and an estimate from all notes together speak for.

    Many files state C major because nothing was stated, or the signature's major key for a minor one or a mode.
    """
    melodic = [track for track, spec in enumerate(score.tracks) if spec.kind != "drums"]
    sounding: np.ndarray = np.any(score.pitch[melodic], axis=0)  # (steps, 128)
    if not sounding.any():
        return stated or Key()
    estimate = estimate_key(score.pitch[melodic])
    last = int(sounding[np.flatnonzero(sounding.any(axis=1))[-1]].argmax())
    return estimate if stated is None or last % 12 == estimate.tonic != stated.tonic else stated


def _velocity(step: int, score: Score) -> int:
    position = step % score.bar
    if position == 0:
        return DOWNBEAT
    if position % score.beat:
        return OFF_BEAT
    return MID_BAR if score.bar == 4 * score.beat and position == 2 * score.beat else BEAT


def parse(path: Path, say: Callable[[str], None] = lambda line: None) -> tuple[MidiFile, MidiContent]:
    """A MIDI file as mido has it, and what is in it.

    Raises:
        UserError: no such file, too large, or not MIDI.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: more than {MAX_BYTES / 1e6:.0f} MB are too much for one piece; choose another file")
    try:
        file = open_midi(path, say)
        return file, content_of(file)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(f"{path}: cannot be read as MIDI ({reason}); choose a Standard MIDI File (.mid)") from error


def _content(midi: PrettyMIDI) -> MidiContent:
    """What `to_midi` makes, and others may have changed, as what is in a file."""
    times, tempi = midi.get_tempo_changes()
    passed = np.concatenate([[0.0], np.cumsum(np.diff(times) * tempi[:-1] / 60)])  # quarter notes before each change

    def quarters(seconds: float) -> float:
        segment = max(int(np.searchsorted(times, seconds, side="right")) - 1, 0)
        return float(passed[segment] + (seconds - times[segment]) * tempi[segment] / 60)

    voices = [
        Voice(
            np.array([(quarters(note.start), quarters(note.end), note.pitch) for note in instrument.notes]),
            *(instrument.name, instrument.program, instrument.is_drum),
        )
        for instrument in midi.instruments
        if instrument.notes
    ]
    keys = [
        (change.time, Key(change.key_number % 12, MODES[change.key_number // 12]))
        for change in midi.key_signature_changes
    ]
    metres = {
        quarters(change.time): f"{change.numerator}/{change.denominator}" for change in midi.time_signature_changes
    }
    return MidiContent(voices, list(metres.items()), keys, list(zip(passed.tolist(), tempi.tolist(), strict=True)))


def moved(content: MidiContent, grid: int) -> int:
    """How many notes begin more than `TICKS` from the nearest step of a grid of so many steps a quarter."""
    return sum(int(off_grid(voice.notes[:, 0], grid).sum()) for voice in content.voices)


def off_grid(begin: np.ndarray, grid: int) -> np.ndarray:
    """Which times, in quarter notes, are more than `TICKS` from the nearest step of a grid."""
    return np.abs(begin - np.round(begin * grid) / grid) > TICKS


def quantise(voice: Voice, grid: int) -> np.ndarray:
    """Notes on a grid of so many steps a quarter, int64 (N, 3): first step, step after the last, pitch."""
    position = voice.notes[:, :2] * grid
    start, stop = np.floor(position + 0.5 + 1e-6).astype(np.int64).T  # with room for rounding, so that ties go one way
    stop = start + 1 if voice.is_drums else np.maximum(stop, start + 1)
    return np.stack([start, stop, voice.notes[:, 2].astype(np.int64)], axis=1)


def _length(content: MidiContent, bar: int, lead: int, grid: int) -> int:
    """Steps with the lead to the end of the last bar; what rings into a further one for less than a step makes none."""
    last = max(int(quantise(voice, grid)[:, 0].max()) + 1 for voice in content.voices)
    end = max(float(voice.notes[:, 1].max()) * grid for voice in content.voices)
    stop = max(last, int(np.ceil(end - RINGING)))
    return -(-(lead + stop) // bar) * bar


def _require_slow(name: str, content: MidiContent, say: Callable[[str], None], grid: int) -> None:
    """UserError if too many notes begin at the step of the one before, though later; say how many if there are any."""
    lost, count = 0, sum(len(voice.notes) for voice in content.voices)
    for voice in content.voices:
        steps, begin = quantise(voice, grid)[:, 0], voice.notes[:, 0]
        order = np.argsort(begin, kind="stable")
        lost += int(((np.diff(steps[order]) == 0) & (np.diff(begin[order]) > TOGETHER)).sum())
    told = f"{lost} of its {count} notes are faster than {GRIDS[grid]}"
    if lost > MAX_TOO_FAST * count:
        raise UserError(f"{name}: {told}, which the grid cannot hold")
    if lost:
        say(f"{told}, and share a step with the one before")


def _metre(name: str, content: MidiContent, grid: int) -> tuple[str, int]:
    """The one time signature in force while notes sound, and the steps of a pickup; MIDI's default is 4/4."""
    end = max(voice.notes[:, 1].max() for voice in content.voices)
    signatures = {0.0: "4/4"} | {time: metre for time, metre in content.metres if time < end}
    pickup = _pickup(sorted(signatures.items()), grid)
    metres = list(dict.fromkeys(metre for time, metre in sorted(signatures.items()) if time or not pickup))
    if len(metres) > 1:
        raise UserError(f"{name}: the metre changes ({', then '.join(metres)}); cut the piece where it does")
    if metres[0] not in METRES:
        raise UserError(f"{name}: the metre is {metres[0]}, and can only be {', '.join(METRES)}")
    return metres[0], pickup


def _pickup(signatures: Sequence[tuple[float, str]], grid: int) -> int:
    """Steps of a first bar that has a shorter metre to itself; 0 where there is none, or not on the grid."""
    if len(signatures) < 2:
        return 0
    (_, first), (time, metre) = signatures[:2]
    sixteenths, (count, unit) = round(time * 4), map(int, first.split("/"))
    is_bar = abs(time - 4 * count / unit) < 1e-3 and abs(time - sixteenths / 4) < TICKS
    steps = sixteenths * grid // 4
    return steps if is_bar and metre in METRES and steps < bar_of(metre, grid) else 0


def _short_bar(steps: int, grid: int) -> tuple[int, int]:
    """The metre of a bar of so many steps, in quarters, eighths or sixteenths: 6 of 4 a quarter -> (3, 8)."""
    unit = next(unit for unit in (4, 8, 16) if steps * unit % (4 * grid) == 0)
    return steps * unit // (4 * grid), unit


def _tempo(content: MidiContent) -> float:
    """Quarter notes a minute at the first note; MIDI's default is 120."""
    first = min(voice.notes[:, 0].min() for voice in content.voices)
    return [120.0, *(tempo for time, tempo in content.tempi if time <= first)][-1]


def _spec(voice: Voice, pitch: np.ndarray) -> TrackSpec:
    """What the notes of a voice, bool (steps, 128), say of its track."""
    used = np.flatnonzero(pitch.any(axis=0))
    kind: Kind = "drums" if voice.is_drums else "mono" if pitch.sum(axis=1).max() == 1 else "poly"
    name = " ".join(voice.name.replace("\0", " ").split())
    return TrackSpec(name, kind, int(used[0]), int(used[-1]), int(voice.program))
