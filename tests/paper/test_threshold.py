"""ReLU networks made binary by force."""

import pytest
import torch
from torch import nn

from firebit.nn import Step
from firebit.paper.experiment import Experiment
from firebit.paper.threshold import thresholded, with_steps
from firebit.train.pictures import load_pictures
from firebit.train.stage import build_network


def test_steps_fire_where_relus_do(experiment: Experiment) -> None:
    recipe = experiment.trials[0].recipe_for(0)
    pictures = load_pictures(recipe)
    torch.manual_seed(0)
    model = build_network(recipe, pictures.train, "relu").eval()
    seen: dict[str, torch.Tensor] = {}
    for name in ("act1", "act3"):
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    x = torch.rand(5, 1, 28, 28)
    model(x)
    first = seen["act1"].clone()
    binary = with_steps(model, ["act1"], pictures.train)
    fired: list[torch.Tensor] = []
    binary.get_submodule("act1").register_forward_hook(lambda _m, _i, out: fired.append(out))
    binary(x)
    assert isinstance(binary.get_submodule("act1"), Step)
    assert isinstance(binary.get_submodule("act3"), nn.ReLU)
    assert isinstance(model.get_submodule("act1"), nn.ReLU)
    # A ReLU of exactly 0 may come from a pre-activation of 0; there is none among these.
    assert torch.equal(fired[0], (first > 0).float())


@pytest.mark.parametrize("how", ["last", "front to back"])
def test_only_what_lies_behind_is_trained(how: str, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = experiment.trials[0].recipe_for(0)
    pictures = load_pictures(recipe)
    model = build_network(recipe, pictures.train, "relu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained: list[nn.Module] = []
    from firebit.paper import threshold

    real = threshold._train_behind
    monkeypatch.setattr(threshold, "_train_behind", lambda m, r, d: (real(m, r, d), trained.append(m)))
    thresholded(model, recipe, pictures, how)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert len(trained) == (1 if how == "last" else 3)
    last = trained[-1].state_dict()
    steps = [name for name, module in trained[-1].named_modules() if isinstance(module, Step)]
    assert steps == (["act3"] if how == "last" else ["act1", "act2", "act3"])
    # The first layer is before every step, so nothing of it moves; the classifier does.
    assert torch.equal(last["conv1.weight"], before["conv1.weight"])
    assert not torch.equal(last["fc4.weight"], before["fc4.weight"])
    assert torch.equal(last["fc3.weight"], before["fc3.weight"]) == (how == "last")


def test_figures_are_of_the_held_out_pictures(experiment: Experiment) -> None:
    recipe = experiment.trials[0].recipe_for(0)
    pictures = load_pictures(recipe)
    direct, retrained = thresholded(build_network(recipe, pictures.train, "relu"), recipe, pictures, "last")
    assert direct.count == retrained.count == len(pictures.held_out)
