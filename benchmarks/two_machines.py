"""`python benchmarks/two_machines.py`: what becomes of a training on two machines when one of them dies.

Two network namespaces of this computer stand for the machines, joined by a virtual cable of their own; they see the
same disk, as machines of a cluster do. On each, torchrun starts one process of a tiny training, through all that a
training command does. It needs Linux, root (sudo) and the command `ip`, and leaves no namespace behind.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fault_runs import BATCH, train
from fault_tools import finished, temporary

from common.cli import run
from common.config import ThreadConfig, require
from common.errors import UserError
from common.training.checkpoints import Checkpoints
from common.weights import load_tensors

FOLDER = Path(__file__).resolve().parent
STEPS, SNAPSHOT = 1_200, 800  # a checkpoint every hundred steps
PATIENCE = 600.0  # seconds after which a check has failed; the computer may be busy
SOON = 10.0  # seconds in which a run must have saved after SIGTERM
EQUAL = 1e-6
CABLE = "cable"  # the interface of each machine
LAST_CALL = 20  # seconds that torchrun waits for a machine that may yet come
# By default torchrun of torch 2.14 keeps a store over restarts, so that a machine which comes later waits in vain.
ENVIRONMENT = {"GLOO_SOCKET_IFNAME": CABLE, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
PORTS = count(29_500)
CODE = "import sys, pathlib; sys.path.insert(0, {}); from fault_runs import train; train(pathlib.Path({}), {}, {})"


@dataclass(frozen=True, kw_only=True)
class TwoMachinesConfig(ThreadConfig):
    """Settings of the measurement."""

    tries: int = 1  # of each check
    threads: int | None = 1  # of each process

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tries > 0, "tries", f"must be above 0, not {self.tries}")


@dataclass(frozen=True)
class Machine:
    """A network namespace with an address; machines meet at the first."""

    name: str
    address: str
    is_first: bool

    def start(self, out: Path, nodes: str, port: int) -> "subprocess.Popen[bytes]":
        """Start torchrun with a process that trains here, beside those of the other machine."""
        code = CODE.format(repr(str(FOLDER)), repr(str(out)), STEPS, SNAPSHOT)
        meeting = f"{self.address.rpartition('.')[0]}.1:{port}"
        flags = {
            "nnodes": nodes,
            "nproc-per-node": 1,
            "max-restarts": 3,
            "local-addr": self.address,
            "rdzv-backend": "c10d",
            "rdzv-endpoint": meeting,
            "rdzv-id": out.name,
            "rdzv-conf": f"last_call_timeout={LAST_CALL},is_host={self.is_first}",
        }
        launcher = [sys.executable, "-m", "torch.distributed.run", *(f"--{name}={flags[name]}" for name in flags)]
        words = ["ip", "netns", "exec", self.name, *launcher, "--no-python", sys.executable, "-c", code]
        with open(f"{out}.log", "ab") as log:
            return subprocess.Popen(words, env=os.environ | ENVIRONMENT, stdout=log, stderr=log)

    def die(self) -> None:
        """Kill all processes of this machine at once."""
        for number in _told("ip", "netns", "pids", self.name).split():
            os.kill(int(number), signal.SIGKILL)


Machines = tuple[Machine, Machine]
Agents = list["subprocess.Popen[bytes]"]


def main(config: TwoMachinesConfig) -> None:
    """Train on two machines, disturb them, and print how often the result was another than that of one process."""
    if sys.platform != "linux" or os.geteuid():
        raise UserError("network namespaces need Linux and root; start it by sudo")
    failed = 0
    with TemporaryDirectory() as folder, machines() as both:
        whole = Path(folder) / "whole"
        if not finished(lambda: train(whole, STEPS, SNAPSHOT)):
            raise RuntimeError("the undisturbed training failed")
        for name, disturbed in CHECKS.items():
            failures = []
            for number in range(config.tries):
                out = Path(folder) / f"{disturbed.__name__}-{number}"
                problem = disturbed(both, out) or difference(out, whole)
                for machine in both:
                    machine.die()
                if problem:
                    failures.append(f"try {number}: {problem}")
                    print(Path(f"{out}.log").read_text()[-4_000:], file=sys.stderr)
            failed += len(failures)
            print(f"{name}: {config.tries} tries, {len(failures)} failures", *failures, sep="\n  ", flush=True)
    sys.exit(1 if failed else 0)


@contextmanager
def machines() -> Iterator[Machines]:
    """Two namespaces, joined by a pair of virtual interfaces, as long as the block lasts."""
    names = [f"quartet-{os.getpid()}-{number}" for number in (1, 2)]
    network = f"10.213.{os.getpid() % 250}"
    both = tuple(Machine(name, f"{network}.{number}", number == 1) for number, name in enumerate(names, 1))
    try:
        for name in names:
            _told("ip", "netns", "add", name)
        ends = ("link", "add", CABLE, "netns", names[0], "type", "veth", "peer", "name", CABLE, "netns", names[1])
        _told("ip", *ends)
        for machine in both:
            _told("ip", "-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", CABLE)
            for interface in (CABLE, "lo"):
                _told("ip", "-n", machine.name, "link", "set", interface, "up")
        yield both[0], both[1]
    finally:
        for machine in both:
            if machine.name in _told("ip", "netns", "list"):
                machine.die()
                _told("ip", "netns", "del", machine.name)


def _told(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(words)}: {done.stderr.strip() or 'failed'}; network namespaces must be permitted")
    return done.stdout


# --- what is looked at


def difference(out: Path, whole: Path) -> str:
    """In what the weights of a run are not those of the undisturbed one, or ""."""
    found, wanted = (load_tensors(folder / "model.safetensors") for folder in (out, whole))
    largest = max((found[name] - wanted[name]).abs().max().item() for name in wanted)
    if largest > EQUAL:
        return f"the weights differ by up to {largest:.2g}"
    return "".join(f"{path} is left" for path in temporary(out))


def steps_saved(out: Path) -> int:
    """The step of the newest checkpoint; 0 if there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in Checkpoints(out / "checkpoints").paths()), default=0)


def came_true(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether something becomes true in so many seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def begun(both: Machines, out: Path, nodes: str = "1:2") -> Agents:
    """Start a training on both machines, or let it go on."""
    port = next(PORTS)
    return [machine.start(out, nodes, port) for machine in both]


def to_the_end(agents: Agents) -> str:
    """Wait for both machines; what is wrong, or ""."""
    if not came_true(lambda: all(agent.poll() is not None for agent in agents)):
        return "the run does not end"
    codes = [agent.returncode for agent in agents]
    return "" if not any(codes) else f"the run ends with {codes}"


def examples(out: Path, did: str) -> list[int]:
    """After how many examples a run "saved" or "goes on", by its log."""
    said = re.findall(rf"{did} after ([\d,]+) examples", Path(f"{out}.log").read_text())
    return [int(number.replace(",", "")) for number in said]


def went_on(out: Path, since: int = 0) -> str:
    """Whether a run went on from a checkpoint no older than a step, or that of a stop; what is wrong, or ""."""
    went, wanted = max(examples(out, "goes on"), default=0), max([BATCH * since, *examples(out, "saved")])
    return "" if went and went >= wanted else f"it went on after {went:,} examples, and not after {wanted:,}"


# --- checks


def undisturbed(both: Machines, out: Path) -> str:
    """Two machines train, to the end."""
    return to_the_end(begun(both, out, "2"))


def second_killed(both: Machines, out: Path) -> str:
    """The second machine dies, and the first one goes on alone."""
    agents = begun(both, out)
    if not came_true(lambda: steps_saved(out) > 0):
        return "nothing is saved"
    saved = steps_saved(out)
    both[1].die()
    return to_the_end(agents[:1]) or went_on(out, saved)


def first_killed(both: Machines, out: Path) -> str:
    """The machine dies at which both meet: the other one ends, and the same command goes on."""
    agents = begun(both, out)
    if not came_true(lambda: steps_saved(out) > 0):
        return "nothing is saved"
    saved = steps_saved(out)
    both[0].die()
    if not came_true(lambda: agents[1].poll() is not None):
        return "the other machine does not end"
    return to_the_end(begun(both, out)) or went_on(out, saved)


def both_told(both: Machines, out: Path) -> str:
    """Both are told to stop, as by a scheduler: they save, and the same command goes on."""
    agents = begun(both, out)
    if not came_true(lambda: steps_saved(out) > 0):
        return "nothing is saved"
    told = time.time()
    for agent in agents:
        agent.terminate()
    if not came_true(lambda: all(agent.poll() is not None for agent in agents)):
        return "they do not end"
    newest = Checkpoints(out / "checkpoints").paths()[-1]
    if not 0 < (took := newest.stat().st_mtime - told) < SOON:
        return f"it saved {took:.1f} s after SIGTERM"
    saved = steps_saved(out)
    print(f"  saved {took:.1f} s after SIGTERM, at step {saved:,}")
    return to_the_end(begun(both, out)) or went_on(out, saved)


def second_told(both: Machines, out: Path) -> str:
    """The second machine alone is told to stop: all is saved, and the first one goes on from there."""
    agents = begun(both, out)
    if not came_true(lambda: steps_saved(out) > 0):
        return "nothing is saved"
    agents[1].terminate()
    return to_the_end(agents[:1]) or ("" if examples(out, "saved") else "nothing was saved") or went_on(out)


CHECKS: dict[str, Callable[[Machines, Path], str]] = {
    "two machines equal one process": undisturbed,
    "kill -9 of the second machine": second_killed,
    "kill -9 of the first machine": first_killed,
    "SIGTERM to both machines": both_told,
    "SIGTERM to the second machine": second_told,
}

if __name__ == "__main__":
    run(main, "benchmarks/two_machines.py")
