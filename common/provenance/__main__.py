"""`python -m common.provenance`: tell how a file was made, and whether it is as it was."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from common.cli import run
from common.config import Checked
from common.inputs import InputFile

PROGRAM = "common.provenance"


@dataclass(frozen=True, kw_only=True)
class ProvenanceConfig(Checked):
    """Settings of `python -m common.provenance`."""

    file: Positional[Annotated[InputFile, arg(metavar="FILE")]]  # a picture, film, MIDI, WAV or .jsonl file


def main(config: ProvenanceConfig) -> None:
    """Print the record that a result of these commands carries: command, seed, version and weights.

    The last line says whether pixels, frames, notes, samples or texts are as they were made; tags around them may have
    changed. A record is no proof: whoever has the file can write another one.
    """
    from common.provenance.reading import read_record

    print("\n".join(read_record(config.file).lines))


if __name__ == "__main__":
    run(main, PROGRAM)
