"""Codes on a network that is trained already."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import firebit as fb
from firebit import zoo
from firebit.data import load
from firebit.errors import UsageError
from firebit.nn.balance import balance
from firebit.search.codes import unpack
from firebit.train.graft import graft
from firebit.train.head import HeadOptions, train_head

BLANK = torch.zeros(1, 1, 28, 28)
DIGITS = load("digits", "train").subset(np.arange(300))
PICTURES = torch.from_numpy(DIGITS.images).float() / 255


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    """Random weights on grids of 16 bits; half of the units of each layer fire."""
    torch.manual_seed(0)
    net = fb.nn.snap(zoo.build("lenet", width=0.3), BLANK)
    hardened = balance(fb.nn.harden(net, BLANK), PICTURES[:50])
    assert isinstance(hardened, nn.Sequential)
    return hardened


@pytest.mark.parametrize("hidden", [0, 20])
def test_grafted_codes_are_those_of_the_head_and_run_compiled(
    network: nn.Sequential, tmp_path: Path, hidden: int
) -> None:
    with torch.inference_mode():
        features = network[:6](PICTURES).flatten(1).numpy()
    assert list(network._modules)[5] == "act2"
    options = HeadOptions(bits=16, hidden=hidden, epochs=3, batch=50)
    head = train_head(features, DIGITS.labels, 10, options)
    grafted = graft(network, "act2", head)
    expected = unpack(head.codes(features), 16)
    until = list(grafted._modules).index("code") + 1
    with torch.inference_mode():
        assert (grafted[:until](PICTURES).numpy() == expected).mean() > 0.999
        np.testing.assert_allclose(grafted(PICTURES).numpy(), head.logits(features), atol=0.05)
    fb.compile(grafted, BLANK, report=False).save(tmp_path / "net.firebit")
    compiled = fb.load(tmp_path / "net.firebit")
    assert compiled.layers == ("act1", "act2", *(("hidden",) if hidden else ()), "code")
    assert (unpack(compiled.codes(DIGITS.images, layer="code"), 16) == expected).mean() > 0.99


def test_layers_that_are_not_there_and_baselines_are_refused(network: nn.Sequential) -> None:
    with torch.inference_mode():
        features = network[:6](PICTURES[:40]).flatten(1).numpy()
    options = {"bits": 12, "epochs": 1, "batch": 20}
    head = train_head(features, DIGITS.labels[:40], 10, HeadOptions(**options))
    with pytest.raises(UsageError, match=r"no step 'act9'\.\nChoose one of: act1, act2, act3"):
        graft(network, "act9", head)
    with pytest.raises(UsageError, match="no step 'conv1'"):
        graft(network, "conv1", head)
    relu = train_head(features, DIGITS.labels[:40], 10, HeadOptions(**options, activation="relu"))
    with pytest.raises(UsageError, match="'relu' gives no bits"):
        graft(network, "act2", relu)
