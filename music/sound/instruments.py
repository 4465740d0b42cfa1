"""Instruments of General MIDI by name: their programs, families and ranges; nothing here imports numpy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """One instrument of a soundfont.

    Attributes:
        program: of General MIDI, 0 to 127.
        family: of instruments that sound alike.
        low, high: its pitches, by MIDI number, both included.
    """

    program: int
    family: str
    low: int
    high: int


INSTRUMENTS: dict[str, Voice] = {
    "piano": Voice(0, "keys", 36, 84),
    "electric piano": Voice(4, "keys", 36, 84),
    "harpsichord": Voice(6, "keys", 36, 84),
    "celesta": Voice(8, "mallets", 60, 96),
    "glockenspiel": Voice(9, "mallets", 72, 96),
    "music box": Voice(10, "mallets", 60, 96),
    "vibraphone": Voice(11, "mallets", 53, 89),
    "marimba": Voice(12, "mallets", 48, 84),
    "xylophone": Voice(13, "mallets", 65, 96),
    "tubular bells": Voice(14, "mallets", 60, 77),
    "organ": Voice(16, "organs", 36, 84),
    "church organ": Voice(19, "organs", 36, 84),
    "accordion": Voice(21, "organs", 53, 88),
    "harmonica": Voice(22, "organs", 60, 84),
    "guitar": Voice(24, "guitars", 40, 76),
    "steel guitar": Voice(25, "guitars", 40, 76),
    "electric guitar": Voice(27, "guitars", 40, 76),
    "distorted guitar": Voice(30, "guitars", 40, 76),
    "bass": Voice(32, "basses", 36, 60),
    "electric bass": Voice(33, "basses", 36, 60),
    "violin": Voice(40, "strings", 55, 91),
    "viola": Voice(41, "strings", 48, 79),
    "cello": Voice(42, "strings", 36, 72),
    "contrabass": Voice(43, "strings", 36, 60),
    "pizzicato": Voice(45, "strings", 36, 84),
    "harp": Voice(46, "strings", 36, 91),
    "string ensemble": Voice(48, "ensembles", 36, 84),
    "choir": Voice(52, "ensembles", 48, 79),
    "trumpet": Voice(56, "brass", 54, 82),
    "trombone": Voice(57, "brass", 40, 72),
    "tuba": Voice(58, "brass", 36, 58),
    "horn": Voice(60, "brass", 41, 77),
    "saxophone": Voice(65, "reeds", 49, 80),
    "oboe": Voice(68, "reeds", 58, 91),
    "english horn": Voice(69, "reeds", 52, 81),
    "bassoon": Voice(70, "reeds", 36, 72),
    "clarinet": Voice(71, "reeds", 50, 89),
    "piccolo": Voice(72, "pipes", 74, 96),
    "flute": Voice(73, "pipes", 60, 96),
    "recorder": Voice(74, "pipes", 60, 86),
    "pan flute": Voice(75, "pipes", 60, 86),
}

VELOCITIES = (50, 85, 120)  # at which each note is played
