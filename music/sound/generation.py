"""What can be made with a trained maker of sounds: notes, mixtures, notes that change, scales and chords."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from common.pictures.sheets import save_picture
from common.processes import in_turn, rank, turns, wait
from music.io.sound import save_wav
from music.sound.config import HOP, NO_PITCH, RATE, GenerateConfig, ending
from music.sound.durations import lasting
from music.sound.models import SoundModel
from music.sound.notes import Mixture
from music.sound.sheets import spectrogram_sheet
from music.sound.spectrograms import to_maps
from music.theory import name_of

STEPS = 8  # notes between two stops of a morph
RISE, FADE = 0.003, 0.01  # seconds in which a note comes from silence, and goes back
PEAK = 0.95  # that no sample exceeds


@dataclass(frozen=True)
class Made:
    """Sounds that belong together, such as a scale.

    Attributes:
        name: of what they are.
        pitches: of each, or `NO_PITCH`.
        sounds: float32 (N, samples) in [-1, 1].
    """

    name: str
    pitches: list[int]
    sounds: Tensor


def make(model: SoundModel, config: GenerateConfig, shared: bool = False) -> list[Made]:
    """Make what the command line asks for: all of one instrument, of one latent, together.

    Args:
        shared: of several processes all make the same, each some of the sounds.

    Raises:
        UserError: the model knows no such instrument.
    """
    mixtures = config.mixtures(model.classes) or [{}]
    kinds = [mixtures] if config.morph else [[mixture] for mixture in mixtures]

    def sound(asked: tuple[list[Mixture], int, int]) -> Tensor:
        stops, number, pitch = asked
        return note(model, model.latents(1, config.seed + number), stops, pitch, config.velocity, config.seconds)

    played = [(config.pitches or [middle(model, stops)]) if model.ranges else [NO_PITCH] for stops in kinds]
    rows = [(*kind, number) for kind in zip(kinds, played, strict=True) for number in range(config.n)]
    asked = [(stops, number, pitch) for stops, pitches, number in rows for pitch in pitches]
    sounds = iter(in_turn(asked, sound, shared))
    return [
        Made(name_of_stops(model, stops), pitches, torch.stack([next(sounds) for _ in pitches]))
        for stops, pitches, _ in rows
    ]


def note(
    model: SoundModel, z: Tensor, stops: Sequence[Mixture], pitch: int, velocity: int, seconds: float | None = None
) -> Tensor:
    """One note, float32 (samples,) in [-1, 1] at `RATE`, that ends in silence.

    Args:
        z: (1, latent).
        stops: one mixture of instruments, or several, from one to the next of which the note goes.
        seconds: that it lasts; by default as learned.
    """
    shares = path(torch.stack([weights_of(model, mixture) for mixture in stops]))
    count = len(shares)
    told = (shares, torch.full((count,), pitch), torch.full((count,), velocity))
    frames = model.config.frames if seconds is None else round(seconds * RATE / HOP) + 1
    score = lasting(model.scores(z.expand(count, -1), told), frames, model.fall(stops[0]))
    sound = model.play(score[None], torch.tensor([pitch]))[0].clone()
    return from_silence_to_silence(sound)


def from_silence_to_silence(sound: Tensor) -> Tensor:
    """A sound (samples,) that begins and ends without a click; changed in place."""
    rise, fade = round(RISE * RATE), min(round(FADE * RATE), len(sound))
    sound[:rise] *= torch.linspace(0, 1, rise)[: len(sound)]
    sound[len(sound) - fade :] *= torch.linspace(1, 0, fade)
    return sound


def weights_of(model: SoundModel, mixture: Mixture) -> Tensor:
    """A mixture as weights of all classes and of none, (classes + 1,); an empty one is none."""
    weights = torch.zeros(len(model.classes) + 1)
    for label, share in (mixture or {len(model.classes): 1.0}).items():
        weights[label] = share
    return weights


def path(stops: Tensor) -> Tensor:
    """Points from stop to stop (K, D), `STEPS` in each of the K - 1 legs and the last: (S, D)."""
    shares = torch.arange(STEPS)[:, None] / STEPS
    legs = [start + shares * (end - start) for start, end in pairwise(stops)]
    return torch.cat([*legs, stops[-1:]])


def middle(model: SoundModel, stops: Sequence[Mixture]) -> int:
    """A pitch that lies well for instruments."""
    of = [model.ranges[label] for mixture in stops for label in mixture]
    return sum(low + high for low, high in of) // (2 * len(of))


def name_of_stops(model: SoundModel, stops: Sequence[Mixture]) -> str:
    """What a note is called by its instruments: "flute to cello"."""
    named = (" and ".join(model.classes[label] for label in mixture) for mixture in stops)
    return " to ".join(named)


# --- files


def joined(made: Sequence[Made], chord: bool) -> Tensor:
    """All sounds after each other, or those that belong together at once, softer where they would clip; (samples,)."""
    parts = [one.sounds.sum(0) if chord else one.sounds.flatten() for one in made]
    whole = torch.cat(parts)
    return whole * min(1.0, PEAK / max(float(whole.abs().max()), 1e-9))


def write(made: Sequence[Made], config: GenerateConfig) -> str:
    """Write sounds as each --out asks for it, and say what was written.

    Of several processes, which all have the same ones, each writes some of many files, and the first a single file.

    Raises:
        UserError: it cannot be written.
    """
    wrote = ", ".join(_write(made, config, out) for out in config.out)
    wait()
    return wrote


def _write(made: Sequence[Made], config: GenerateConfig, out: str) -> str:
    if ending(out) == "":
        return _write_singles(made, config.chord, Path(out))
    if rank() > 0:
        return out
    if ending(out) == ".png":
        names = dict.fromkeys(one.name for one in made)
        rows = [(name, torch.cat([_maps(one) for one in made if one.name == name])) for name in names]
        headings = [name_of(pitch) for pitch in made[0].pitches] if config.n == 1 and config.pitches else []
        save_picture(spectrogram_sheet(rows, headings), out)
    else:
        save_wav(joined(made, config.chord)[None], RATE, out)
    return out


def _maps(made: Made) -> Tensor:
    usable = made.sounds.shape[1] // HOP * HOP
    return to_maps(made.sounds[:, :usable], torch.tensor(made.pitches))


def _write_singles(made: Sequence[Made], chord: bool, folder: Path) -> str:
    named: list[tuple[str, Tensor]] = []
    for one in made:
        slug = re.sub(r"\W+", "-", one.name).strip("-") or "sound"
        sounds = [joined([one], True)] if chord else list(one.sounds)
        for pitch, sound in zip(one.pitches, sounds, strict=False):
            pitched = "" if pitch == NO_PITCH or chord else f"-{name_of(pitch).replace('#', 's')}"
            named.append((f"{len(named):04d}-{slug}{pitched}.wav", sound))
    for name, sound in named[turns()]:
        save_wav(sound[None], RATE, folder / name)
    return f"{len(named)} {'sound' if len(named) == 1 else 'sounds'} into {folder}"
