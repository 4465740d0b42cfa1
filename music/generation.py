"""From what a command asks for to a piece: passages composed, harmonised or continued one after the other.

A network writes a window of a few bars. A longer piece goes on from its last bars, which are given to the next window;
every window may be drawn several times, and the best by `music.metrics.quality` is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.cores.latents import analogy, walk
from common.errors import UserError
from common.processes import tell
from common.randomness import mix
from music.chord_symbols import moved, parse_progression
from music.chords import key_of
from music.config import BARS, LONGEST, STYLES, GenerateConfig, composers, told_styles
from music.data.reading import read_score
from music.io.midi import settled_key
from music.models import MusicModel, from_score
from music.ranges import parse_ranges
from music.score import Score, TrackSpec, notes, transpose, widened
from music.theory import PITCHES, Key, Mode, nearest_interval, parse_key
from music.windows import PieceSettings, in_bars, to_piece, write_section


def make_piece(model: MusicModel, config: GenerateConfig) -> Score:
    """Compose, harmonise, continue or blend as the settings ask.

    Raises:
        UserError: the model cannot do this, or a given file does not fit.
    """
    if config.melody is not None:
        piece = harmonise(model, config, config.melody)
    elif config.continue_ is not None:
        piece = continue_piece(model, config, config.continue_)
    elif config.from_ is not None and config.to is not None:
        piece = interpolate(model, config, config.from_, config.to)
    elif config.arithmetic:
        piece = calculate(model, config, config.arithmetic)
    else:
        piece = compose(model, config)
    if config.tempo is not None:
        piece = replace(piece, tempo=config.tempo)
    return piece


def compose(model: MusicModel, config: GenerateConfig) -> Score:
    """A piece from nothing: --bars long, or the sections of --form, of which equal letters are the same music."""
    chords = parse_progression(config.chords) if config.chords else ()
    key = parse_key(config.key) if config.key else key_of(chords) if chords else Key()
    settings = piece_settings(model, config, config.metre or _usual_metre(model, config.style), key.mode)
    interval = nearest_interval(key.tonic)
    settings = replace(settings, chords=moved(chords, -key.tonic), ranges=fitting_ranges(model, config, -interval))
    settings = replace(settings, pickup=_pickup(config, settings))
    form, bars = config.form or "A", config.bars or BARS
    length, lead_in = bars // len(form), min(settings.pickup, 1)
    sections: dict[str, Tensor] = {}
    so_far: Tensor | None = None
    for letter in form:
        if letter not in sections:
            own = replace(settings, seed=mix(settings.seed, ord(letter)) % (1 << 31))
            own = replace(own, ending=own.ending if letter == form[-1] else None)
            sections[letter] = write_section(own, length + lead_in * (so_far is None), so_far)
        so_far = sections[letter]
    later = [sections[letter][:, :, -length:] for letter in form]  # without the pickup's bar
    whole = torch.cat([sections[form[0]][:, :, :lead_in], *later], 2)  # (2, T, bars, bar_steps, P)
    piece = to_piece(settings, whole)
    return transpose(piece, interval)


def harmonise(model: MusicModel, config: GenerateConfig, path: Path) -> Score:
    """Write the other voices to a melody, which stays as it is, note for note on the model's grid.

    Raises:
        UserError: the file holds no melody that the model's first voice can sing.
    """
    if len(model.config.tracks) < 2:
        raise UserError(f"--melody: {model.name} has one voice, and none to write beside it; try --weights chorales")
    if model.config.tracks[0].kind == "drums":
        raise UserError(f"--melody: the first track of {model.name} is drums, and cannot sing it; try other --weights")
    tune = read_piece(model, path, "--melody")
    line = melody(tune, path)
    key = parse_key(config.key) if config.key else _settled_key(tune, path)
    settings = piece_settings(model, config, known_metre(model, tune.metre, f"--melody {path}"), key.mode)
    if settings.voices < 2:
        raise UserError(f"--melody: {config.style} has one voice, and none to write beside it; try --style chorale")
    shift = fitting_shift(model, line, key, f"--melody {path}")
    bars = -(-line.steps // line.bar)
    if bars > LONGEST:
        raise UserError(f"--melody {path}: {bars} bars are too long, the most is {LONGEST}; cut it")
    if config.chords:
        settings = replace(settings, chords=moved(parse_progression(config.chords), shift))
    settings = replace(settings, ranges=fitting_ranges(model, config, shift), pickup=tune.pickup)
    raised = transpose(line, shift)
    window = model.config.bars
    whole = from_score(model.config, widened(raised, len(model.config.tracks)), max(bars, window))
    given = in_bars(model, whole)
    written = write_section(settings, given.shape[2], None, given)[:, :, :bars]
    piece = to_piece(settings, written)
    return replace(transpose(piece, -shift), key=key, tempo=tune.tempo)


def continue_piece(model: MusicModel, config: GenerateConfig, path: Path) -> Score:
    """Go on from a piece with --bars more bars; what is given stays as it is.

    Raises:
        UserError: the piece has other tracks than the model writes, or leaves their range.
    """
    given = read_like(model, path, "--continue", config.style)
    settings = piece_settings(model, config, known_metre(model, given.metre, f"--continue {path}"), given.key.mode)
    shift = fitting_shift(model, given, given.key, f"--continue {path}")
    settings = replace(settings, ranges=fitting_ranges(model, config, shift), pickup=given.pickup)
    bars = -(-given.steps // given.bar)
    roll = from_score(model.config, transpose(given, shift), bars)
    before = in_bars(model, roll)
    more = write_section(settings, config.bars or BARS, before)
    piece = to_piece(settings, torch.cat([before, more], 2))
    return replace(transpose(piece, -shift), key=given.key, tempo=given.tempo)


def interpolate(model: MusicModel, config: GenerateConfig, start: Path, end: Path) -> Score:
    """Go from the first bars of one piece to those of another, window by window, on the great circle between latents.

    The first and last windows are what the model makes of their latents: close to the two, and not the same. Tempo and
    key are those of the first.

    Raises:
        UserError: the pieces do not fit the model or each other, or --bars is no multiple of its window.
    """
    window, bars = model.config.bars, config.bars or 2 * BARS
    if bars % window or bars < 2 * window:
        raise UserError(f"--bars {bars}: {model.name} goes in windows of {window} bars; ask for {2 * window} or more")
    blend = _blend(model, {"--from": start, "--to": end}, config)
    shares = torch.linspace(0, 1, bars // window).tolist()
    return blend.piece([walk(blend.latents, share) for share in shares], [round(share) for share in shares])


def calculate(model: MusicModel, config: GenerateConfig, files: Sequence[Path]) -> Score:
    """The piece A - B + C of three, in latents: what A has and B has not, done to C. One window long.

    Tempo and key are those of the first.

    Raises:
        UserError: the pieces do not fit the model or each other.
    """
    first, second, third = files
    names = {"--arithmetic A": first, "--arithmetic B": second, "--arithmetic C": third}
    blend = _blend(model, names, config)
    return blend.piece([analogy(*blend.latents)], [0])


@dataclass(frozen=True)
class _Blend:
    """Some pieces as a model sees them: latents (K, latents), the mode of each, and what leads back to the first."""

    settings: PieceSettings
    latents: Tensor
    modes: list[Mode]
    shift: int
    tempo: float
    key: Key

    def piece(self, latents: Sequence[Tensor], modes: Sequence[int]) -> Score:
        """One window after the other, each in the mode of the piece of that number."""
        model, windows = self.settings.model, []
        for number, (z, mode) in enumerate(zip(latents, modes, strict=True)):
            first, last = number == 0, number == len(latents) - 1
            condition = model.condition(1, self.settings.metre, self.modes[mode], self.settings.style, first, last)
            roll = model.compose(z[None], condition)[0]
            windows.append(in_bars(model, roll))
        piece = transpose(to_piece(self.settings, torch.cat(windows, 2)), -self.shift)
        return replace(piece, tempo=self.tempo, key=self.key)


def _blend(model: MusicModel, files: dict[str, Path], config: GenerateConfig) -> _Blend:
    """Encode the first window of files, by the flags that name them."""
    pieces = {flag: read_like(model, path, flag, config.style) for flag, path in files.items()}
    metres = {piece.metre for piece in pieces.values()}
    if len(metres) > 1:
        raise UserError(f"{', '.join(files)}: their metres differ ({', '.join(sorted(metres))}); choose others")
    keys = [piece.key for piece in pieces.values()]
    if config.key:
        keys[0] = parse_key(config.key)
    metre = known_metre(model, metres.pop(), ", ".join(files))
    settings = piece_settings(model, config, metre, keys[0].mode)
    latents, shifts = [], []
    for (flag, piece), key in zip(pieces.items(), keys, strict=True):
        shifts.append(fitting_shift(model, piece, key, f"{flag} {files[flag]}"))
        roll = from_score(model.config, transpose(piece, shifts[-1]), model.config.bars)
        latents.append(model.encode(roll[None], model.condition(1, metre, key.mode, settings.style))[0])
    tempo = next(iter(pieces.values())).tempo
    return _Blend(settings, torch.stack(latents), [key.mode for key in keys], shifts[0], tempo, keys[0])


def melody(score: Score, path: Path) -> Score:
    """The top line of the first track that is not drums, as a score of one mono track.

    Raises:
        UserError: there are only drums in it; the message names its file, `path`.
    """
    pitched = [index for index, track in enumerate(score.tracks) if track.kind != "drums"]
    if not pitched:
        raise UserError(f"--melody {path}: there are only drums in it; choose a file with a tune")
    pitch, onset = _detached(score, pitched[0])
    top = pitch & (np.cumsum(pitch[:, ::-1], axis=1)[:, ::-1] == 1)  # (steps, 128): nothing sounds above
    begins = top & (onset | ~np.concatenate([np.zeros_like(top[:1]), top[:-1]]))
    track = replace(score.tracks[pitched[0]], kind="mono")
    return replace(score, tracks=(track,), pitch=top[None], onset=begins[None])


def _detached(score: Score, track: int) -> tuple[np.ndarray, np.ndarray]:
    """What sounds and what begins in a track, (steps, 128) each, without what was played legato.

    A note that lasts into the next ones, but for less than half of its own length and of theirs, ends where they begin:
    else of descending notes the earlier one would hide the beginning of the later one.
    """
    played, pitch = notes(score, track), score.pitch[track].copy()
    for start, stop, note in played.tolist():
        later = played[(played[:, 0] > start) & (played[:, 0] < stop)]
        overlap = stop - later[:, 0]
        legato = later[(2 * overlap <= stop - start) & (2 * overlap <= later[:, 1] - later[:, 0]), 0]
        if len(legato):
            pitch[legato.min() : stop, note] = False
    return pitch, score.onset[track] & pitch


# ---- what fits -------------------------------------------------------------------------------------------------------


def read_piece(model: MusicModel, path: Path, flag: str) -> Score:
    """A piece of a file of MIDI, MusicXML or ABC on the model's grid; what of it is left out is said."""
    return read_score(path, lambda line: say(path, flag, line), model.config.grid)


def say(path: Path, flag: str, line: str) -> None:
    """Say in one line on standard error what was done to a given file."""
    tell(f"{flag} {path}: {line}")


def _settled_key(tune: Score, path: Path) -> Key:
    """The key that the notes of a --melody fit; said where the file has it otherwise."""
    key = settled_key(tune, tune.key)
    if key != tune.key:
        say(path, "--melody", f"its notes are in {key}, which counts, though it says {tune.key}")
    return key


def read_like(model: MusicModel, path: Path, flag: str, style: str) -> Score:
    """A piece of a file, with the tracks that the model has, silent where its style is.

    Raises:
        UserError: it has others, or cannot be read.
    """
    piece = read_piece(model, path, flag)
    require_tracks(model, piece, path, flag, style)
    return widened(piece, len(model.config.tracks))


def require_tracks(model: MusicModel, piece: Score, path: Path, flag: str, style: str) -> None:
    """Raise a UserError if a piece has other tracks than the model writes in a style."""
    written = model.config.tracks[: model.voices(style)]
    if [track.kind == "drums" for track in piece.tracks] != [track.kind == "drums" for track in written]:
        theirs, ours = (", ".join(track.name or "?" for track in tracks) for tracks in (piece.tracks, written))
        told = f"{flag} {path}: its tracks with notes are {theirs}, and {model.name} writes {ours}"
        raise UserError(f"{told}; {_other_ways(piece, path)}")


def _other_ways(piece: Score, path: Path) -> str:
    """What to do with a piece that has other tracks than a model writes."""
    drums = [track.kind == "drums" for track in piece.tracks]
    ways = [
        f"--weights {name} writes such pieces"
        for name, config in composers().items()
        if [track["kind"] == "drums" for track in config["network"]["tracks"]] == drums
    ]
    if drums == [False]:
        ways.append(f"--melody {path} gives it other voices")
    return ", and ".join(ways) or "weights that are trained on such pieces can (python -m music.train)"


def piece_settings(model: MusicModel, config: GenerateConfig, metre: str, mode: Mode) -> PieceSettings:
    """What windows are written by, of the settings of the command.

    Raises:
        UserError: the model writes no such metre or style.
    """
    if metre not in model.config.metres:
        known = ", ".join(model.config.metres)
        raise UserError(f"--metre {metre}: {model.name} writes {known}")
    style = config.style
    if style not in model.config.styles:
        if style and STYLES.get(style) != model.name:
            counts = {name: facts.tunes for name, facts in model.styles.items()}
            known = told_styles(model.config.styles, counts) or "none; leave it out"
            raise UserError(f"--style {style}: unknown to {model.name}; it has {known}")
        style = ""
    return PieceSettings(
        *(model, metre, mode, style, config.temperature, config.rounds, config.candidates, config.seed),
        ending=config.ending,
        density=config.density,
    )


def fitting_ranges(model: MusicModel, config: GenerateConfig, shift: int) -> tuple[tuple[int, int], ...]:
    """The --range of each track, moved by semitones as the piece is; () where none is asked for.

    Raises:
        UserError: there is no such voice, or the model has no pitch in a range.
    """
    asked = parse_ranges(config.range_)
    ranges = []
    for number, track in enumerate(model.config.tracks, 1):
        own = asked.get(track.name.casefold(), asked.get(str(number), asked.get("", (0, PITCHES - 1))))
        ranges.append((own[0] + shift, own[1] + shift))
        if track.kind != "drums" and not max(track.low, ranges[-1][0]) <= min(track.high, ranges[-1][1]):
            reach = f"MIDI {track.low - shift} to {track.high - shift}"
            raise UserError(f"--range: {model.name} writes {track.name} from {reach} here, none of it in {own}")
    known = {"", *(track.name.casefold() for track in model.config.tracks), *map(str, range(1, len(ranges) + 1))}
    if unknown := sorted(set(asked) - known):
        names = ", ".join(track.name for track in model.config.tracks)
        raise UserError(f"--range {unknown[0]}: {model.name} has {names}; name one of them, or its number")
    return tuple(ranges) if asked else ()


def _pickup(config: GenerateConfig, settings: PieceSettings) -> int:
    """The steps of --pickup.

    Raises:
        UserError: it is a bar of the metre or longer.
    """
    grid = settings.model.config.grid
    steps = round((config.pickup or 0) * grid)
    if steps >= settings.bar:
        quarters = settings.bar / grid
        raise UserError(
            f"--pickup {config.pickup:g}: a bar of {settings.metre} has {quarters:g} quarter notes; ask for less"
        )
    return steps


def _usual_metre(model: MusicModel, style: str) -> str:
    return model.metres.get(style) or model.metres[""]


def known_metre(model: MusicModel, metre: str, flag: str) -> str:
    """The metre of a given piece.

    Raises:
        UserError: the model writes no such metre; the message begins with `flag`.
    """
    if metre not in model.config.metres:
        raise UserError(f"{flag}: its metre is {metre}, and {model.name} knows {', '.join(model.config.metres)}")
    return metre


def fitting_shift(model: MusicModel, score: Score, key: Key, flag: str) -> int:
    """Semitones that bring a piece's tonic to C, and the notes of its tracks into the ranges of the model's first ones.

    Raises:
        UserError: no octave does; the message begins with `flag`.
    """
    tracks = model.config.tracks[: len(score.tracks)]
    nearest = nearest_interval(-key.tonic)
    for shift in sorted((nearest + 12 * octaves for octaves in range(-4, 5)), key=abs):
        if all(_fits(track, pitch, shift) for track, pitch in zip(tracks, score.pitch, strict=True)):
            return shift
    ranges = ", ".join(f"{track.name} spans {track.high - track.low}" for track in tracks)
    raise UserError(f"{flag}: its notes fit {model.name} in no octave ({ranges} semitones); choose a narrower piece")


def _fits(track: TrackSpec, pitch: np.ndarray, shift: int) -> bool:
    """Whether notes, bool (steps, 128), are in the range of a track once they are shifted; drums stay."""
    used = np.flatnonzero(pitch.any(axis=0)) + (0 if track.kind == "drums" else shift)
    return bool(((used >= track.low) & (used <= track.high)).all())


def instruments(text: str, tracks: Sequence[TrackSpec]) -> list[int]:
    """General MIDI programs by name or number, separated by commas: "violin, cello"; the last one serves the rest.

    Raises:
        UserError: no instrument is called so.
    """
    from pretty_midi import INSTRUMENT_MAP, instrument_name_to_program

    programs = []
    for word in (part.strip() for part in text.split(",")):
        matches = [name for name in INSTRUMENT_MAP if word.lower() in name.lower()]
        if word.isdecimal() and int(word) < 128:
            programs.append(int(word))
        elif word and matches:
            programs.append(instrument_name_to_program(min(matches, key=len)))
        else:
            raise UserError(f"--instruments {word!r}: no General MIDI instrument is called so; try violin, flute, 40")
    if len(programs) > len(tracks):
        raise UserError(f"--instruments names {len(programs)}, and the piece has {len(tracks)} tracks")
    return programs + programs[-1:] * (len(tracks) - len(programs))
