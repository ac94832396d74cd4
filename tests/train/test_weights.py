"""What the stage of ±1 weights trains, and how its slopes grow, by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.nn.growth import rectifiers
from firebit.nn.weights import bounded_weights, thresholded
from firebit.train import Recipe
from firebit.train.recipe import Weights
from firebit.train.stage import Stage, build_network, example_of, stages
from firebit.train.weights import check_weights, decided, make_weight_growth, with_weights

Tiny = Callable[..., Recipe]
EXAMPLE = torch.zeros(1, 1, 28, 28)


def trained(tiny: Tiny, data: ImageSet, **options: Any) -> set[str]:
    """Names of the weights that the stage still trains."""
    model = with_weights(build_network(tiny(), data, "rectifier"), EXAMPLE, Weights(**options))
    return {name for name, each in model.named_parameters() if each.requires_grad and each.dim() > 1}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"kind": "thresholded"}, {"conv1.weight"}),
        ({"kind": "thresholded", "others": "fixed"}, set()),
        ({"kind": "thresholded", "last": False}, {"conv1.weight", "fc4.weight"}),
        ({"kind": "thresholded", "first": True}, set()),
        ({"kind": "thresholded", "exclude": ["fc*"]}, {"conv1.weight", "fc3.weight", "fc4.weight"}),
        (
            {"kind": "learned", "others": "fixed", "exclude": ["fc4"]},
            {f"{name}.parametrizations.weight.original" for name in ("conv2", "fc3")},
        ),
    ],
)
def test_which_weights_are_trained(tiny: Tiny, train_set: ImageSet, options: dict[str, Any], names: set[str]) -> None:
    assert trained(tiny, train_set, **options) == names


@pytest.mark.parametrize("kind", ["learned", "thresholded"])
def test_slopes_are_cut_where_the_recipe_says_so(tiny: Tiny, train_set: ImageSet, kind: str) -> None:
    model = build_network(tiny(), train_set, "rectifier")
    steep = torch.tensor([-200.0, 0.5, 0.0, 7.0])
    with torch.no_grad():
        slope = rectifiers(model)["act1"].slope
        slope[:4] = steep
    softened = with_weights(model, EXAMPLE, Weights(kind=kind, soften=5.0))
    assert rectifiers(softened)["act1"].slope[:4].tolist() == [-5.0, 0.5, 0.0, 5.0]
    assert slope[:4].tolist() == steep.tolist()
    left = with_weights(model, EXAMPLE, Weights(kind=kind))
    assert rectifiers(left)["act1"].slope[:4].tolist() == steep.tolist()


def test_with_a_scale_and_without(tiny: Tiny, train_set: ImageSet) -> None:
    net = build_network(tiny(), train_set, "rectifier")
    weight = net.get_submodule("fc3").weight
    assert isinstance(weight, torch.Tensor)
    scaled = with_weights(net, EXAMPLE, Weights(kind="thresholded"))
    plain = with_weights(net, EXAMPLE, Weights(kind="thresholded", scaled=False))
    assert torch.equal(scaled.get_submodule("fc3").weight, thresholded(weight))  # type: ignore[arg-type]
    assert torch.equal(plain.get_submodule("fc3").weight, thresholded(weight, scaled=False))  # type: ignore[arg-type]
    assert decided(scaled) is scaled


@pytest.mark.parametrize("steps", [4, 100])
def test_slopes_of_weights_grow_in_a_straight_line_to_the_recipes(tiny: Tiny, train_set: ImageSet, steps: int) -> None:
    options = Weights(kind="learned", slope=8.0)
    model = with_weights(build_network(tiny(), train_set, "rectifier"), EXAMPLE, options)
    growth = make_weight_growth(Stage("weights", "rectifier", 1, 0.1, "cosine"), model, options, steps)
    assert growth is not None
    layer = bounded_weights(model)["fc3"]
    layer.slope.fill_(0.0)
    reached = []
    for _ in range(steps):
        growth.step()
        reached.append(layer.slope[0].item())
    # k² = 2 · 8²/n · Σ t/n, t = 0 … n − 1, by hand 64 · (n − 1)/n at the end.
    assert reached[-1] == pytest.approx(8 * ((steps - 1) / steps) ** 0.5)
    assert reached[steps // 2 - 1] == pytest.approx(reached[-1] / 2, rel=2 / steps)


def test_nothing_grows_elsewhere(tiny: Tiny, train_set: ImageSet) -> None:
    net = build_network(tiny(), train_set, "rectifier")
    assert make_weight_growth(stages(tiny())[1], net, Weights(kind="learned"), 4) is None
    assert (
        make_weight_growth(Stage("weights", "rectifier", 1, 0.1, "cosine"), net, Weights(kind="thresholded"), 4) is None
    )


def test_the_stage_comes_last(tiny: Tiny) -> None:
    recipe = tiny(weights={"kind": "thresholded", "epochs": 7, "lr": 0.3, "growth": 0.1}, classifier={"epochs": 1})
    assert stages(recipe)[-1] == Stage("weights", "rectifier", 7, 0.3, "cosine", 0.1)
    assert [stage.name for stage in stages(tiny())] == ["relu", "phase1", "phase2"]


def test_what_cannot_be_is_refused_and_real_weights_are_not_looked_at(tiny: Tiny, train_set: ImageSet) -> None:
    assert example_of(train_set).equal(EXAMPLE)
    check_weights(tiny(weights={"kind": "real", "exclude": ["nowhere"]}), train_set)
    check_weights(tiny(weights={"kind": "learned"}), train_set)
    with pytest.raises(UsageError, match="'nowhere' matches no layer"):
        check_weights(tiny(weights={"kind": "learned", "exclude": ["nowhere"]}), train_set)
    with pytest.raises(UsageError, match="have a scale"):
        check_weights(tiny(weights={"kind": "learned", "scaled": False}), train_set)
