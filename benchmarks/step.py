"""Training step of bounded rectifiers against ReLU: time, and bytes kept for backward.

    python benchmarks/step.py
    python benchmarks/step.py --nets alexnet --batch 8 --rounds 20 --steps 1 --name step-alexnet

Both networks of a pair take turns within one process (interleaved, alternating who goes first), one thread; the
figure is the median over rounds of the ratio of CPU times, with its quartiles. The bytes are those of every distinct
tensor that autograd keeps (torch.autograd.graph.saved_tensors_hooks), parameters and the input left out, charged to
the layer that keeps them first. Run it on a quiet machine.
"""

import argparse
import json
import platform
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from firebit import zoo
from firebit.machine import processor
from firebit.nn import SlopeGrowth, param_groups

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
BATCH = 100


class Trainer:
    """One network with what a training step needs."""

    def __init__(self, name: str, activation: str, batch_norm: bool, channels_last: bool, batch: int = BATCH) -> None:
        torch.manual_seed(0)
        model = zoo.build(name, activation=activation, batch_norm=batch_norm, slope_init=0.5)
        self.model = model.to(memory_format=torch.channels_last) if channels_last else model
        self.optimizer = torch.optim.SGD(param_groups(self.model, 1e-4), lr=1e-3, momentum=0.9)
        self.growth = SlopeGrowth(self.model, 1e-4) if activation == "rectifier" else None
        self.images = torch.rand_like(zoo.example(name, batch=batch))
        self.labels = torch.randint(0, 10, (batch,))

    def step(self) -> None:
        """Forward, backward, optimizer, growth: what one batch costs in training."""
        loss = F.cross_entropy(self.model(self.images), self.labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.growth:
            self.growth.step()


def time_ratio(relu: Trainer, rectifier: Trainer, rounds: int, steps: int) -> dict[str, Any]:
    """Ratios of CPU time per round, rectifier to ReLU."""
    ratios, milliseconds = [], {"relu": [], "rectifier": []}
    for number in range(rounds + 2):
        spent: dict[str, float] = {}
        pair = [("relu", relu), ("rectifier", rectifier)]
        for name, trainer in pair if number % 2 else reversed(pair):
            began = time.process_time()
            for _ in range(steps):
                trainer.step()
            spent[name] = (time.process_time() - began) / steps
        if number >= 2:  # the first rounds warm up
            ratios.append(spent["rectifier"] / spent["relu"])
            for name, value in spent.items():
                milliseconds[name].append(1000 * value)
    low, middle, high = quantiles(ratios, n=4)
    return {
        "median": middle,
        "quartiles": [low, high],
        "range": [min(ratios), max(ratios)],
        "milliseconds": {name: median(values) for name, values in milliseconds.items()},
    }


def saved_bytes(trainer: Trainer) -> dict[str, int]:
    """Bytes kept for backward by the layer that keeps them first; the loss under "loss"."""
    own = {p.untyped_storage().data_ptr() for p in [*trainer.model.parameters(), *trainer.model.buffers()]}
    own.add(trainer.images.untyped_storage().data_ptr())
    seen: dict[int, Tensor] = {}
    layers: dict[str, int] = {}
    present = ["loss"]

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and storage.data_ptr() not in seen:
            seen[storage.data_ptr()] = tensor  # kept alive, so that its address is not used again
            layers[present[0]] = layers.get(present[0], 0) + storage.nbytes()
        return tensor

    def enter(name: str) -> Any:
        return lambda *_: present.__setitem__(0, name)

    hooks = [child.register_forward_pre_hook(enter(name)) for name, child in trainer.model.named_children()]
    hooks.append(trainer.model.register_forward_hook(enter("loss")))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        F.cross_entropy(trainer.model(trainer.images), trainer.labels)
    for hook in hooks:
        hook.remove()
    return layers


def compare(name: str, batch_norm: bool, channels_last: bool, batch: int, rounds: int, steps: int) -> dict[str, Any]:
    """Time and bytes of one pair."""
    relu, rectifier = (Trainer(name, kind, batch_norm, channels_last, batch) for kind in ("relu", "rectifier"))
    bytes_relu, bytes_rectifier = saved_bytes(relu), saved_bytes(rectifier)
    return {
        "net": name,
        "batch_norm": batch_norm,
        "channels_last": channels_last,
        "time": time_ratio(relu, rectifier, rounds, steps),
        "bytes": {
            "ratio": sum(bytes_rectifier.values()) / sum(bytes_relu.values()),
            "relu": bytes_relu,
            "rectifier": bytes_rectifier,
        },
    }


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown page."""
    lines = [
        "# Training step against ReLU",
        "",
        f"`{report['command']}`, {report['machine']}, {report['date']}. Batch {report['batch']}, one thread, CPU time, "
        f"median of {report['rounds']} interleaved rounds of {report['steps']} steps (quartiles).",
        "",
        "| network | batch norm | memory format | time | ReLU ms | rectifier ms | bytes kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        low, high = row["time"]["quartiles"]
        took = row["time"]["milliseconds"]
        lines.append(
            f"| {row['net']} | {'yes' if row['batch_norm'] else 'no'} "
            f"| {'channels last' if row['channels_last'] else 'contiguous'} "
            f"| {row['time']['median']:.3f}× ({low:.3f}–{high:.3f}) | {took['relu']:.1f} | {took['rectifier']:.1f} "
            f"| {row['bytes']['ratio']:.3f}× |"
        )
    lines += ["", "Bytes kept for backward per layer, KiB (ReLU / rectifier):", ""]
    # The same in both memory formats, but for what convolutions rearrange.
    for row in reversed({(row["net"], row["batch_norm"]): row for row in reversed(report["rows"])}.values()):
        relu, rectifier = row["bytes"]["relu"], row["bytes"]["rectifier"]
        names = [name for name in {**relu, **rectifier} if name != "loss"]
        cells = [f"{name} {relu.get(name, 0) / 1024:.0f} / {rectifier.get(name, 0) / 1024:.0f}" for name in names]
        lines.append(f"- {row['net']}, {'with' if row['batch_norm'] else 'without'} batch norm: {', '.join(cells)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--nets", nargs="+", default=["lenet", "cifar10_quick"], help="networks of the zoo")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--formats", nargs="+", default=["contiguous", "channels-last"], help="memory formats")
    parser.add_argument("--name", default="step", help="what the report is called")
    parser.add_argument("--no-report", action="store_true", help="print only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        compare(name, batch_norm, form == "channels-last", options.batch, options.rounds, options.steps)
        for name in options.nets
        for batch_norm in (False, True)
        for form in options.formats
    ]
    report = {
        "command": " ".join(["python benchmarks/step.py", *sys.argv[1:]]),
        "machine": f"{processor()}, torch {torch.__version__}, Python {platform.python_version()}",
        "date": date.today().isoformat(),
        "batch": options.batch,
        "rounds": options.rounds,
        "steps": options.steps,
        "rows": rows,
    }
    print(markdown(report))
    if not options.no_report:
        (RESULTS / f"{options.name}.json").write_text(json.dumps(report, indent=1) + "\n")
        (RESULTS / f"{options.name}.md").write_text(markdown(report))


if __name__ == "__main__":
    main()
