"""From MIDI to sound: a General MIDI soundfont, and the loudness that listeners expect."""

import copy
import io
import wave
from collections.abc import Sequence
from pathlib import Path

import pretty_midi
import torch
from einops import rearrange
from torch import Tensor

from common.errors import UserError
from common.files import replacing
from common.pictures.sheets import require_ending
from common.provenance.marking import mark_wav

RATE = 44_100  # samples a second
LOUDNESS = -16.0  # LUFS; listeners expect -23 to -14
TAIL = 1.5  # seconds after the last note, in which it dies away
FADE = 0.5  # seconds at the end, from full to silence
PEAK = 0.99
MAX_SECONDS = 1800.0  # an hour of samples and their copies would take gigabytes
VOLUME, HALF = 7, 50  # General MIDI's controller, and half of its default of 100: a quarter of the amplitude


def render(midi: pretty_midi.PrettyMIDI, soundfont: Path | None = None) -> Tensor:
    """Play a piece: float32 (2, samples), stereo in [-1, 1], `TAIL` seconds longer than its notes, faded at the end.

    There are `RATE` samples a second. The loudness is `LOUDNESS` by ITU-R BS.1770-4 (gated); silence stays silent. If
    the peak then exceeds `PEAK`, everything is scaled down to it: the audio never clips, but is softer. At most 64
    voices of the soundfont sound at once.

    Args:
        midi: is left as it is.
        soundfont: a .sf2 file; by default TimGM6mb, which pretty_midi carries.

    Raises:
        UserError: the soundfont cannot be read or is none, or the piece is longer than `MAX_SECONDS`.
    """
    require_short(midi)
    raw, native = _synthesise(midi, soundfont)
    return levelled([raw], raw, native)[0]


def render_stems(midi: pretty_midi.PrettyMIDI, soundfont: Path | None = None) -> list[Tensor]:
    """Play each instrument of a piece alone, so that all of them sum to what `render` makes.

    The sum is exact up to the 16 bits in which the synthesiser answers, before they are amplified.
    """
    require_short(midi)
    raw, native = _synthesise(midi, soundfont)
    alone = [
        _synthesise(_only(midi, index), soundfont, midi.get_end_time())[0] for index in range(len(midi.instruments))
    ]
    return levelled(alone, raw, native)


def levelled(parts: Sequence[Tensor], whole: Tensor, native: int) -> list[Tensor]:
    """Parts of a piece at `RATE`, all amplified as the whole piece must be to be as loud as `render` says.

    Args:
        parts: float32 (2, samples) each, far below full scale.
        whole: what they sum to.
        native: samples a second of both.
    """
    level = _level(whole, native, _faded(whole, native))
    return [_faded(part, native) * level for part in parts]


def require_short(midi: pretty_midi.PrettyMIDI) -> None:
    """Raise a UserError if a piece is longer than `MAX_SECONDS`."""
    if midi.get_end_time() > MAX_SECONDS:
        raise UserError(f"the piece lasts {midi.get_end_time():.0f} seconds; at most {MAX_SECONDS:.0f} can be rendered")


def _only(midi: pretty_midi.PrettyMIDI, index: int) -> pretty_midi.PrettyMIDI:
    """A piece in which all instruments but one are silent; each keeps its channel."""
    midi = copy.deepcopy(midi)
    for number, instrument in enumerate(midi.instruments):
        instrument.notes = instrument.notes if number == index else []
    return midi


def _faded(raw: Tensor, native: int) -> Tensor:
    from torchaudio import functional  # slow to import, and not every command makes sound

    audio = functional.resample(raw, native, RATE)
    fade = min(int(FADE * RATE), audio.shape[1])
    audio[:, audio.shape[1] - fade :] *= torch.linspace(1, 0, fade)
    return audio


def _level(raw: Tensor, native: int, audio: Tensor) -> Tensor:
    """What to multiply audio by, measured in what the synthesiser made, `raw`.

    That is before amplifying: torchaudio's filters clip at full scale, and the synthesiser leaves room below it.
    """
    from torchaudio import functional

    gain = 10 ** ((LOUDNESS - functional.loudness(raw, native)) / 20)
    return torch.minimum(gain, PEAK / audio.abs().max()).nan_to_num(0, posinf=0)


def save_wav(audio: Tensor, rate: int, path: str | Path) -> None:
    """Write audio (channels, samples) in [-1, 1], clipped, as a WAV of 16 bits, whole or not at all.

    Raises:
        UserError: the ending is not .wav, or the file cannot be written.
    """
    require_ending(path, [".wav"])
    with replacing(path) as temporary:
        temporary.write_bytes(as_wav(audio, rate))
        mark_wav(temporary)


def as_wav(audio: Tensor, rate: int) -> bytes:
    """Audio (channels, samples) in [-1, 1], clipped, as a WAV file of 16 bits."""
    samples = (audio.detach().cpu().float().clamp(-1, 1) * 32767).round().to(torch.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(rearrange(samples.numpy().astype("<i2"), "channels time -> time channels").tobytes())
    return buffer.getvalue()


def _synthesise(midi: pretty_midi.PrettyMIDI, soundfont: Path | None, end: float | None = None) -> tuple[Tensor, int]:
    """Audio float32 (2, samples), far below full scale, and its rate; it ends `TAIL` after `end` or the last note."""
    import midirenderer

    soundfont = soundfont or Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")
    content = io.BytesIO()
    _prepared(midi, midi.get_end_time() if end is None else end).write(content)
    try:
        wav = midirenderer.render_wave_from(soundfont.read_bytes(), content.getvalue())
    except OSError as error:
        raise UserError(f"{soundfont}: cannot be read ({error.strerror}); name a soundfont (.sf2)") from error
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{soundfont}: is no soundfont ({error}); choose another .sf2 file") from error
    with wave.open(io.BytesIO(wav)) as file:
        samples = torch.frombuffer(bytearray(file.readframes(file.getnframes())), dtype=torch.int16)
        audio = rearrange(samples, "(time channels) -> channels time", channels=file.getnchannels())
        return audio / 32768, file.getframerate()


def _prepared(midi: pretty_midi.PrettyMIDI, end: float) -> pretty_midi.PrettyMIDI:
    """A copy that ends `TAIL` seconds after `end`, and is at a quarter of the amplitude.

    The synthesiser stops at the last event, and clips where many loud notes meet.
    """
    midi = copy.deepcopy(midi)
    midi.text_events.append(pretty_midi.Text("", end + TAIL))
    for instrument in midi.instruments:
        volumes = [change for change in instrument.control_changes if change.number == VOLUME]
        for change in volumes:
            change.value //= 2
        if all(change.time > 0 for change in volumes):
            instrument.control_changes.append(pretty_midi.ControlChange(VOLUME, HALF, 0.0))
    return midi
