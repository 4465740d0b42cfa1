"""`python benchmarks/collapse.py`: the collapse alarm on a run that is made to collapse, and on a healthy one.

The first has no gradient penalty, and a generator that learns fifty times as fast as its critic, so it runs to whatever
the critic has not yet seen. The second is the default recipe. Both see the same digits, networks and number of images.
"""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig
from image.config import TrainConfig

HEALTHY = TrainConfig(examples=100_000, snapshot=20_000, overwrite=True)
COLLAPSING = replace(HEALTHY, loss="nonsaturating", penalty=0.0, lr=5e-3, critic_lr=1e-4)


@dataclass(frozen=True, kw_only=True)
class CollapseConfig(ThreadConfig):
    """Settings of the demonstration."""

    out: Path = Path("runs/benchmark-collapse")  # folder of both runs


def main(config: CollapseConfig) -> None:
    """Train a run that collapses and a healthy one, and print what the collapse alarm said of each."""
    from image.train import main as train

    for name, settings in (("collapsing", COLLAPSING), ("healthy", HEALTHY)):
        out = config.out / name
        train(replace(settings, out=out))
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        print(f"\n{name}: coverage by images")
        for row in rows:
            if "coverage" in row:
                print(f"  {row['images']:>8,}  {row['coverage']:.3f}  {'ALARM' if 'warning' in row else ''}")
        warned = [row["images"] for row in rows if "warning" in row]
        print(f"  the alarm {f'fired first at {warned[0]:,} images' if warned else 'was silent'}", flush=True)


if __name__ == "__main__":
    run(main, "benchmarks.collapse")
