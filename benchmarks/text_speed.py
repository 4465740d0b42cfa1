"""`python benchmarks/text_speed.py`: how long text takes, to train and to write.

Prints medians, with the fastest and the slowest: tokens a second of training (padding does not count) by a plain
PyTorch loop, whose batches are random and padded to the longest text, and by the trainer's steps, in batches of like
length, turn by turn on the same network and texts; texts written in one process, a second, and a second of CPU time,
which other programs disturb less; and a first text from a cold start of Python.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require
from text.config import DEFAULT_WEIGHTS, GenerateConfig

ROOT = Path(__file__).resolve().parents[1]
BATCH = 64  # texts a step


@dataclass(frozen=True, kw_only=True)
class SpeedConfig(ThreadConfig):
    """Settings of the measurement."""

    weights: str = DEFAULT_WEIGHTS  # what writes; a bundled name, a folder or a Hub id
    data: str = "bible"  # what is trained on
    steps: int = 64  # of training, in each turn
    texts: int = 1_000  # written in one process
    former: bool = False  # also pick as was done before: write all candidates to their end, then read them once more
    rounds: int = 3  # of each; the median counts

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "texts", "rounds"):
            require(getattr(self, name) > 0, name, f"must be above 0, not {getattr(self, name)}")


def main(config: SpeedConfig) -> None:
    """Measure training and writing."""
    import torch

    from text.models import load_text_model

    load_text_model(config.weights)  # refuses what is none, before it is named to another process
    print(f"{torch.get_num_threads()} CPU threads, median of {config.rounds} (fastest to slowest)\n")
    loops = {
        f"training on {config.data}, plain loop": plain_loop(config),
        "the same, trainer in fp32": trainer_steps(config, "fp32"),
        "the same, trainer by default": trainer_steps(config, "auto"),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(config.rounds):
        for name, measure in loops.items():
            rates[name].append(measure())
    for name, found in rates.items():
        report(name, "tokens/s", found)
    for candidates in (1, GenerateConfig.candidates):
        name = f"{config.texts:,} texts, the best of {candidates}"
        by_clock, by_cpu = zip(*[writing(config, candidates) for _ in range(config.rounds)], strict=True)
        report(name, "texts/s", by_clock)
        report("the same", "texts/CPU s", by_cpu)
    if config.former:
        name = f"{config.texts:,} texts, the former rule"
        report(name, "texts/s", repeated(config.rounds, picking_afterwards(config)))
    report("a first text, cold start", "s", repeated(config.rounds, lambda: cold_start(config.weights)))


def repeated(rounds: int, measure: Callable[[], float]) -> list[float]:
    """What `measure` returns, so many times."""
    return [measure() for _ in range(rounds)]


def report(what: str, unit: str, values: Sequence[float]) -> None:
    """Print a line."""
    print(f"{what:<40}{statistics.median(values):>9.3g} {unit:<12}({min(values):.3g} to {max(values):.3g})", flush=True)


def plain_loop(config: SpeedConfig) -> Callable[[], float]:
    """What one would write first: random batches padded to the longest text of all, Adam, float32."""
    import torch

    from common.cores.vae import vae_loss
    from text.config import TrainConfig
    from text.data.loading import load_texts
    from text.games import network_config
    from text.networks import SequenceVAE

    settings = TrainConfig(data=config.data)
    data = load_texts(settings.data, settings.vocabulary, settings.longest)
    vae = SequenceVAE(network_config(settings, data)).train()
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    tokens, labels = data.train.tensors["tokens"], data.train.tensors["label"]

    def measure() -> float:
        seen, start = 0, time.perf_counter()
        for _ in range(config.steps):
            rows = torch.randint(len(tokens), (BATCH,))
            condition = labels[rows] if data.styles else None
            nll, kl = vae(tokens[rows].long(), torch.randn(BATCH, settings.latent), condition)
            loss, _ = vae_loss(nll, kl, free_bits=settings.free_bits)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += int(data.train.lengths[rows].sum())
        return seen / (time.perf_counter() - start)

    return measure


def trainer_steps(config: SpeedConfig, precision: str) -> Callable[[], float]:
    """The steps of `python -m text.train`, average of the weights and guard included."""
    from common.randomness import Draw
    from common.training.devices import accelerator_for
    from common.training.learner import Learner
    from text.config import TrainConfig
    from text.data.loading import Sequences
    from text.games import prepare

    settings = TrainConfig(data=config.data, precision=precision, device="cpu", batch=BATCH)  # type: ignore[arg-type]
    prepared = prepare(settings)
    game, texts = prepared.game, prepared.batches
    assert isinstance(texts, Sequences)
    steps: Iterator[int] = iter(range(1 << 30))

    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            learner = Learner(game.players["vae"], accelerator_for(settings, Path(folder)))
            seen, start = 0, time.perf_counter()
            for _ in range(config.steps):
                step = next(steps)
                rows = texts.indices(0, step, BATCH)
                learner.turn(game, [(texts.gather(rows), Draw(0, step, rows=BATCH, images=step * BATCH))], 1.0)
                learner.update_average((step + 1) * BATCH, BATCH)
                seen += int(texts.lengths[rows].sum())
            return seen / (time.perf_counter() - start)

    return measure


def writing(config: SpeedConfig, candidates: int) -> tuple[float, float]:
    """Texts a second, and a second of CPU time."""
    from text.generation import make_texts
    from text.models import load_text_model

    model = load_text_model(config.weights)
    start, used = time.perf_counter(), time.process_time()
    make_texts(model, GenerateConfig(n=config.texts, candidates=candidates))
    return config.texts / (time.perf_counter() - start), config.texts / (time.process_time() - used)


def picking_afterwards(config: SpeedConfig) -> Callable[[], float]:
    """Texts a second where all candidates are written to their end, and those of known words then read once more."""
    import torch

    from common.data.pieces import PAD, padded
    from text.generation import sampling_params
    from text.models import CHUNK, load_text_model
    from text.picking import WORST
    from text.words import words

    model, count = load_text_model(config.weights), GenerateConfig.candidates
    plain = sampling_params(model, GenerateConfig(candidates=1))
    labels = model.spread(config.texts).sort().values
    of = torch.arange(config.texts).repeat_interleave(count)

    @torch.inference_mode()
    def measure() -> float:
        start = time.perf_counter()
        z = model.latents(labels, 0, "mixture")
        texts = model.write(z[of], labels[of], plain)
        new = torch.tensor(
            [sum(word[0].isalnum() and word not in model.words for word in words(text)) for text in texts]
        )
        able = (new == new.view(-1, count).amin(1).repeat_interleave(count)).nonzero()[:, 0].tolist()
        broken = torch.full((len(texts),), torch.inf)
        for rows in torch.tensor(sorted(able, key=lambda row: len(texts[row]))).split(CHUNK):
            tokens = padded([model.pieces(texts[row]) for row in rows])
            nats = model.vae.nats(tokens, z[of[rows]], labels[of[rows]] if model.config.styles else None)
            misfits = (nats + model.tokenizer.log_frequencies[tokens]).masked_fill(tokens == PAD, -torch.inf)
            broken[rows] = misfits.topk(min(WORST, tokens.shape[1])).values.mean(1)
        broken.view(-1, count).argmin(1)
        return config.texts / (time.perf_counter() - start)

    return measure


def cold_start(weights: str) -> float:
    """Seconds of a whole command."""
    command = [sys.executable, "-m", "text.generate", "--weights", weights, "--n", "1"]
    start = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    run(main, "benchmarks.text_speed")
