"""`python -m studio`: make pictures, music and texts, and train, on a page in the browser."""

import signal

from common.cli import run
from studio.config import StudioConfig

PROGRAM = "studio"


def main(config: StudioConfig) -> None:
    """Serve a page on which pictures, music and texts are made, and models trained.

    It works without a network, sends nothing anywhere, and is open to this machine alone. What a visitor uploads and
    makes lies in a folder of its own, which goes when the page is closed; trainings go on, in runs/.
    """
    from studio.page import serve  # Gradio loads only once the command line is known to be good

    # A shell's background commands ignore it, and so would trainings, which could not be stopped as they begin.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve(config)


if __name__ == "__main__":
    run(main, PROGRAM)
