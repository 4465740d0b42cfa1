"""Where sounds come from: notes that a soundfont plays, and folders or .zip files of recordings."""

import io
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.data.folders import File, content_key, find_files, require_lasting, short_name, sub_folders
from common.errors import UserError
from common.progress import progress_bar
from music.sound.config import BUILT_IN, NO_PITCH, RATE, length
from music.sound.data.recordings import ENDINGS, UNREADABLE, levelled, mono, read, trimmed
from music.sound.instruments import INSTRUMENTS, VELOCITIES, Voice

HELD = 0.75  # share of a sound for which its note is held
PAUSE = 0.5  # seconds after a note's end in which a voice of the soundfont dies away
LOUDEST = 0.9  # peak of each instrument's loudest note; the others are as much softer as the soundfont plays them
VOLUME, FULL = 7, 127  # General MIDI's controller, and its most; by default it is 100
UNTOUCHED = 100  # the velocity that stands for none


@dataclass(frozen=True)
class Sound:
    """One sound as it is learned from.

    Attributes:
        wave: float32 (samples,) in [-1, 1], at `RATE`.
        key: what it shares with those that may not be held out without it.
        label: its class; -1 for none.
        pitch: by MIDI number, or `NO_PITCH`.
        velocity: by MIDI, 1 to 127.
    """

    wave: NDArray[np.float32]
    key: str
    label: int = -1
    pitch: int = NO_PITCH
    velocity: int = UNTOUCHED


@dataclass
class Sounds:
    """Sounds that are yet to be made or decoded.

    Attributes:
        each: yields them; it fills `skipped` meanwhile.
        classes: their names, by label; () if there are none.
        families: of each class; () if there are none.
        source: one line on origin and licence.
        skipped: the files that are left out, and why.
    """

    each: Callable[[], Iterator[Sound]]
    source: str
    classes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


def find(data: str, seconds: int) -> tuple[str, Sounds]:
    """The part of the cache's key that stands for the content, and the content.

    Raises:
        UserError: there is no such data, or nothing in it is a sound by its ending.
    """
    if data in BUILT_IN:
        versions = " ".join(f"{name} {version(name)}" for name in ("pretty_midi", "midirenderer"))
        return f"{data} {versions}", _played(seconds)
    files, skipped = find_files(data, ENDINGS, "sounds", BUILT_IN)
    key = content_key(data, ((name, file.fingerprint()) for name, file in files.items()), skipped)
    return key, _folder(data, files, skipped, seconds)


# --- notes of a soundfont


def _played(seconds: int) -> Sounds:
    source = (
        f"notes of {len(INSTRUMENTS)} General MIDI programs, played by midirenderer from TimGM6mb (Tim Brechbill; "
        "GPL-2), the soundfont in pretty_midi"
    )
    families = tuple(voice.family for voice in INSTRUMENTS.values())
    return Sounds(partial(_notes, seconds), source, tuple(INSTRUMENTS), families)


def _notes(seconds: int) -> Iterator[Sound]:
    bar = progress_bar(INSTRUMENTS.values(), "playing instruments", leave=False, disable=None)
    for label, voice in enumerate(bar):
        waves = play(voice, seconds)
        loudness = LOUDEST / np.abs(waves).max()
        for made, (pitch, velocity) in zip(waves, asked(voice), strict=True):
            if made.any():  # a soundfont may have gaps
                yield Sound(made * loudness, f"{voice.program} {pitch}", label, pitch, velocity)


def asked(voice: Voice) -> list[tuple[int, int]]:
    """Pitch and velocity of every note of an instrument."""
    return [(pitch, velocity) for pitch in range(voice.low, voice.high + 1) for velocity in VELOCITIES]


def play(voice: Voice, seconds: int) -> NDArray[np.float32]:
    """All notes of an instrument as `asked`, float32 (notes, samples) at `RATE`."""
    import midirenderer
    import pretty_midi

    slot, played, notes = seconds + PAUSE, pretty_midi.Instrument(voice.program), asked(voice)
    for number, (pitch, velocity) in enumerate(notes):
        played.notes.append(pretty_midi.Note(velocity, pitch, number * slot, number * slot + HELD * seconds))
    volume = pretty_midi.ControlChange(VOLUME, FULL, 0.0)  # soft notes would have few of the 16 bits
    played.control_changes.append(volume)
    midi, content = pretty_midi.PrettyMIDI(resolution=960), io.BytesIO()
    midi.instruments.append(played)
    midi.text_events.append(pretty_midi.Text("", len(notes) * slot + 1))  # the synthesiser stops at the last event
    midi.write(content)
    soundfont = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2").read_bytes()
    whole = _samples(midirenderer.render_wave_from(soundfont, content.getvalue()))
    starts = [round(number * slot * RATE) for number in range(len(notes))]
    return np.stack([_faded(whole[start : start + length(seconds)]) for start in starts])


def _samples(content: bytes) -> NDArray[np.float32]:
    """A WAV of 16 bits as float32 (samples,), its channels mixed, at `RATE`."""
    with wave.open(io.BytesIO(content)) as file:
        interleaved = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        stereo = interleaved.reshape(-1, file.getnchannels()).T.astype(np.float32) / 32768
        return mono(stereo, file.getframerate())


def _faded(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last hundredth of a second goes down to silence, so that a cut makes no click."""
    fade = min(RATE // 100, len(sound))
    envelope = np.ones(len(sound), np.float32)
    envelope[len(sound) - fade :] = np.linspace(1, 0, fade)
    return sound * envelope


# --- recordings


def _folder(data: str, files: Mapping[str, File], skipped: Mapping[str, str], seconds: int) -> Sounds:
    names = list(files)
    per_file = sub_folders(data, names, "sounds")
    classes = tuple(sorted(set(per_file)))
    labels = [classes.index(name) for name in per_file] if classes else [-1] * len(names)
    source = f"{len(names)} sounds from {short_name(data)}; see there for the licence"
    sounds = Sounds(lambda: iter(()), source, classes, (), dict(skipped))
    sounds.each = partial(_recorded, files, labels, sounds.skipped, seconds)
    return sounds


def _recorded(
    files: Mapping[str, File], labels: Sequence[int], skipped: dict[str, str], seconds: int
) -> Iterator[Sound]:
    pairs = list(zip(files.items(), labels, strict=True))
    for (name, file), label in progress_bar(pairs, "reading sounds", leave=False, disable=None):
        try:
            sound = levelled(trimmed(read(file)), length(seconds))
        except UserError as error:
            skipped[name] = str(error)
        except UNREADABLE as error:
            require_lasting(error, name)
            skipped[name] = "damaged, or no sound"
        else:
            yield Sound(_faded(sound), file.fingerprint(), label)
