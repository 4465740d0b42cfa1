"""Who is told of a run's figures beside its `metrics.jsonl`: accelerate's trackers, by name."""

from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, TrackioTracker, WandBTracker

from common.config import RunConfig
from common.errors import UserError
from common.training.runs import plain

PROJECT = "quartet"  # under which runs stand that are not written into their own folder


def trackers(names: Sequence[str], out: Path) -> list[GeneralTracker]:
    """The trackers of these names for the run in a folder, which write nothing yet."""
    known = {
        "tensorboard": lambda: TensorBoardTracker("tensorboard", out),
        "wandb": lambda: WandBTracker(PROJECT, name=out.name, dir=str(out)),
        "mlflow": lambda: MLflowTracker(PROJECT, run_name=out.name),
        "trackio": lambda: TrackioTracker(PROJECT, name=out.name),
    }
    return [known[name]() for name in names if name != "none"]


def start_tracking(accelerator: Accelerator, settings: RunConfig) -> None:
    """Begin to tell the trackers of an accelerator; the settings, too, but TensorBoard, beside which they are on disk.

    Raises:
        UserError: one of them cannot begin, as without a network or without being logged in.
    """
    stored = plain(settings)
    try:
        accelerator.init_trackers(PROJECT)
        for tracker in accelerator.trackers:
            if not isinstance(tracker, TensorBoardTracker):
                tracker.store_init_configuration(stored)
    except Exception as error:  # of any library, each with errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"--track {' '.join(settings.track)}: {reason[:300]}; log in there, or leave it out") from error
