"""Kill training with SIGKILL at random steps, resume it, and compare every bit with a run that was left alone.

    python benchmarks/kill.py --kills 20

A small run of `firebit train` on the digits that ship with the package (ReLU baseline, both phases, tuned classifier,
augmentation; a checkpoint every 7 steps) is the reference. Then the same run is started in a fresh folder, killed with
SIGKILL a random while after a random step, every fourth time while it writes a checkpoint, and finished with --resume.
Compared are all tensors of all models, the rows of the table, and the journal but for its timings.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from firebit.errors import ModelFileError
from firebit.files import load_tensors
from firebit.machine import processor
from firebit.train import RunFolder
from firebit.train.checkpoint import newest_checkpoint

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
SETTINGS = (
    *("net.width=0.5", "threads=1", "checkpoint_steps=7", "augment.crop=2", "augment.flip=true"),
    *("baseline.epochs=1", "phase1.epochs=1", "phase2.epochs=1", "classifier.epochs=1"),
)
_PATIENCE = 600.0


@dataclass(frozen=True)
class Run:
    """A training command that can be started in any folder.

    Attributes:
        data: the data set.
        settings: what to --set.
    """

    data: str
    settings: Sequence[str]

    def start(self, folder: RunFolder, *, resume: bool = False) -> subprocess.Popen[str]:
        """Start training in a process of its own."""
        words = ["--resume"] if resume else [word for setting in self.settings for word in ("--set", setting)]
        place = ["--runs", str(folder.path.parent), "--name", folder.path.name]
        return subprocess.Popen(
            [sys.executable, "-m", "firebit", "train", self.data, *place, *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, folder: RunFolder, *, resume: bool = False) -> None:
        """Train to the end; whatever goes wrong is an error here too."""
        _, errors = (process := self.start(folder, resume=resume)).communicate(timeout=_PATIENCE)
        if process.returncode:
            raise RuntimeError(f"training ended with {process.returncode}:\n{errors}")


@dataclass(frozen=True)
class Reference:
    """The run that was left alone.

    Attributes:
        folder: its directory.
        steps: optimizer steps of the whole run.
        interval: steps from one checkpoint to the next.
        step_seconds: mean time of a step, everything included.
    """

    folder: RunFolder
    steps: int
    interval: int
    step_seconds: float


@dataclass(frozen=True)
class Kill:
    """One killed and resumed run.

    Attributes:
        step: the step it was aimed at; the kill falls up to one interval and a delay later.
        writing: whether the kill waited for a checkpoint being written.
        half_written: files the kill left half-written.
        resumed_at: step of the newest whole checkpoint, None where there was none yet.
        differences: what differs from the reference; none is the aim.
    """

    step: int
    writing: bool
    half_written: int
    resumed_at: int | None
    differences: tuple[str, ...]


def make_reference(run: Run, folder: RunFolder) -> Reference:
    """Train without a disturbance."""
    began = time.perf_counter()
    run.finish(folder)
    seconds = time.perf_counter() - began
    last = newest_checkpoint(folder.checkpoints)
    assert last is not None
    return Reference(folder, last.progress.steps, folder.recipe().checkpoint_steps, seconds / last.progress.steps)


def kill_and_resume(run: Run, reference: Reference, folder: RunFolder, step: int, delay: float, writing: bool) -> Kill:
    """Start a run, kill it, see what it left, finish it, and compare."""
    with run.start(folder) as process:
        passed = step - step % reference.interval
        _wait(
            process, lambda: any(int(path.stem) >= passed for path in folder.checkpoints.glob("[0-9]*")) or not passed
        )
        time.sleep(delay)
        if writing:
            _wait(process, lambda: any(folder.checkpoints.glob(".*.part")))
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run ended by itself, with {process.returncode}, before it was killed at step {step}")
    left = len([*folder.path.glob(".*.part"), *folder.checkpoints.glob(".*.part")])
    checkpoint = newest_checkpoint(folder.checkpoints)
    run.finish(folder, resume=folder.recipe_file.exists())
    at = checkpoint.progress.steps if checkpoint else None
    return Kill(step, writing, left, at, tuple(differences(reference.folder, folder)))


def _wait(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while not condition() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.0002)


def differences(one: RunFolder, other: RunFolder) -> list[str]:
    """What two finished runs do not share: files, tensors (bit by bit), rows of the table, the journal."""
    found = []
    models = sorted(path.name for path in one.path.glob("*.safetensors"))
    if models != sorted(path.name for path in other.path.glob("*.safetensors")):
        found.append("model files")
    for name in models:
        left, right = _tensors(one.path / name), _tensors(other.path / name)
        found += [f"{name}: {key}" for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]
    if _rows(one) != _rows(other):
        found.append("results.json")
    if _journal(one) != _journal(other):
        found.append("metrics.jsonl")
    if any(other.path.rglob(".*.part")):
        found.append("a half-written file is left")
    return found


def _tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    try:
        tensors = load_tensors(path)[0]
    except ModelFileError:
        return {}
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in tensors.items()}


def _rows(folder: RunFolder) -> Any:
    results = folder.results()
    return results and results["rows"]


def _journal(folder: RunFolder) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in record.items() if key != "images_per_second"}
        for record in folder.journal.records()
    ]


def plan(kills: int, reference: Reference, seed: int) -> list[tuple[int, float, bool]]:
    """Per kill: a random step, a delay of up to one interval in seconds, and whether to wait for a write."""
    draw = random.Random(seed)
    last = reference.steps - 2 * reference.interval
    return [
        (draw.randint(1, last), draw.uniform(0, reference.interval * reference.step_seconds), at % 4 == 3)
        for at in range(kills)
    ]


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown page."""
    lines = [
        "# Killed and resumed",
        "",
        f"`{report['command']}`",
        "",
        f"{report['same']} of {len(report['kills'])} runs ended with the same bits as the run that was left alone: all "
        f"tensors of {', '.join(f'`{name}`' for name in report['models'])}, the rows of the table, and the journal but "
        "for its timings.",
        "",
        f"`firebit train {report['data']}` with {', '.join(f'`{setting}`' for setting in report['settings'])}: "
        f"{report['steps']} steps. {report['machine']}, {report['date']}.",
        "",
        "| kill | aimed at step | while writing | half-written files left | resumed at step | the same bits |",
        "|---|---|---|---|---|---|",
    ]
    for number, kill in enumerate(report["kills"], 1):
        start = "the start" if kill["resumed_at"] is None else kill["resumed_at"]
        writing = "yes" if kill["writing"] else "no"
        same = "yes" if not kill["differences"] else "; ".join(kill["differences"])
        lines.append(f"| {number} | {kill['step']} | {writing} | {kill['half_written']} | {start} | {same} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run = Run("digits", SETTINGS)
    with tempfile.TemporaryDirectory() as place:
        reference = make_reference(run, RunFolder(Path(place) / "reference"))
        models = sorted(path.name for path in reference.folder.path.glob("*.safetensors"))
        kills = []
        for number, (step, delay, writing) in enumerate(plan(options.kills, reference, options.seed), 1):
            folder = RunFolder(Path(place) / f"kill-{number}")
            kills.append(kill_and_resume(run, reference, folder, step, delay, writing))
            sys.stderr.write(f"{number}: {kills[-1]}\n")
            shutil.rmtree(folder.path)
    report = {
        "command": f"python benchmarks/kill.py --kills {options.kills} --seed {options.seed}",
        "date": date.today().isoformat(),
        "machine": f"{processor()}, torch {torch.__version__}, 1 thread",
        "data": run.data,
        "settings": list(run.settings),
        "steps": reference.steps,
        "models": models,
        "same": sum(not kill.differences for kill in kills),
        "kills": [asdict(kill) for kill in kills],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "kill.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "kill.md").write_text(markdown(report))
    sys.stdout.write(markdown(report))
    sys.exit(0 if report["same"] == len(kills) else 1)


if __name__ == "__main__":
    main()
