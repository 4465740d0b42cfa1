"""`python -m text.generate`: write with a trained model."""

import sys

from common.cli import run
from text.config import GenerateConfig

PROGRAM = "text.generate"


def main(config: GenerateConfig) -> None:
    """Write texts in a style; or between two given ones, of sums of them, like a given one, or that in another style.

    One seed gives the same texts on every machine, up to rounding. Texts go to --out if it is named, else to the
    terminal.
    """
    from common.training.devices import pick_device  # torch loads only once the command line is known to be good
    from text.generation import make_texts, save_texts, shown, unmet
    from text.models import load_text_model

    texts = make_texts(load_text_model(config.weights, pick_device(config.device)), config)
    if problem := unmet(texts):
        print(f"{PROGRAM}: {problem}; try more --n, another --seed or fewer wishes", file=sys.stderr)
    if config.out is not None:
        save_texts(texts, config.out)
        print(f"wrote {config.out}: {len(texts):,} texts")
        return
    print(shown(texts))


if __name__ == "__main__":
    run(main, PROGRAM)
