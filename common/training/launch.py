"""From what a training command prepared to a finished run: one way for all of them."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from common.config import RunConfig
from common.cores.game import Game
from common.data.batches import Batches
from common.training.forecast import Milestone
from common.training.monitor import Monitor
from common.training.runs import (
    EARLY,
    check_batch,
    conclude,
    decided,
    folder_of,
    hint_if_early,
    holding,
    introduce,
    open_run,
)
from common.training.trainer import Trainer

TRIAL = 1.0  # minutes that one lasts, at most


@dataclass(frozen=True)
class Run:
    """What a training command prepares.

    Attributes:
        program: the command, such as "image.train".
        config: with a limit.
        name: of the folder in runs/ where --out names none.
        game: what is played.
        batches: what is trained on.
        monitor: the domain's eyes.
        examples: what the training examples are, in the plural.
        sheets: what lies in samples/, in the plural; "" for nothing.
        sources: what examples are cut from, in the plural, where that is something else.
        training, held_out: how many sources there are of each.
        then: from the folder of the run as a shell takes it, the line that says at the end what to do now.
        skipped: what of the data could not be used, in words, or "".
        chosen: what was chosen where the user named nothing, and why, in words, or "".
        begun: with what trained weights the networks of a new run begin, in words, or "".
        milestones: what is to be seen of such a run, and after how many examples.
        beside: contents of files that lie beside the weights from the start, such as a vocabulary, by name.
        origin: the data, where batches are what a network made of them.
    """

    program: str
    config: RunConfig
    name: str
    game: Game
    batches: Batches
    monitor: Monitor
    examples: str
    sheets: str
    training: int
    held_out: int
    then: Callable[[str], str]
    sources: str = ""
    skipped: str = ""
    chosen: str = ""
    begun: str = ""
    milestones: Sequence[Milestone] = ()
    beside: Mapping[str, bytes] = field(default_factory=dict)
    origin: Batches | None = None

    @property
    def out(self) -> Path:
        """The folder of the run."""
        return folder_of(self.config, self.name)


def trial(run: Run) -> float:
    """The examples a second that the first steps of a training see here; nothing of them is kept."""
    with TemporaryDirectory() as folder:
        return Trainer(replace(run.config, minutes=TRIAL), Path(folder)).measure(run.game, run.batches)


def carry_out(run: Run) -> None:
    """Open the folder of a run, train, and say what it left.

    Raises:
        UserError: the folder is taken, the data of a run to resume have changed, the batch is too large, or training
            became non-finite again and again.
    """
    out = run.out
    run = replace(run, config=decided(run.config, out))
    if run.skipped:
        print(f"{run.program}: skipped {run.skipped}", file=sys.stderr)
    check_batch(run.config, len(run.batches))
    with holding(out):
        open_run(out, run.config, (run.origin or run.batches).digest, run.beside, run.program)
        introduce(run.program, out, run.sources or run.examples, run.training, run.held_out)
        trainer = Trainer(run.config, out)
        begins_trained = bool(run.begun) and not run.config.resume
        for told in (run.chosen, run.begun):
            if told and not run.config.resume and trainer.accelerator.is_main_process:
                print(f"{run.program}: {told}", file=sys.stderr)
        milestones = () if run.begun else run.milestones  # which are of networks that know nothing
        progress = trainer.fit(run.game, run.batches, run.monitor, milestones, begins_trained)
    if trainer.accelerator.is_main_process:
        conclude(out, progress, run.examples, run.sheets, run.then(shlex.quote(str(out))))
        if not run.begun:
            early = run.milestones[0].least if run.milestones else EARLY
            hint_if_early(run.config, progress.images, progress.seconds, run.examples, early)
