"""`python -m text.generate`: write with a trained model."""

import sys
from itertools import groupby

from common.cli import run
from text.config import GenerateConfig

PROGRAM = "text.generate"


def main(config: GenerateConfig) -> None:
    """Write texts in a style; or texts between two given ones, or like a given one, or that one in another style.

    One seed gives the same texts on every machine, up to rounding. Texts go to --out if it is named, else to the
    terminal.
    """
    from common.training.devices import pick_device  # torch loads only once the command line is known to be good
    from text.generation import make_texts, plain, save_texts, unmet
    from text.models import load_text_model

    texts = make_texts(load_text_model(config.weights, pick_device(config.device)), config)
    if problem := unmet(texts):
        print(f"{PROGRAM}: {problem}; try more --n, another --seed or fewer wishes", file=sys.stderr)
    if config.out is not None:
        save_texts(texts, config.out)
        print(f"wrote {config.out}: {len(texts):,} texts")
        return
    several = len({one.style for one in texts}) > 1
    parts = [
        (f"-- {style}\n" if several else "") + plain([one.text for one in group])
        for style, group in groupby(texts, key=lambda one: one.style)
    ]
    print("\n\n".join(parts))


if __name__ == "__main__":
    run(main, PROGRAM)
