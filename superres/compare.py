"""`python -m superres.compare`: see where weights differ on a picture."""

from common.cli import run
from superres.config import CompareConfig

PROGRAM = "superres.compare"


def main(config: CompareConfig) -> None:
    """Upscale a picture by several weights, and draw a sheet of the places where they differ most.

    A row of the sheet is a place: as it is, and as each of the weights makes it. If weights and their adversarial twin
    (such as x4-fast and x4-fast-gan) are named, a map follows of where the twin departs from them, which is where to
    mistrust it.
    """
    from common.files import require_free
    from common.pictures.sheets import PICTURE_OPTIONS, require_ending, save_picture

    require_ending(config.out, PICTURE_OPTIONS)
    require_free(config.out, config.overwrite)
    from superres.comparison import compare  # torch loads only once the command line is known to be good

    sheet, differences = compare(config)
    save_picture(sheet, config.out)
    for line in differences:
        print(line)
    print(f"wrote {config.out}: {sheet.width:,} x {sheet.height:,} pixels")


if __name__ == "__main__":
    run(main, PROGRAM)
