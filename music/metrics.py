"""What a piece of music is like; `music.set_metrics` says how a set of pieces differs from real ones.

The metrics of a piece take a `Score` and return a float, NaN where its docstring says that it is undefined; `measure`
leaves NaN out of its means. All that concerns pitch leaves drums out, as their pitches are instruments. A note is a
pitch of a track, so two voices on one pitch are two notes. A last bar or beat that is short counts as whole, its
missing steps silent. Published tools get some of this wrong (chroma by a reshape that groups neighbouring pitches,
empty-bar rates inverted), so compare figures of this module only with each other.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from einops import rearrange

from music.faults import crossings, dissonances, moves, parallel_moves, top_line, voices_of
from music.score import Score, notes
from music.theory import PITCHES

# Pitch classes counted from the tonic; minor is natural, harmonic and melodic minor in one.
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}
QUALIFIED = 2  # notes of the least length that counts as whole, an eighth, in a quarter

LONGEST = 8  # quarter notes; the last bin of the duration histogram also counts what is longer
WIDEST = 24  # semitones; the outer bins of the interval histogram also count what is wider
FULLEST = 32  # notes; the last bin of the notes-per-bar histogram also counts more
POSITIONS = 6  # quarter notes of the longest bar

_FOLD = np.eye(12)[np.arange(PITCHES) % 12]  # (128, 12): pitches to pitch classes
_ANGLES = np.arange(12)[:, None] * np.pi * np.array([7 / 6, 3 / 2, 2 / 3])  # fifths, minor thirds, major thirds
_CENTROID = np.concatenate([np.sin(_ANGLES), np.cos(_ANGLES)], axis=1) * np.array([1, 1, 0.5, 1, 1, 0.5])  # (12, 6)


# --- Views of a piece -------------------------------------------------------------------------------------------------


def _melodic(score: Score) -> list[int]:
    """The tracks that are no drums."""
    return [index for index, track in enumerate(score.tracks) if track.kind != "drums"]


def _sounding(score: Score) -> np.ndarray:
    """What sounds in the tracks that are no drums, bool (tracks, steps, 128)."""
    return score.pitch[_melodic(score)]


def _voices(score: Score) -> np.ndarray:
    """Pitches or SILENT of the mono tracks in the order of `voices_of`, int64 (voices, steps)."""
    return top_line(score.pitch[voices_of(score.tracks)])


def _blocks(rolls: np.ndarray, size: int) -> np.ndarray:
    """Cut into bars or beats, the last one filled up: (tracks, steps, ...) to (tracks, blocks, size, ...)."""
    tracks, steps, *rest = rolls.shape
    if missing := -steps % size:
        rolls = np.concatenate([rolls, np.zeros((tracks, missing, *rest), rolls.dtype)], axis=1)
    return rearrange(rolls, "tracks (blocks size) ... -> tracks blocks size ...", size=size)


def _bars(score: Score) -> int:
    return -(-score.steps // score.bar)


def _durations(score: Score) -> np.ndarray:
    """How many steps each note lasts that is no drum's, int64 (notes,)."""
    return np.concatenate([np.zeros(0, int), *(np.diff(notes(score, i)[:, :2])[:, 0] for i in _melodic(score))])


def _mean(values: np.ndarray) -> float:
    """Mean over what is there, NaN if nothing is."""
    return float(values.mean()) if values.size else float("nan")


# --- Metrics of a piece -----------------------------------------------------------------------------------------------


def in_scale(score: Score) -> float:
    """Share of the note time (steps, summed over notes) whose pitch class belongs to the scale of the key.

    The scale is the major one, or for minor all of natural, harmonic and melodic minor, nine classes. Muspy's pitch in
    scale rate (Dong et al. 2020) counts notes and not time. NaN without a note.
    """
    classes = (np.nonzero(_sounding(score))[2] - score.key.tonic) % 12
    return _mean(np.isin(classes, SCALES[score.key.mode]))


def chord_on_beat(score: Score) -> float:
    """Share of the beats with three or more notes sounding whose notes are part of a triad or a seventh chord.

    Of a beat only its first step counts, with what is held there. The pitch classes must be two or more, and all belong
    to one chord of TRIADS or SEVENTHS on any root. See `beat_of` for what a beat is. NaN where no beat has three notes.
    """
    faulty, full = dissonances(_sounding(score).sum(axis=0) @ _FOLD, score.beat)
    return _mean(~faulty[full])


def voice_crossing(score: Score) -> float:
    """Share of steps where the lower of two neighbouring voices is above the upper one.

    Taken over all steps and pairs of neighbouring mono tracks, both sounding, in the order of
    `music.faults.voices_of`. Two voices on one pitch do not cross. NaN where no two neighbours ever sound together.
    """
    crossed, sounding = crossings(_voices(score))
    return _mean(crossed[sounding])


def parallels(score: Score) -> float:
    """Parallel perfect fifths, octaves and unisons a bar, between any two mono tracks.

    Two voices move in parallel from one step to the next if both sound in both steps, both change their pitch, in the
    same direction, and their distance in semitones modulo 12 is 7 (fifths, twelfths...) before and after, or is 0
    before and after (unisons, octaves...). So repeated notes, contrary motion and fifths with a rest between do not
    count, nor do direct (hidden) fifths, which are reached from another interval. NaN with fewer than two mono tracks
    or no steps.
    """
    voices = _voices(score)
    if len(voices) < 2 or not score.steps:
        return float("nan")
    return float(parallel_moves(voices).sum() / _bars(score))


def leaps(score: Score) -> float:
    """Share of the moves of mono tracks that are wider than a whole tone; NaN without moves.

    A move is from a note to one that begins as it ends, repeated notes included.
    """
    leaping, _, going = moves(_voices(score), score.onset[voices_of(score.tracks)])
    return _mean(leaping[going])


def repeats(score: Score) -> float:
    """Share of the moves of mono tracks, as of `leaps`, that repeat a note; NaN without moves."""
    _, repeated, going = moves(_voices(score), score.onset[voices_of(score.tracks)])
    return _mean(repeated[going])


def notes_of_tracks(score: Score) -> np.ndarray:
    """Notes (for drums: hits) that begin in a bar of each track, mean over bars, float64 (tracks,); NaN without any."""
    onsets = score.onset.sum(axis=(1, 2))
    return onsets / _bars(score) if score.steps else np.full(len(onsets), np.nan)


def notes_per_bar(score: Score) -> float:
    """Notes (for drums: hits) that begin in a bar of a track, the mean over bars and tracks; NaN without any."""
    return _mean(notes_of_tracks(score))


def empty_bars(score: Score) -> float:
    """Share of the bars of tracks, drums included, in which nothing sounds: EB of Dong et al. 2018 (MuseGAN).

    A bar in which a note is only held is not empty. NaN without bars.
    """
    return _mean(_blocks(score.pitch, score.bar).sum(axis=(2, 3)) == 0)


def used_pitch_classes(score: Score) -> float:
    """Different pitch classes (1 to 12) that sound in a bar of a track: UPC of Dong et al. 2018 (MuseGAN).

    The mean over the bars of tracks that are not empty (`empty_bars` counts those); NaN if all are.
    """
    classes = (_blocks(_sounding(score), score.bar).any(axis=2) @ _FOLD > 0).sum(axis=2)  # (tracks, bars)
    return _mean(classes[classes > 0])


def qualified_notes(score: Score) -> float:
    """Share of the notes that last an eighth or longer; few of them means fragmented music.

    QN of Dong et al. 2018 (MuseGAN) with another threshold: theirs is a thirty-second note (3 of 96 steps a bar), which
    on a grid of sixteenths every note reaches. NaN without a note.
    """
    return _mean(QUALIFIED * _durations(score) >= score.grid)


def polyphony(score: Score) -> float:
    """Notes that sound at once, of all tracks, the mean over the steps where any does; NaN where none ever does.

    As in muspy (Dong et al. 2020), but two tracks on one pitch are two notes.
    """
    sounding = _sounding(score).sum(axis=(0, 2))
    return _mean(sounding[sounding > 0])


def polyphony_rate(score: Score) -> float:
    """Share of all steps in which two notes or more sound (muspy, Dong et al. 2020); NaN without steps."""
    return _mean(_sounding(score).sum(axis=(0, 2)) >= 2)


def tonal_distance(score: Score) -> float:
    """How far apart the harmonies of two tracks are: TD of Dong et al. 2018 (MuseGAN).

    A track's chroma in a beat is how long each pitch class sounds there, scaled to sum 1. Its tonal centroid is the sum
    of the classes' places on the circles of fifths, minor thirds (radii 1) and major thirds (radius 0.5), weighted by
    it (Harte et al. 2006). The metric is the Euclidean distance of two centroids, 0 to 3, the mean over all beats and
    pairs of tracks that both sound in the beat; NaN where no two tracks ever do.
    """
    chroma = _blocks(_sounding(score), score.beat).sum(axis=2) @ _FOLD  # (tracks, beats, 12)
    total = chroma.sum(axis=2)
    centroid = chroma @ _CENTROID / np.maximum(total, 1)[:, :, None]
    first, second = np.triu_indices(len(chroma), k=1)
    distances = np.linalg.norm(centroid[first] - centroid[second], axis=2)
    return _mean(distances[(total[first] > 0) & (total[second] > 0)])


def groove_consistency(score: Score) -> float:
    """How alike the rhythms of neighbouring bars are, 0 to 1 (Wu & Yang 2020; muspy, Dong et al. 2020).

    1 minus the share of sixteenths of the bar in which a note of any track, drums included, begins in one of two
    neighbouring bars and not in the other, the mean over such pairs. So bars without onsets are alike. NaN with fewer
    than two bars. (muspy's code adds a silent bar to a piece that ends at a bar line.)
    """
    onset = _blocks(score.onset, score.bar).sum(axis=(0, 3)) > 0  # (bars, positions)
    begins = rearrange(onset, "bars (sixteenths steps) -> bars sixteenths steps", steps=score.grid // 4).any(axis=2)
    return 1 - _mean(begins[1:] != begins[:-1])


def self_similarity(score: Score) -> float:
    """How much two bars of the piece are alike in their notes, 0 to 1, the mean over all pairs of bars.

    The notes of a bar are the triples (track, position in the bar, pitch) at which one begins. Two bars are alike by
    the cosine: the notes they share, over the root of the product of how many each has. Bars in which no note begins
    are left out; NaN where fewer than two remain.
    """
    onset = _blocks(score.onset[_melodic(score)], score.bar)  # (tracks, bars, positions, 128)
    content = rearrange(onset, "tracks bars positions pitches -> bars (tracks positions pitches)")
    content = content[:, content.any(axis=0)][content.any(axis=1)].astype(float)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    return _mean((content @ content.T)[np.triu_indices(len(content), k=1)])


METRICS: dict[str, Callable[[Score], float]] = {
    "in_scale": in_scale,
    "chord_on_beat": chord_on_beat,
    "voice_crossing": voice_crossing,
    "parallels": parallels,
    "leaps": leaps,
    "repeats": repeats,
    "notes_per_bar": notes_per_bar,
    "empty_bars": empty_bars,
    "used_pitch_classes": used_pitch_classes,
    "qualified_notes": qualified_notes,
    "polyphony": polyphony,
    "polyphony_rate": polyphony_rate,
    "tonal_distance": tonal_distance,
    "groove_consistency": groove_consistency,
    "self_similarity": self_similarity,
}


def measure(scores: Sequence[Score]) -> dict[str, float]:
    """The mean of every metric of METRICS over the pieces for which it is defined; NaN where it is for none.

    Beside them, for every track NAME, "notes_per_bar NAME": the mean of `notes_of_tracks` over the pieces that have it.
    """
    means = {name: _mean_defined([metric(score) for score in scores]) for name, metric in METRICS.items()}
    of_tracks: dict[str, list[float]] = {}
    for score in scores:
        for track, count in zip(score.tracks, notes_of_tracks(score), strict=True):
            of_tracks.setdefault(f"notes_per_bar {track.name}", []).append(float(count))
    return means | {name: _mean_defined(counts) for name, counts in of_tracks.items()}


def _mean_defined(values: Sequence[float]) -> float:
    defined = np.array(values)
    return _mean(defined[~np.isnan(defined)])


def quality(score: Score, typical: Mapping[str, float]) -> float:
    """How faulty a piece seems, to pick the best of several candidates: lower is better, and 0 is faultless.

    A rule of thumb and not a metric: report nothing that was picked by it as if it were a model's average. It is

        parallels a bar + 2 * voice_crossing + 4 * (1 - in_scale) + 2 * (1 - chord_on_beat)
        + |notes_per_bar - typical| / typical

    in which undefined terms are 0. The weights make common faults of a sample count about alike: one parallel a bar,
    crossing half the time, a quarter of the time out of the scale, half of the beats no chord, or twice the notes. A
    piece without a note scores infinity.

    Args:
        typical: what `measure` says of real pieces; of it "notes_per_bar" is used.
    """
    if not score.onset.any():
        return float("inf")
    expected = typical["notes_per_bar"]
    terms = (
        parallels(score),
        2 * voice_crossing(score),
        4 * (1 - in_scale(score)),
        2 * (1 - chord_on_beat(score)),
        abs(notes_per_bar(score) - expected) / expected,
    )
    return float(np.nansum(terms))


# --- Histograms of a piece --------------------------------------------------------------------------------------------


def histograms(score: Score) -> dict[str, np.ndarray]:
    """Counts of what a piece is made of, int64; those of a set are their sums.

    - pitch_class (12,): notes by pitch class, counted from the tonic.
    - pitch (128,): notes by MIDI pitch.
    - interval (49,): semitones from note to note in each track, -24 to 24, up is positive, rests are skipped. Of a poly
      track this is its top line: the notes above which nothing sounds as they begin. See WIDEST.
    - duration (8 * grid,): notes by length, 1 step to LONGEST.
    - position (6 * grid,): notes by the step of the bar in which they begin.
    - bar_notes (33,): bars of tracks by how many notes begin in them, 0 to FULLEST.

    Drums count in the last two only.
    """
    melodic = _melodic(score)
    begin = score.onset[melodic]
    top = top_line(score.pitch[melodic])
    is_new = np.take_along_axis(begin, np.maximum(top, 0)[:, :, None], axis=2)[:, :, 0]  # (tracks, steps)
    intervals = [np.diff(line[new]) for line, new in zip(top, is_new, strict=True)]
    pitch = begin.sum(axis=(0, 1))
    bars = _blocks(score.onset.sum(axis=2), score.bar)  # (tracks, bars, positions)
    return {
        "pitch_class": np.roll((pitch @ _FOLD).astype(int), -score.key.tonic),
        "pitch": pitch,
        "interval": _counts(np.concatenate([np.zeros(0, int), *intervals]), -WIDEST, WIDEST),
        "duration": _counts(_durations(score), 1, LONGEST * score.grid),
        "position": np.append(bars.sum(axis=(0, 1)), np.zeros(POSITIONS * score.grid - score.bar, int)),
        "bar_notes": _counts(bars.sum(axis=2).ravel(), 0, FULLEST),
    }


def _counts(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """How often each whole number from low to high is there; what lies beyond counts as the nearest of them."""
    return np.bincount(np.clip(values, low, high) - low, minlength=high - low + 1)
