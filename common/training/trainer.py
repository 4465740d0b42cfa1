"""The trainer that every domain shares. It plays games (`common.cores.game`) and knows no images, text, VAEs or GANs.

Randomness is a function of (seed, step), so a checkpoint needs no generator state, a resumed run is the same run bit
for bit on the CPU, and one process or eight compute the same up to rounding.
"""

import json
import math
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import torch
from accelerate.utils import gather_object, set_seed
from torch import Tensor, nn
from tqdm import tqdm

from common.config import NEWEST, RunConfig
from common.cores.game import Game
from common.cores.schedules import cosine
from common.data.batches import Batches
from common.errors import UserError
from common.inputs import flag_of
from common.progress import progress_bar, terminal_size
from common.randomness import Draw, mix
from common.training.checkpoints import Checkpoints, player_tensors, restore_player
from common.training.devices import accelerator_for, flushing, hardware
from common.training.forecast import TIMED, Milestone, forecast, time_between
from common.training.learner import Learner
from common.training.monitor import Monitor, Progress
from common.training.runs import LOG, forget_later_logs, optimizer_of, order_of, require_alike
from common.training.tracking import start_tracking, trackers
from common.weights import save_weights

Bar: TypeAlias = "tqdm[Any]"  # which takes no parameters at run time

LOG_EVERY = 50  # steps between two looks at the device: figures, guard, clock
PATIENCE = 10  # so many skipped steps in a row send the run back to its last good state
LOOKS = 5  # at the quality, at least, that find nothing better before a run is done
REMEDY = "Try a lower learning rate, a larger --batch or --precision fp32"
RETURNS = 3  # so many returns, and the run gives up
DATA_BUDGET = 4 << 30  # bytes of training data that may live on the device


class Trainer:
    """Plays a game on some data until a limit is reached.

    Args:
        config: the run's limits and habits; at least one of steps, images and minutes is set.
        out: folder of the run (see `common.training.runs.open_run`).
    """

    def __init__(self, config: RunConfig, out: Path):
        if config.steps is None and config.examples is None and config.minutes is None:
            counted = flag_of(type(config), "examples")
            raise UserError(f"the run has no end: give --steps, --{counted} or --minutes")
        self.config, self.out = config, out
        self.accelerator = accelerator_for(config, out, trackers(config.track, out))
        self.checkpoints = Checkpoints(out / "checkpoints")
        self.progress = Progress()
        self.order = order_of(out) if config.resume else NEWEST
        processes = self.accelerator.num_processes * config.accumulate
        if config.batch % processes:
            raise UserError(f"--batch {config.batch} cannot be split over {processes} processes and parts")

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.accelerator.device

    def fit(
        self,
        game: Game,
        data: Batches,
        monitor: Monitor,
        milestones: Sequence[Milestone] = (),
        begins_trained: bool = False,
    ) -> Progress:
        """Train from the start, or with --resume from the newest checkpoint, and save at the end.

        Args:
            game: its networks are moved to the device and trained in place.
            data: one batch is `config.batch` of its rows.
            monitor: the domain's eyes.
            milestones: what is told once, with the pace and when each will be, as soon as that is known.
            begins_trained: judge what a new run begins with first, and keep it until something is better.

        Raises:
            UserError: the run became non-finite, again and again or before anything was saved; the last good weights
                are in `out`.
        """
        self.monitor = monitor
        self._begin(game, data)
        with self._interruptible(), flushing(), self._bar() as bar:
            if self.config.resume:
                self._say(bar, f"goes on after {self.progress.images:,} examples")
            elif begins_trained:
                self._snapshot(bar)
            while not self._over():
                self._step()
                self._agree()
                if self._timed():
                    self._say(bar, self._outlook(milestones))
                self._show(bar)
                if self.progress.step % LOG_EVERY == 0:
                    self._look(bar)
                if self._snapshot_due():
                    self._snapshot(bar)
            if self._stale():
                self._say(bar, f"nothing better since {self.progress.better_images:,} examples, so the run is done")
            if self.interrupted:
                self._say(bar, "stopping: measures and saves what was learned; interrupt again to end at once, without")
            self._finish(bar)
        self.accelerator.end_training()
        if self.interrupted:
            raise KeyboardInterrupt(f"saved after {self.progress.images:,} examples in {self.out}; go on with --resume")
        return self.progress

    def measure(self, game: Game, data: Batches) -> float:
        """Play the first steps of a run, save nothing, and return how many examples a second these were.

        A limit that ends the run earlier makes it a rougher figure, which counts the slow steps of the start too.
        """
        self._begin(game, data)
        with flushing():
            while not self._over() and not self._timed():
                self._step()
                self._agree()
        self.accelerator.end_training()
        return self.pace or self.progress.images / self.progress.seconds

    # ---- start -------------------------------------------------------------------------------------------------------

    def _begin(self, game: Game, data: Batches) -> None:
        self.game = game
        self.data = data.on(self.accelerator.device, DATA_BUDGET)
        chosen = optimizer_of(self.out) if self.config.resume else self.config.optimizer
        self.learners = {name: Learner(player, self.accelerator, chosen) for name, player in game.players.items()}
        self.sums: dict[str, Tensor] = {}
        self.summed = 0
        self.snapshot_step = self.returned_step = -1
        self.interrupted = self.stopping = False
        if self.config.resume:
            self._restore(*self.checkpoints.load(or_older=self.config.resume == "auto"))
            self.snapshot_step = self.progress.step
        require_alike(gather_object([(self.progress.step, len(self.data))]))
        self.origin, self.last_look = time.perf_counter() - self.progress.seconds, time.perf_counter()
        self.pace, self.timed_since, self.started = 0.0, math.nan, self.progress.step
        self.good = self._copy_state()
        if self.accelerator.is_main_process:
            forget_later_logs(self.out, self.progress.step)
            start_tracking(self.accelerator, self.config)
        if self.config.compile:
            for player in game.players.values():
                if player.compile:
                    player.network.compile()

    # ---- one step ----------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        progress, config = self.progress, self.config
        indices = self.data.indices(config.seed, progress.step, config.batch, self.order)
        slices = self._slices()
        batches = [self.data.gather(indices[part]) for part in slices]
        set_seed(mix(config.seed, progress.step, self.accelerator.process_index) % (1 << 32))  # for dropout alone
        done, lr_scale = self._done(), self._lr_scale()
        for index, learner in enumerate(self.learners.values()):
            if progress.images < learner.player.joins:
                continue
            draws = [self._draw(index, part, done) for part in slices]
            self._add(learner.turn(self.game, list(zip(batches, draws, strict=True)), lr_scale))
        progress.step += 1
        progress.images += config.batch
        for learner in self.learners.values():
            learner.update_average(progress.images, config.batch)
        self.summed += 1

    def _slices(self) -> list[slice]:
        """The rows of the global batch that this process computes, in `accumulate` parts."""
        size = self.config.batch // self.accelerator.num_processes // self.config.accumulate
        first = self.accelerator.process_index * self.config.accumulate
        return [slice((first + part) * size, (first + part + 1) * size) for part in range(self.config.accumulate)]

    def _draw(self, player: int, local: slice, done: float) -> Draw:
        config, progress = self.config, self.progress
        return Draw(
            config.seed, progress.step, player, config.batch, local, progress.images, done, self.accelerator.device
        )

    def _add(self, figures: dict[str, Tensor]) -> None:
        """Sum up finite values and count them, so that a skipped step leaves no gap in the log."""
        for name, value in figures.items():
            pair = torch.stack([value.float().nan_to_num(0, 0, 0), torch.isfinite(value).float()])
            self.sums[name] = self.sums[name] + pair if name in self.sums else pair

    def _lr_scale(self) -> float:
        config = self.config
        warm = min((self.progress.images + config.batch) / config.warm_up, 1.0) if config.warm_up else 1.0
        return warm * self.progress.lr_scale * cosine(1.0, config.final_lr, self._done())

    # ---- limits ------------------------------------------------------------------------------------------------------

    def _done(self) -> float:
        """How much of the run is done, in [0, 1]."""
        config, progress = self.config, self.progress
        shares = [
            progress.step / config.steps if config.steps else 0.0,
            progress.images / config.examples if config.examples else 0.0,
            progress.seconds / (60 * config.minutes) if config.minutes else 0.0,
        ]
        return min(max(shares), 1.0)

    def _over(self) -> bool:
        return self.stopping or self._done() >= 1.0

    def _agree(self) -> None:
        """Read the clock, and stop where the run is done or was told to.

        Several processes do so at the same step: by the clock of the first one, and if any of them was told to.
        """
        seconds, stale = time.perf_counter() - self.origin, self._stale()
        if self.accelerator.num_processes > 1:
            if self.progress.step % LOG_EVERY:
                return
            everyone = gather_object([(seconds, stale, self.interrupted)])
            seconds, stale, _ = everyone[0]
            self.interrupted = any(interrupted for *_, interrupted in everyone)
        self.progress.seconds, self.stopping = seconds, self.interrupted or stale

    def _stale(self) -> bool:
        """Whether --stop-when-done should end the run: as much again as its best took brought nothing better."""
        progress = self.progress
        since = progress.images - progress.better_images
        is_long = since >= max(progress.better_images, LOOKS * self.config.snapshot)
        return self.config.stop_when_done and progress.best is not None and is_long

    def _timed(self) -> bool:
        """Time some early steps, after the first ones, which are slower; true once that is done."""
        if self.progress.step - self.started not in TIMED:
            return False
        for learner in self.learners.values():
            learner.skipped.item()  # waits for the device
        seconds, self.timed_since = time.perf_counter() - self.timed_since, time.perf_counter()
        if math.isnan(seconds):  # this is the first of the two
            return False
        self.pace = (TIMED[1] - TIMED[0]) * self.config.batch / seconds
        return True

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C and a scheduler's SIGTERM end the run after the current step; a second Ctrl-C ends it at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # ---- looking at the device: figures and guard --------------------------------------------------------------------

    def _look(self, bar: Bar) -> None:
        """Fetch the figures since the last look, log them, and return to the last good state if need be."""
        if not self.summed:
            return
        names = list(self.sums)
        guards = [tensor for learner in self.learners.values() for tensor in (learner.skipped, learner.longest)]
        means = [total / count for total, count in self.sums.values()]
        values = torch.stack([*means, *guards]).tolist()  # one sync
        figures, guard_values = dict(zip(names, values, strict=False)), values[len(names) :]
        self.progress.skipped = int(sum(guard_values[0::2]))
        rate = self.summed * self.config.batch / max(time.perf_counter() - self.last_look, 1e-9)
        self.sums, self.summed, self.last_look = {}, 0, time.perf_counter()
        self._log(figures | {"images_per_second": rate, "skipped": self.progress.skipped})
        self.rate = f"{rate:.0f} {flag_of(type(self.config), 'examples')}/s"
        self.losses = [f"{name} {figures[name]:.3g}" for name in self.learners if name in figures]
        if max(guard_values[1::2]) >= PATIENCE:
            self._return(bar)
        self._show(bar)

    def _return(self, bar: Bar) -> None:
        """Go back to the last good weights at half the learning rate; the clock and the data go on."""
        progress = self.progress
        if progress.returns >= RETURNS:
            left = f"The last good weights are in {self.out}" if self.checkpoints.paths() else "No weights were saved"
            raise UserError(
                f"training became non-finite {progress.returns + 1} times, last at step {progress.step}, and stops. "
                f"{left}. {REMEDY}"
            )
        progress.returns += 1
        self.returned_step = progress.step
        progress.lr_scale *= 0.5
        self._load_state(self.good)
        for learner in self.learners.values():
            learner.longest.zero_()
            learner.streak.zero_()
        self._say(
            bar,
            f"warning: {PATIENCE} steps in a row had a non-finite loss or gradient; back to the last good weights, "
            f"learning rate now x{progress.lr_scale:g}",
        )

    def _log(self, figures: dict[str, float], warning: str | None = None) -> None:
        if not self.accelerator.is_main_process:
            return
        progress = self.progress
        finite = {name: value for name, value in figures.items() if math.isfinite(value)}
        row: dict[str, Any] = {
            "step": progress.step,
            "images": progress.images,
            "seconds": round(progress.seconds, 3),
        } | finite
        if warning:
            row["warning"] = warning
        path = self.out / LOG
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; make room and go on with --resume") from error
        self.accelerator.log(finite, step=progress.images)

    # ---- what the user sees ------------------------------------------------------------------------------------------

    @contextmanager
    def _bar(self) -> Iterator[Bar]:
        layout = "{percentage:3.0f}% |{bar}| {elapsed}{postfix}"
        quiet = not self.accelerator.is_main_process or not sys.stderr.isatty()
        self.rate, self.newest_sheet, self.losses = "", "", list[str]()
        with progress_bar(total=1.0, bar_format=layout, disable=quiet) as bar:
            yield bar

    def _show(self, bar: Bar) -> None:
        done = self._done()
        left = self.progress.seconds * (1 - done) / done if done else 0.0
        bar.n = done
        told = [f"{tqdm.format_interval(left)} left", self.rate, self.newest_sheet, *self.losses]
        bar.set_postfix_str(", ".join(filter(None, told)), refresh=False)
        bar.ncols = terminal_size()[0] - 1  # which may have changed
        bar.update(0)

    def _outlook(self, milestones: Sequence[Milestone]) -> str:
        """How fast the run is, what is to be seen when, and when its limits end it."""
        config, counted = self.config, flag_of(type(self.config), "examples")
        examples = min((config.steps or math.inf) * config.batch, config.examples or math.inf)
        seconds = min(examples / self.pace, 60 * (config.minutes or math.inf))
        ends = f"; this run takes {time_between(seconds, seconds)}" if math.isfinite(seconds) else ""
        return forecast(self.pace, counted, milestones) + ends

    def _say(self, bar: Bar, text: str) -> None:
        if self.accelerator.is_main_process:
            bar.write(text, file=sys.stderr)

    # ---- snapshots ---------------------------------------------------------------------------------------------------

    def _snapshot_due(self) -> bool:
        """Whether the time has come, and the run is not in the middle of skipped steps: no state to go back to."""
        before = self.progress.images - self.config.batch
        crossed = before // self.config.snapshot != self.progress.images // self.config.snapshot
        return crossed and not any(learner.streak.item() for learner in self.learners.values())

    def _finish(self, bar: Bar) -> None:
        """Save what the last steps made, or tell that it is of no use and what there is instead."""
        self._look(bar)
        nothing_new = (
            self.returned_step == self.progress.step and not self.checkpoints.paths()
        )  # but those of the start
        if not nothing_new and (self.snapshot_step == self.progress.step or self._snapshot(bar)):
            return
        if not self.checkpoints.paths():
            raise UserError(f"training became non-finite, and no weights were saved. {REMEDY}")
        self._say(bar, f"warning: the last weights make no finite loss; those saved before are in {self.out}")

    def _snapshot(self, bar: Bar) -> bool:
        """Checkpoint, and, on the first process, draw, judge and keep the best weights; False if they are of no use."""
        state = self._copy_state()
        if not self._is_sound(state):
            return False
        self.snapshot_step = self.progress.step
        self.progress.guards = {name: torch.stack(learner.guard).tolist() for name, learner in self.learners.items()}
        if self.accelerator.is_main_process:
            self._judge(bar)
            self.checkpoints.save(self.progress.step, self._state(), asdict(self.progress))
        self.good = state
        self.accelerator.wait_for_everyone()
        return True

    def _is_sound(self, state: dict[str, Tensor]) -> bool:
        """Whether weights and moments are finite, and the loss, too, of the last batch that had a finite one.

        Huge weights are finite numbers, of which nothing else is.
        """
        streak = max(int(learner.streak.item()) for learner in self.learners.values())
        step, part = max(self.progress.step - 1 - streak, 0), self._slices()[0]
        batch = self.data.gather(self.data.indices(self.config.seed, step, self.config.batch, self.order)[part])
        draws = [replace(self._draw(index, part, self._done()), step=step) for index in range(len(self.learners))]
        sound = [bool(own.is_sound(self.game, batch, draws[k])) for k, own in enumerate(self.learners.values())]
        self._load_state(state)  # a loss moves statistics of batches
        return all(sound)

    def _judge(self, bar: Bar) -> None:
        progress, product = self.progress, self.learners[self.game.product].product
        was_training = product.training
        with torch.inference_mode():
            product.eval()
            sheet = self.out / "samples" / f"{progress.images:09d}"
            self.monitor.sheet(product, sheet)
            self.newest_sheet = ", ".join(f"samples/{path.name}" for path in sheet.parent.glob(f"{sheet.name}.*"))
            verdict = self.monitor.verdict(product, progress.images)
            product.train(was_training)
        progress.monitor = self.monitor.state()
        self._log(verdict.figures, verdict.warning)
        seen = ", ".join(f"{name} {value:.3g}" for name, value in verdict.figures.items())
        new = verdict.score is None or progress.best is None or verdict.score < progress.best
        progress.better_images = progress.images if new else progress.better_images
        if better := new or (verdict.saturated and verdict.score == progress.best):
            progress.best, progress.best_images, progress.figures = verdict.score, progress.images, verdict.figures
            config, card = self.monitor.describe(asdict(progress) | {"hardware": hardware(self.accelerator)})
            save_weights(self.out, product, config, card, self._critic())
        best = "  (best so far)" if better and verdict.score is not None else ""
        self._say(bar, f"{progress.images:>9,} examples  {seen}{best}")
        for line in (verdict.warning or "").splitlines():
            self._say(bar, f"warning: {line}")

    def _critic(self) -> nn.Module | None:
        """What is saved beside the product; a critic that has yet to learn would lead later runs astray."""
        name = self.game.critic
        if name is None or self.progress.images < self.game.critic_from:
            return None
        return self.learners[name].player.network

    def _state(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for name, learner in self.learners.items():
            state |= player_tensors(name, learner.player, learner.average, learner.optimizer)
        return state

    def _copy_state(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._state().items()}

    def _load_state(self, tensors: dict[str, Tensor]) -> None:
        for name, learner in self.learners.items():
            restore_player(name, learner.player, learner.average, learner.optimizer, tensors)

    def _restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        self._load_state(tensors)
        if "studio" in facts:  # as checkpoints of before the monitor had its name say it
            facts["monitor"] = facts.pop("studio")
        facts.setdefault("better_images", facts["best_images"])  # which those of before do not tell
        self.progress = Progress(**facts)
        self.monitor.restore(self.progress.monitor)
        for name, values in self.progress.guards.items():
            for tensor, value in zip(self.learners[name].guard, values, strict=True):
                tensor.fill_(value)
