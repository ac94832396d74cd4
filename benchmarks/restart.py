"""Kill a rank of a distributed training again and again, let torchrun restart it, and compare every bit at the end.

    python benchmarks/restart.py --kills 10

A small run of `firebit train` on the digits that ship with the package (ReLU baseline, both phases, dropout, a
checkpoint every 7 steps) by two processes under torchrun is the reference. Then the same run is started in a fresh
folder, and at random steps one of its processes, chosen at random, is killed with SIGKILL; torchrun stops the other one
and starts both anew, and they go on from the last checkpoint. Compared are all tensors of all models, the rows of the
table, and the journal but for its timings.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from kill import differences

from firebit.machine import processor
from firebit.train import RunFolder

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
INTERVAL = 7
SETTINGS = (
    *("net.width=0.5", "net.dropout=0.2", "threads=1", f"checkpoint_steps={INTERVAL}", "augment.crop=2"),
    *("baseline.epochs=1", "phase1.epochs=1", "phase2.epochs=1"),
)
_PATIENCE = 1800.0


@dataclass(frozen=True)
class Training:
    """A training command for several processes.

    Attributes:
        data: the data set.
        settings: what to --set.
        ranks: how many processes.
    """

    data: str
    settings: Sequence[str]
    ranks: int = 2

    def start(self, folder: RunFolder, restarts: int) -> subprocess.Popen[str]:
        """Start torchrun, which starts the ranks."""
        launch = ["--standalone", "--nproc-per-node", str(self.ranks), "--max-restarts", str(restarts)]
        launch += ["--monitor-interval", "0.2"]
        words = [word for setting in self.settings for word in ("--set", setting)]
        place = ["--runs", str(folder.path.parent), "--name", folder.path.name]
        command = ["-m", "firebit", "train", self.data, *place, *words]
        return subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *launch, *command],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )


@dataclass(frozen=True)
class Kill:
    """One kill of one rank.

    Attributes:
        step: the step it was aimed at; it falls up to one interval and a delay later.
        rank: which rank was killed.
        resumed_at: step of the newest checkpoint at that moment, 0 where there was none.
    """

    step: int
    rank: int
    resumed_at: int


def steps_of(folder: RunFolder) -> int:
    """The step of the newest checkpoint; 0 where there is none."""
    return max((int(path.stem) for path in folder.checkpoints.glob("[0-9]*.safetensors")), default=0)


def workers(launcher: int) -> dict[int, int]:
    """Process ids of the ranks that a torchrun has started, by rank; those that are just ending left out."""
    found = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        try:
            words = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ranks = [int(word.removeprefix(b"RANK=")) for word in words if word.startswith(b"RANK=")]
        found |= {rank: int(child) for rank in ranks}
    return found


def train(training: Training, folder: RunFolder, kills: Sequence[tuple[int, int, float]]) -> list[Kill]:
    """Train to the end, killing a rank at each (step, rank, delay in seconds)."""
    done: list[Kill] = []
    with training.start(folder, len(kills)) as launcher:
        for step, rank, delay in kills:
            # Each run gets as far as a checkpoint of its own.
            least = max(step - INTERVAL, done[-1].resumed_at + 1 if done else 0)
            done.append(_kill(training, launcher, folder, least, delay, Kill(step, rank, 0)))
        code = launcher.wait(timeout=_PATIENCE)
    if code:
        raise RuntimeError(f"torchrun ended with {code} after {len(done)} kills")
    return done


def _kill(
    training: Training, launcher: subprocess.Popen[str], folder: RunFolder, least: int, delay: float, aim: Kill
) -> Kill:
    _wait(launcher, lambda: steps_of(folder) >= least and len(workers(launcher.pid)) == training.ranks)
    time.sleep(delay)
    before = workers(launcher.pid)
    at = steps_of(folder)
    os.kill(before[aim.rank], signal.SIGKILL)
    _wait(launcher, lambda: set(workers(launcher.pid).values()).isdisjoint(before.values()))
    return replace(aim, resumed_at=at)


def _wait(launcher: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while not condition():
        if launcher.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the training ended by itself, with {launcher.poll()}, before it was killed")
        time.sleep(0.005)


def plan(kills: int, steps: int, ranks: int, seed: int) -> list[tuple[int, int, float]]:
    """Per kill, in rising order: a random step of the run, a random rank, and a delay in seconds."""
    draw = random.Random(seed)
    chosen = sorted(draw.sample(range(1, steps - 2 * INTERVAL), kills))
    return [(step, draw.randrange(ranks), draw.uniform(0, 0.3)) for step in chosen]


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown page."""
    settings = ", ".join(f"`{setting}`" for setting in report["settings"])
    lines = [
        "# A rank killed and restarted",
        "",
        f"`{report['command']}`",
        "",
        f"A training of {report['steps']} steps by {report['ranks']} processes, killed {len(report['kills'])} times, "
        f"ended with {'the same bits as' if not report['differences'] else 'other numbers than'} the run that was left "
        "alone: all tensors of all models, the rows of the table, and the journal but for its timings.",
        "",
        f"`torchrun --nproc-per-node={report['ranks']} --max-restarts={len(report['kills'])} -m firebit train "
        f"digits` with {settings}. {report['machine']}, {report['date']}.",
        "",
        "| kill | aimed at step | rank killed | went on from step |",
        "|---|---|---|---|",
    ]
    for number, kill in enumerate(report["kills"], 1):
        lines.append(f"| {number} | {kill['step']} | {kill['rank']} | {kill['resumed_at']} |")
    if report["differences"]:
        lines += ["", "Differences: " + ", ".join(report["differences"])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-report", action="store_true", help="print only")
    options = parser.parse_args()
    training = Training("digits", SETTINGS, options.ranks)
    with tempfile.TemporaryDirectory() as place:
        reference, killed = RunFolder(Path(place) / "reference"), RunFolder(Path(place) / "killed")
        train(training, reference, [])
        kills = train(training, killed, plan(options.kills, steps_of(reference), options.ranks, options.seed))
        steps, found = steps_of(reference), differences(reference, killed)
    report = {
        "command": f"python benchmarks/restart.py --kills {options.kills} --ranks {options.ranks} "
        f"--seed {options.seed}",
        "settings": SETTINGS,
        "ranks": options.ranks,
        "steps": steps,
        "machine": f"{processor()}, torch {torch.__version__}, gloo, 1 thread per process",
        "date": date.today().isoformat(),
        "differences": found,
        "kills": [asdict(kill) for kill in kills],
    }
    if not options.no_report:
        (RESULTS / "restart.json").write_text(json.dumps(report, indent=1) + "\n")
        (RESULTS / "restart.md").write_text(markdown(report))
    sys.stdout.write(markdown(report))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
