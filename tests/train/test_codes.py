"""Codes of networks in torch, and what the journal says of them."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import firebit as fb
from firebit import zoo
from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.search.codes import unpack
from firebit.train import RunFolder, fit, make_recipe
from firebit.train.codes import codes, recording


@pytest.fixture(scope="module")
def pictures() -> ImageSet:
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28), np.uint8)
    return ImageSet(images, np.arange(7) % 2, ("a", "b"), "noise")


def test_codes_in_torch_are_those_of_the_compiled_network(pictures: ImageSet, tmp_path: Path) -> None:
    torch.manual_seed(0)
    blank = torch.zeros(1, 1, 28, 28)
    net = fb.nn.harden(fb.nn.snap(zoo.build("lenet", width=0.2, code=20, classes=2), blank), blank)
    fb.compile(net, blank, report=False).save(tmp_path / "net.firebit")
    compiled = fb.load(tmp_path / "net.firebit")
    assert compiled.layers[-1] == "code"
    found = compiled.codes(pictures.images, layer="code")
    # In float64 torch computes the integer sums without rounding.
    exact = copy.deepcopy(net).double()
    with recording(exact) as seen:
        exact(torch.from_numpy(pictures.images).double() / 255)
    np.testing.assert_array_equal(unpack(found, 20), seen.values)
    assert (unpack(codes(net, pictures), 20) == seen.values).mean() > 0.95


def test_the_journal_says_how_balanced_codes_are(few_digits: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    tree = {
        "data": str(few_digits),
        "net": {"name": "lenet", "width": 0.2, "code": 20},
        "batch": 20,
        "threads": 1,
        "baseline": {"enabled": False},
        "phase1": {"epochs": 1},
        "phase2": {"epochs": 1},
    }
    fit(make_recipe(tree), folder)
    *_, last = folder.journal.records()
    assert last["code"]["bits"] == 20
    assert 0 < last["code"]["distinct_rate"] <= 1
    network = fb.load(folder.compiled_file)
    assert network.codes(np.zeros((2, 1, 28, 28), np.uint8), layer="code").shape == (2, 3)


def test_a_network_that_is_not_hardened_has_no_codes(pictures: ImageSet) -> None:
    with pytest.raises(UsageError, match="gives no bits yet"):
        codes(zoo.build("lenet", width=0.2, code=12), pictures)


def test_a_layer_that_is_not_there_is_named(pictures: ImageSet) -> None:
    net = zoo.build("lenet", width=0.2)
    with pytest.raises(UsageError, match=r"no layer 'code'\.\nTrain one with --set net\.code=48.*act3"):
        codes(net, pictures)


def test_recording_ends_with_its_block() -> None:
    net = nn.Sequential()
    net.add_module("code", nn.Identity())
    with recording(net) as found:
        net(torch.ones(2, 3))
    net(torch.ones(5, 3))
    assert found.values.shape == (2, 3)
    assert found.balance().distinct == 1
