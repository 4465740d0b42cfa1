"""Between pieces on the grid and MIDI files: decoded exactly one way, quantised to sixteenths the other way.

The grid's note lengths and times survive a round trip exactly; see `from_midi` for what MIDI cannot hold.
"""

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mido import KeySignatureError, MidiFile
from pretty_midi import Instrument, KeySignature, Note, PrettyMIDI, TimeSignature

from common.errors import UserError
from common.files import replacing
from common.provenance.marking import mark_midi
from music.score import Kind, Score, TrackSpec, notes
from music.theory import BEATS, METRES, PITCHES, STEPS_PER_QUARTER, Key

MAX_BYTES = 5_000_000  # of a file: 200,000 notes take 2 MB, and the parser takes three seconds a MB
MAX_NOTES = 200_000
MAX_STEPS = 20_000  # 1,250 bars of 4/4
MAX_TRACKS = 64
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
    Tempo (to the microsecond a quarter note that MIDI counts in), key and time signature stand at time 0.

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
    midi = PrettyMIDI(initial_tempo=6e7 / (round(6e7 / score.tempo) + 0.01), charset="utf-8")
    seconds = 60 / midi.get_tempo_changes()[1][0] / STEPS_PER_QUARTER  # a step
    midi.key_signature_changes = [KeySignature(score.key.tonic + 12 * (score.key.mode == "minor"), 0)]
    midi.time_signature_changes = [TimeSignature(*map(int, score.metre.split("/")), 0)]
    for index, (track, program) in enumerate(zip(score.tracks, programs, strict=True)):
        drums = track.kind == "drums"
        instrument = Instrument(0 if drums else program, drums, track.name)
        for start, stop, pitch in notes(score, index).tolist():
            stop = start + 1 if drums else stop
            instrument.notes.append(Note(_velocity(start, score.metre), pitch, start * seconds, stop * seconds))
        midi.instruments.append(instrument)
    return midi


def from_midi(source: str | Path | PrettyMIDI) -> Score:
    """Read MIDI to the grid of sixteenths, in beats by the file's own tempo map.

    Every note goes from its nearest step to its nearest step (ties go up) and is one step long at least; a note that
    begins while the same pitch sounds on ends the earlier one. One track an instrument with notes: drums on channel 10,
    else mono if never two notes sound at once, else poly. The key is that of the first key signature, or estimated
    (`estimate_key`); the tempo is that at the first note.

    `from_midi(to_midi(score))` is `score` but for this: the bar in which the last note stops is the end, filled up with
    rests; tracks without notes are lost; the range of a track becomes that of its notes, and a poly track that never
    sounds two at once becomes mono.

    Raises:
        UserError: no such file, not MIDI, too large (`MAX_BYTES`, `MAX_NOTES`, `MAX_STEPS`, `MAX_TRACKS`), no notes,
            a metre that changes or is none of METRES.
    """
    name, midi = ("MIDI", source) if isinstance(source, PrettyMIDI) else (str(source), _parse(Path(source)))
    instruments = [instrument for instrument in midi.instruments if instrument.notes]
    count = sum(len(instrument.notes) for instrument in instruments)
    if not count:
        raise UserError(f"{name}: there are no notes in it")
    if count > MAX_NOTES or len(instruments) > MAX_TRACKS:
        limits = f"{MAX_NOTES:,} and {MAX_TRACKS} are the most"
        raise UserError(f"{name}: {count:,} notes on {len(instruments)} tracks are too many; {limits}")
    grids = [_quantise(midi, instrument) for instrument in instruments]
    length = max(int(grid[:, 1].max()) for grid in grids)
    if length > MAX_STEPS:
        raise UserError(f"{name}: {length:,} sixteenths are too long, the most is {MAX_STEPS:,}; cut the piece")
    metre = _metre(name, midi)
    steps = -(-length // METRES[metre]) * METRES[metre]
    onset, pitch = np.zeros((2, len(grids), steps, PITCHES), bool)
    for track, grid in enumerate(grids):
        for start, stop, note in grid.tolist():
            onset[track, start, note] = True
            pitch[track, start:stop, note] = True
    melodic = pitch[[not instrument.is_drum for instrument in instruments]]
    return Score(
        tracks=tuple(_spec(*parts) for parts in zip(instruments, pitch, strict=True)),
        pitch=pitch,
        onset=onset,
        metre=metre,
        key=_signed_key(midi) or estimate_key(melodic),
        tempo=_tempo_at(midi, min(note.start for instrument in instruments for note in instrument.notes)),
    )


def save_midi(midi: PrettyMIDI, path: str | Path) -> None:
    """Write a MIDI file, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as temporary:
        midi.write(temporary)
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


def _velocity(step: int, metre: str) -> int:
    bar, beat = METRES[metre], BEATS.get(metre, STEPS_PER_QUARTER)
    position = step % bar
    if position == 0:
        return DOWNBEAT
    if position % beat:
        return OFF_BEAT
    return MID_BAR if bar == 4 * beat and position == 2 * beat else BEAT


def _parse(path: Path) -> PrettyMIDI:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: more than {MAX_BYTES / 1e6:.0f} MB are too much for one piece; choose another file")
    try:
        with warnings.catch_warnings(action="ignore"):  # on tempi outside of the first track
            return _load(path)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UserError(f"{path}: cannot be read as MIDI ({reason}); choose a Standard MIDI File (.mid)") from error


def _load(path: Path) -> PrettyMIDI:
    try:
        file = MidiFile(path, charset="utf-8")
    except UnicodeDecodeError:  # names of tracks in the older encoding, in which every byte means something
        file = MidiFile(path, charset="latin1")
    if file.ticks_per_beat < 0:
        raise UserError(f"{path}: counts time in SMPTE frames; export it in beats (ticks a quarter note)")
    return PrettyMIDI(mido_object=file)


def _quantise(midi: PrettyMIDI, instrument: Instrument) -> np.ndarray:
    """Notes on the grid, int64 (N, 3): first step, step after the last, pitch."""
    seconds = np.array([(note.start, note.end) for note in instrument.notes])  # (N, 2)
    times, tempi = midi.get_tempo_changes()
    beats = np.concatenate([[0.0], np.cumsum(np.diff(times) * tempi[:-1] / 60)])  # quarter notes before each change
    segment = np.searchsorted(times, seconds, side="right") - 1
    position = (beats[segment] + (seconds - times[segment]) * tempi[segment] / 60) * STEPS_PER_QUARTER
    start, stop = np.floor(position + 0.5 + 1e-6).astype(np.int64).T  # with room for rounding, so that ties go one way
    stop = start + 1 if instrument.is_drum else np.maximum(stop, start + 1)
    return np.stack([start, stop, np.array([note.pitch for note in instrument.notes])], axis=1)


def _metre(name: str, midi: PrettyMIDI) -> str:
    """The one time signature in force while notes sound; MIDI's default is 4/4."""
    end = max(instrument.get_end_time() for instrument in midi.instruments)
    signatures = {0.0: "4/4"}  # by time; of several at one time the last counts
    for change in midi.time_signature_changes:
        if change.time < end:
            signatures[change.time] = f"{change.numerator}/{change.denominator}"
    metres = list(dict.fromkeys(signatures.values()))
    if len(metres) > 1:
        raise UserError(f"{name}: the metre changes ({', then '.join(metres)}); cut the piece where it does")
    if metres[0] not in METRES:
        raise UserError(f"{name}: the metre is {metres[0]}, and can only be {', '.join(METRES)}")
    return metres[0]


def _signed_key(midi: PrettyMIDI) -> Key | None:
    for signature in midi.key_signature_changes[:1]:
        return Key(signature.key_number % 12, "minor" if signature.key_number >= 12 else "major")
    return None


def _tempo_at(midi: PrettyMIDI, seconds: float) -> float:
    times, tempi = midi.get_tempo_changes()
    return float(tempi[np.searchsorted(times, seconds, side="right") - 1])


def _spec(instrument: Instrument, pitch: np.ndarray) -> TrackSpec:
    """What the notes of an instrument, bool (steps, 128), say of its track."""
    used = np.flatnonzero(pitch.any(axis=0))
    kind: Kind = "drums" if instrument.is_drum else "mono" if pitch.sum(axis=1).max() == 1 else "poly"
    name = " ".join(instrument.name.replace("\0", " ").split())
    return TrackSpec(name, kind, int(used[0]), int(used[-1]), int(instrument.program))
