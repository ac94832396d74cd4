"""Draw figure 1: bounded rectifiers of growing slope beside ReLU, and the step they tend to.

    python docs/tutorials/rectifier.py [FOLDER]

Writes rectifier.svg and rectifier.png to FOLDER (default: docs/figures), the same bytes on every run.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import firebit as fb

FIGURES = Path(__file__).resolve().parents[1] / "figures"

# Slopes are ordered, so they take one hue from light to dark; orange beside blue is told apart by every eye.
SLOPES = {0.5: "#55a3d8", 1.0: "#2b7cb8", 3.0: "#12558f", 12.0: "#06264d"}
NAMES = {0.5: "k = ½", 1.0: "k = 1", 3.0: "k = 3", 12.0: "k = 12"}
STEP, RELU, INK = "#d55e00", "#757575", "#333333"
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "firebit",  # names inside the file do not change from run to run
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": RELU,
    "axes.labelcolor": INK,
    "xtick.color": RELU,
    "ytick.color": RELU,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


def draw_rectifiers(axes: Axes) -> None:
    """ReLU, and rectifiers of several slopes with their names in the order of their lines."""
    y = torch.linspace(-1.6, 1.6, 1601)
    axes.plot(y, y.relu(), color=RELU, linestyle=(0, (4, 2.5)), linewidth=1.6)
    axes.text(1.34, 1.42, "ReLU", color=RELU, ha="right")
    for row, (slope, colour) in enumerate(SLOPES.items()):
        axes.plot(y, fb.nn.bounded_rectify(y, torch.tensor(slope)), color=colour, linewidth=2.4)
        axes.text(-1.5, 1.42 - 0.115 * row, NAMES[slope], color=colour, fontweight="bold")
    axes.set_title("f(y) = min(max(k·y + ½, 0), 1)", loc="left", color=INK)
    axes.set_ylabel("activation")


def draw_step(axes: Axes) -> None:
    """The step, its value at y = 0, and the steepest rectifier behind it."""
    y = torch.linspace(-1.6, 1.6, 1601)
    axes.plot(y, fb.nn.bounded_rectify(y, torch.tensor(12.0)), color=SLOPES[12.0], linewidth=1.4, alpha=0.5)
    axes.text(-0.12, 0.47, NAMES[12.0], color=SLOPES[12.0], ha="right")
    step = fb.nn.Step(torch.zeros(1), torch.ones(1))
    for side in (torch.tensor([-1.6, -1e-9]), torch.tensor([0.0, 1.6])):
        axes.plot(side, step(side[:, None]), color=STEP, linewidth=2.4)
    axes.plot(0, 0, "o", color=STEP, markerfacecolor="white", markersize=6.5, markeredgewidth=1.8)
    axes.plot(0, 1, "o", color=STEP, markersize=6.5)
    axes.text(0.14, 0.86, "fires: y ≥ 0", color=STEP, fontweight="bold")
    axes.text(-0.14, 0.08, "silent", color=STEP, fontweight="bold", ha="right")
    axes.set_title("as k grows: a step, one bit", loc="left", color=INK)


def draw() -> Figure:
    """The whole figure: rectifiers on the left, the step on the right, on the same axes."""
    figure = Figure(figsize=(8.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    draw_rectifiers(left)
    draw_step(right)
    for axes in (left, right):
        axes.axvline(0, color="#d9d9d9", linewidth=0.9, zorder=0)
        axes.axhline(1, color="#d9d9d9", linewidth=0.9, zorder=0)
        axes.set(xlim=(-1.6, 1.6), ylim=(-0.06, 1.55), xticks=[-1, 0, 1], yticks=[0, 0.5, 1])
        axes.set_yticklabels(["0", "½", "1"])
        axes.set_xlabel("pre-activation y")
    return figure


def main(folder: Path = FIGURES) -> None:
    """Write the figure as SVG and PNG into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure = draw()
        figure.savefig(folder / "rectifier.svg", metadata={"Date": None, "Creator": "Firebit"})
        figure.savefig(folder / "rectifier.png", dpi=110, metadata={"Software": "Firebit"})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
