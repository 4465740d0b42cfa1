"""`python -m text.generate`: write with a trained model."""

from common.cli import run
from common.processes import rank, tell, wait
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

    texts = make_texts(load_text_model(config.weights, pick_device(config.device), shared=True), config)
    if problem := unmet(texts):
        tell(f"{PROGRAM}: {problem}; try more --n, another --seed or fewer wishes")
    if rank() == 0:
        if config.out is not None:
            save_texts(texts, config.out)
        print(shown(texts) if config.out is None else f"wrote {config.out}: {len(texts):,} texts")
    wait()


if __name__ == "__main__":
    run(main, PROGRAM)
