"""What the recipes for ImageNet cost: work per picture, hours on eight GPUs, bytes of a checkpoint. Estimates, no runs.

    python benchmarks/cost.py

Work is counted by torch's own formulas on one picture of the network's size: two operations per multiply-accumulate,
and three passes' worth for forward and backward together. It is that of the network with ReLUs: rectifiers multiply
nothing more, and their slopes are as many as a batch norm's scales. Hours follow from that and from what others have
published; see the assumptions in the page. Writes docs/results/cost.json and .md.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from firebit import zoo
from firebit.train import load_recipe, recipe_names
from firebit.train.stage import stages

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
PICTURES = 1_281_167
GPUS = 8
PASSES = 3
# ResNet-50 v1.5, mixed precision, on eight A100: 16,621 images/s, by the README of NVIDIA's DeepLearningExamples.
RESNET50_MACS = 4_089_184_256
RESNET50_RATE = 16_621 / GPUS
A100 = 2 * PASSES * RESNET50_MACS * RESNET50_RATE
H100 = 2 * A100
# No node reads, decodes and augments faster than the one that published that figure.
INPUT_RATE = 16_621
# The bar of benchmarks/step.py: a step with rectifiers takes at most this many times as long as with ReLUs.
RECTIFIERS = 1.1
FLOAT = 4


@dataclass(frozen=True)
class Cost:
    """One recipe's cost.

    Attributes:
        recipe: its name.
        parameters: learned numbers.
        macs: multiply-accumulates of one picture, forward.
        epochs: of all stages that train.
        hours: of a node of eight GPUs by kind; GPU-hours are eight times as many.
        bound: by kind, what limits it: "input" or "compute".
    """

    recipe: str
    parameters: int
    macs: int
    epochs: int
    hours: dict[str, float]
    bound: dict[str, str]

    @property
    def checkpoint_bytes(self) -> int:
        """Weights and momentum."""
        return 2 * FLOAT * self.parameters


def cost(name: str) -> Cost:
    """The cost of a recipe that comes with the package."""
    recipe = load_recipe(name)
    with torch.device("meta"):
        net = zoo.build(recipe.net.name, **recipe.net.options("relu")).eval()
        with FlopCounterMode(display=False) as counter:
            net(zoo.example(recipe.net.name))
    macs = counter.get_total_flops() // 2
    parameters = sum(parameter.numel() for parameter in net.parameters())
    epochs = sum(stage.epochs for stage in stages(recipe))
    hours, bound = {}, {}
    for kind, rate in (("A100", A100), ("H100", H100)):
        computed = GPUS * rate / (2 * PASSES * macs * (RECTIFIERS if recipe.has_phases else 1))
        bound[kind] = "input" if computed > INPUT_RATE else "compute"
        hours[kind] = epochs * PICTURES / min(computed, INPUT_RATE) / 3600
    return Cost(name, parameters, macs, epochs, hours, bound)


def row(found: Cost) -> str:
    hours = " | ".join(
        f"{found.hours[kind]:.1f} h ({found.bound[kind]}), {GPUS * found.hours[kind]:.0f} GPU-h" for kind in found.hours
    )
    return (
        f"| `{found.recipe}` | {found.parameters / 1e6:.1f} M | {2 * found.macs / 1e9:.2f} | "
        f"{2 * PASSES * found.macs / 1e9:.1f} | {found.epochs} | {hours} | {found.checkpoint_bytes / 2**20:,.0f} MiB |"
    )


def markdown(costs: list[Cost]) -> str:
    """The page."""
    lines = [
        "# What the recipes for ImageNet cost",
        "",
        f"`python benchmarks/cost.py`, {date.today().isoformat()}. **Estimates**: nothing here was run on a GPU.",
        "",
        "| recipe | parameters | GFLOP per picture, forward | GFLOP per picture, trained | epochs | 8 × A100 "
        "| 8 × H100 | a checkpoint |",
        "|---|---|---|---|---|---|---|---|",
        *map(row, costs),
        "",
        f"Assumed: an A100 sustains {A100 / 1e12:.0f} TFLOP/s, an H100 twice that, a node takes in {INPUT_RATE:,} "
        f"pictures a second, and rectifiers take {RECTIFIERS} times the time of ReLUs.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    costs = [cost(name) for name in recipe_names() if name.startswith("imagenet-")]
    report = {
        "command": "python benchmarks/cost.py",
        "date": date.today().isoformat(),
        "rows": [vars(c) for c in costs],
    }
    (RESULTS / "cost.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    (RESULTS / "cost.md").write_text(markdown(costs), "utf-8")
    print(markdown(costs))


if __name__ == "__main__":
    main()
