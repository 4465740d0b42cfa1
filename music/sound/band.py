"""A piece played by made instruments, each voice by its own or by a mixture of several."""

import sys

import pretty_midi
import torch
from torch import Tensor

from common.errors import UserError
from music.io.sound import TAIL, levelled, require_short
from music.sound.config import FRAMES, HOP, RATE
from music.sound.data.sources import HELD
from music.sound.durations import lasting
from music.sound.generation import from_silence_to_silence, weights_of
from music.sound.models import SoundModel
from music.sound.notes import Mixture, parse_band
from music.theory import name_of

RELEASE = round((1 - HELD) * FRAMES)  # frames in which a note dies away once it is no longer held
WIDTH = 0.4  # how far the outer voices stand from the middle, where 1 is all the way to one side
QUIETEST, MOST = 1e-4, 4.0  # root mean square of a note, and by how much one is made louder or softer
ROOM = 0.05  # so that no sum of voices comes near full scale before it is levelled


def play(midi: pretty_midi.PrettyMIDI, model: SoundModel, band: str, seed: int = 0) -> list[Tensor]:
    """Each voice of a piece as made instruments play it; the sum is as loud as `music.io.sound.render` makes it.

    Voices stand from left to right. Each has one latent, and so one timbre, for the whole piece. Notes last as long as
    written and then die away; one that overlaps the next of its voice does so as if it were played.

    Args:
        midi: is left as it is.
        band: an instrument or mixture a voice, separated by commas; the last plays all further voices.
        seed: of the latents.

    Returns:
        Stereo float32 (2, samples) each, at `music.io.sound.RATE`.

    Raises:
        UserError: a voice is of drums, there are more instruments than voices, or the piece is too long.
    """
    require_short(midi)
    mixtures, voices = parse_band(band, model.classes), midi.instruments
    if any(voice.is_drum for voice in voices):
        raise UserError("--band plays no drums, and the piece has some; leave --band out, or the drums")
    if len(mixtures) > len(voices):
        names = ", ".join(voice.name or "?" for voice in voices)
        raise UserError(f"--band names {len(mixtures)}, and the piece has {len(voices)}: {names}")
    mixtures += mixtures[-1:] * (len(voices) - len(mixtures))
    samples = round((midi.get_end_time() + TAIL) * RATE)
    latents = model.latents(len(voices), seed)
    places = torch.linspace(-WIDTH, WIDTH, len(voices)) if len(voices) > 1 else torch.zeros(1)
    parts = []
    for voice, mixture, z, place in zip(voices, mixtures, latents, places, strict=True):
        _warn_of_range(voice, mixture, model)
        angle = (place + 1) * torch.pi / 4  # equal power
        sides = torch.stack([angle.cos(), angle.sin()])[:, None]
        parts.append(ROOM * sides * _played(voice.notes, model, mixture, z, samples))
    return levelled(parts, torch.stack(parts).sum(0), RATE)


def _played(notes: list[pretty_midi.Note], model: SoundModel, mixture: Mixture, z: Tensor, samples: int) -> Tensor:
    """Notes of one voice, float32 (samples,) at `RATE`."""
    audio = torch.zeros(samples)
    kinds = sorted({(note.pitch, note.velocity) for note in notes})
    if not kinds:
        return audio
    pitch, velocity = torch.tensor(kinds).T
    told = (weights_of(model, mixture).expand(len(kinds), -1), pitch, velocity)
    alike = model.scores(z.expand(len(kinds), -1), told)
    gains = dict(zip(kinds, _evened(model.play(alike, pitch)).tolist(), strict=True))
    scores = dict(zip(kinds, alike, strict=True))
    made: dict[tuple[int, int, int], Tensor] = {}
    for note in notes:
        held, kind = round((note.end - note.start) * RATE / HOP), (note.pitch, note.velocity)
        if (*kind, held) not in made:
            sound = lasting(scores[kind][None], held + RELEASE, model.fall(mixture))
            made[*kind, held] = gains[kind] * _sound(model, sound, note.pitch, held)
        sound, start = made[*kind, held], round(note.start * RATE)
        room = audio[start : start + len(sound)]
        room += sound[: len(room)]
    return audio


def _evened(sounds: Tensor) -> Tensor:
    """What brings notes (N, samples) halfway, in decibels, to the middle loudness of them all, (N,).

    Players even out what an instrument does not; halfway, so that soft notes stay softer.
    """
    loudness = sounds.square().mean(1).sqrt().clamp(min=QUIETEST)
    return (loudness.median() / loudness).sqrt().clamp(1 / MOST, MOST)


def _sound(model: SoundModel, score: Tensor, pitch: int, held: int) -> Tensor:
    """A note that is held for so many frames and then dies away, float32 (samples,)."""
    sound = model.play(score[None], torch.tensor([pitch]))[0].clone()
    dying = len(sound) - held * HOP
    if dying < len(sound):
        sound[-dying:] *= torch.linspace(1, 0, dying)
    return from_silence_to_silence(sound)


def _warn_of_range(voice: pretty_midi.Instrument, mixture: Mixture, model: SoundModel) -> None:
    low, high = (edge(model.ranges[label][side] for label in mixture) for side, edge in ((0, min), (1, max)))
    beyond = sum(not low <= note.pitch <= high for note in voice.notes)
    if beyond:
        named = " and ".join(model.classes[label] for label in mixture)
        print(
            f"--band: {beyond} of the {len(voice.notes)} notes of {voice.name or 'a voice'} lie beyond {named} "
            f"({name_of(low)} to {name_of(high)}), and may not sound like it",
            file=sys.stderr,
        )
