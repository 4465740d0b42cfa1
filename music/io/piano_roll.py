"""Pictures of music: a piano roll with its sound, and sheets of many small rolls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from music.io.sound import RATE
from music.score import Score, TrackSpec, notes
from music.theory import PITCHES

Colour = tuple[int, int, int]
COLOURS: tuple[Colour, ...] = (  # by track, over and over; Okabe and Ito 2008, told apart by colour-blind people too
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (90, 90, 90),
)
BLACK_KEYS = (1, 3, 6, 8, 10)  # pitch classes
MELS = 96  # bands of the spectrogram
LOWEST, HIGHEST = 40.0, 10_000.0  # hertz
HOP = 512  # samples from one frame to the next
DECIBELS = 70  # from the loudest colour to the softest
QUARTER, SEMITONE = 16, 3  # pixels, on sheets; of a quarter more where its steps would have less than THIN
THIN = 2
GAP = 12  # pixels around what stands on a sheet
FONT_SIZE = 12  # pixels
BAR_LINE, BEAT_LINE = (190, 190, 190), (236, 236, 236)


@dataclass(frozen=True)
class TimeAxis:
    """Where time lies on a piano roll.

    Attributes:
        left: the pixel column at which the sound begins, from the left edge of the picture.
        right: that at which the last bar ends.
        seconds: between them.
    """

    left: float
    right: float
    seconds: float


def piano_roll(score: Score, audio: Tensor | None = None) -> Image.Image:
    """Draw a piece over its bars: notes as bars in their track's colour with a dark edge where they begin.

    Pitches are named at every C (C4 is MIDI 60), black keys are shaded; drums lie on a staff of their own, one line an
    instrument. Above stand key, metre and tempo; below, on the same time axis, a mel spectrogram of the sound over
    `DECIBELS`.

    Args:
        score: a piece of at least one step.
        audio: float (channels, samples), as `music.io.sound.render` makes it; no spectrogram without.

    Returns:
        RGB; 80 pixels wider for every bar from the ninth on, up to 4,000.
    """
    canvas = _canvas(score, audio)
    canvas.draw()
    return Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")


def time_axis(score: Score) -> TimeAxis:
    """Where time lies on `piano_roll` of a piece with its sound, whatever that is: its layout is the same."""
    figure = _canvas(score, torch.zeros(1, RATE)).figure
    figure.draw_without_rendering()
    box = figure.axes[0].get_window_extent()
    return TimeAxis(float(box.x0), float(box.x1), (score.steps - score.lead) * 60 / score.tempo / score.grid)


def roll_sheet(scores: Sequence[tuple[str, Score]]) -> Image.Image:
    """Many short pieces as small rolls in two columns, each with its label to the left: RGB.

    All rolls show the same pitches, those in use in any. A step is `STEP` pixels wide and a semitone `SEMITONE` high;
    notes begin dark, in the colour of their track.

    Args:
        scores: labels and pieces, at least one.
    """
    font = ImageFont.load_default(FONT_SIZE)
    used = np.flatnonzero(np.any([score.pitch.any(axis=(0, 1)) for _, score in scores], axis=0))
    low, high = (int(used[0]) - 1, int(used[-1]) + 2) if len(used) else (48, 72)
    rolls = [_small_roll(score, low, high) for _, score in scores]
    left = max(int(font.getlength(line)) for label, _ in scores for line in label.splitlines() or [""]) + GAP
    width, height = left + max(roll.width for roll in rolls) + GAP, rolls[0].height + GAP
    columns = min(2, len(rolls))
    sheet = Image.new("RGB", (GAP + columns * width, GAP + -(-len(rolls) // columns) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, ((label, _), roll) in enumerate(zip(scores, rolls, strict=True)):
        x, y = GAP + index % columns * width, GAP + index // columns * height
        draw.text((x, y + roll.height // 2), label, fill="black", font=font, anchor="lm")
        sheet.paste(roll, (x + left, y))
    return sheet


def _canvas(score: Score, audio: Tensor | None) -> Any:
    """A piano roll that is laid out and drawn once it is asked to."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    panels = _panels(score, audio)
    width = min(40.0, max(9.0, 2 + 0.8 * score.steps / score.bar))
    heights = [height for height, _ in panels]
    figure = Figure(figsize=(width, 1.2 + sum(heights)), dpi=100, layout="constrained")
    staves = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (_, draw) in zip(staves, panels, strict=True):
        draw(axes)
        _draw_bars(axes, score)
    staves[0].set_title(_caption(score), fontsize=11, loc="left")
    staves[-1].set_xlabel("bar", fontsize=9)
    _draw_legend(figure, score)
    return FigureCanvasAgg(figure)


def _small_roll(score: Score, low: int, high: int) -> Image.Image:
    """Pitches `low` to `high` - 1, the highest above."""
    step = max(QUARTER // score.grid, THIN)
    pixels = np.full(((high - low) * SEMITONE, score.steps * step + 1, 3), 255, np.uint8)
    pixels[:, :: score.grid * step] = BEAT_LINE
    pixels[:, :: score.bar * step] = BAR_LINE
    pixels[[0, -1]] = pixels[:, -1] = BAR_LINE
    for index in range(len(score.tracks)):
        colour = np.array(COLOURS[index % len(COLOURS)])
        for start, stop, pitch in notes(score, index).tolist():
            row = pixels[(high - 1 - pitch) * SEMITONE : (high - pitch) * SEMITONE]
            row[:, start * step + 1 : stop * step] = colour
            row[:, start * step + 1 : start * step + 2] = colour // 2
    return Image.fromarray(pixels)


def _panels(score: Score, audio: Tensor | None) -> list[tuple[float, Callable[[Any], None]]]:
    """What to draw from top to bottom: heights in inches, and what draws into the axes."""
    drums = [index for index, track in enumerate(score.tracks) if track.kind == "drums"]
    others = [index for index in range(len(score.tracks)) if index not in drums]
    hits = np.flatnonzero(score.onset[drums].any(axis=(0, 1)))  # the drums in use
    panels: list[tuple[float, Callable[[Any], None]]] = []
    if others:
        low, high = _range(score, others)
        panels.append((0.075 * (high - low), partial(_draw_roll, score=score, tracks=others, low=low, high=high)))
    if len(hits) or not others:
        panels.append((0.3 + 0.16 * len(hits), partial(_draw_drums, score=score, tracks=drums, hits=hits)))
    if audio is not None:
        panels.append((2.0, partial(_draw_sound, score=score, audio=audio)))
    return panels


def _range(score: Score, tracks: Sequence[int]) -> tuple[int, int]:
    """The pitches to show, first and after the last: those in use, and an octave at least."""
    used = np.flatnonzero(score.pitch[list(tracks)].any(axis=(0, 1)))
    low, high = (int(used[0]) - 1, int(used[-1]) + 2) if len(used) else (60, 72)
    spare = max(0, 14 - (high - low))
    return max(0, low - spare // 2), min(PITCHES, high + spare - spare // 2)


def _draw_roll(axes: Any, score: Score, tracks: Sequence[int], low: int, high: int) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    gap, edge = score.grid / 40, score.grid / 16  # steps
    for pitch in range(low, high):
        if pitch % 12 in BLACK_KEYS:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color="0.955", linewidth=0, zorder=0)
        if pitch % 12 == 0:
            axes.axhline(pitch - 0.5, color="0.6", linewidth=0.7, zorder=1)
    for index in tracks:
        colour = _unit(COLOURS[index % len(COLOURS)])
        dark = tuple(0.5 * part for part in colour)
        half = 0.46 - 0.06 * min(index, 4)  # later tracks are slimmer, so that unisons show both colours
        played = notes(score, index).tolist()
        bodies = [Rectangle((start, pitch - half), stop - start - gap, 2 * half) for start, stop, pitch in played]
        axes.add_collection(PatchCollection(bodies, facecolor=colour, linewidth=0, zorder=3))
        edges = [Rectangle((start, pitch - half), edge, 2 * half) for start, _, pitch in played]
        axes.add_collection(PatchCollection(edges, facecolor=dark, linewidth=0, zorder=3))
    octaves = range(-(-low // 12) * 12, high, 12)
    axes.set_yticks(list(octaves), [f"C{pitch // 12 - 1}" for pitch in octaves], fontsize=9)
    axes.set_ylim(low - 0.5, high - 0.5)


def _draw_drums(axes: Any, score: Score, tracks: Sequence[int], hits: np.ndarray) -> None:
    from pretty_midi import note_number_to_drum_name

    line = {pitch: row for row, pitch in enumerate(hits.tolist())}
    for index in tracks:
        starts, _, pitches = notes(score, index).T.tolist()
        rows = [line[pitch] for pitch in pitches]
        colour = _unit(COLOURS[index % len(COLOURS)])
        axes.scatter(starts, rows, marker="D", s=14, color=[colour], linewidth=0, zorder=3, clip_on=False)
    names = [note_number_to_drum_name(pitch) or f"drum {pitch}" for pitch in line]
    axes.set_yticks(list(line.values()), names, fontsize=8)
    axes.set_ylim(-0.7, len(line) - 0.3)
    axes.grid(axis="y", color="0.92")


def _draw_sound(axes: Any, score: Score, audio: Tensor) -> None:
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    mel = MelSpectrogram(RATE, n_fft=4096, hop_length=HOP, n_mels=MELS, f_min=LOWEST, f_max=HIGHEST)
    decibels = AmplitudeToDB(top_db=DECIBELS)(mel(audio.detach().cpu().float().mean(dim=0)))  # (MELS, frames)
    frame = HOP / RATE * score.tempo / 60 * score.grid  # steps
    extent = (score.lead - 0.5 * frame, score.lead + (decibels.shape[1] - 0.5) * frame, _mel(LOWEST), _mel(HIGHEST))
    axes.imshow(decibels.numpy(), origin="lower", aspect="auto", extent=extent, cmap="magma", zorder=0)
    marks = (100, 250, 500, 1000, 2000, 4000, 8000)
    axes.set_yticks([_mel(hertz) for hertz in marks], [f"{hertz:,} Hz" for hertz in marks], fontsize=8)


def _mel(hertz: float) -> float:
    """O'Shaughnessy 1987, as torchaudio has it by default."""
    return float(2595 * np.log10(1 + hertz / 700))


def _draw_bars(axes: Any, score: Score) -> None:
    """Bar lines behind a pickup, and a bar number at each (or each second, fourth, ... where there is no room)."""
    starts = range(score.bar if score.pickup else 0, score.steps + 1, score.bar)
    for start in starts:
        axes.axvline(start, color="0.55", linewidth=0.8, zorder=2)
    every = max(1, 2 ** int(np.ceil(np.log2(len(starts) / 64))))
    shown = [start for start in starts if start < score.steps][::every]
    axes.set_xticks(shown, [str(start // score.bar + (not score.pickup)) for start in shown], fontsize=9)
    axes.set_xlim(score.lead, score.steps)


def _draw_legend(figure: Any, score: Score) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=_unit(COLOURS[index % len(COLOURS)]), label=_label(track, index))
        for index, track in enumerate(score.tracks)
    ]
    figure.legend(handles=handles, loc="outside right upper", fontsize=9, frameon=False)


def _label(track: TrackSpec, index: int) -> str:
    return track.name or f"track {index + 1}"


def _caption(score: Score) -> str:
    return f"{score.key}, {score.metre}, {score.tempo:.0f} quarter notes a minute"


def _unit(colour: Colour) -> tuple[float, float, float]:
    """RGB from 0 to 1, as matplotlib has it."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
