"""torch as a contender computes what the model file's network computes."""

from pathlib import Path

import numpy as np
import torch

from firebit.data import to_float
from firebit.train import eager, make_recipe
from firebit.train.run import load_model_file, save_model
from firebit.zoo import untrained_relu


def test_logits_are_those_of_the_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = untrained_relu("lenet", width=0.2, batch_norm=True)
    classes = tuple("0123456789")
    recipe = make_recipe({"net": {"name": "lenet", "width": 0.2, "batch_norm": True}})
    save_model(tmp_path / "relu.safetensors", net, recipe, (1, 28, 28), classes, "relu")
    pictures = np.random.default_rng(0).integers(0, 256, (4, 1, 28, 28), np.uint8)
    threads = torch.get_num_threads()
    try:
        run = eager.load(tmp_path / "relu.safetensors", 1, 4)
        assert torch.get_num_threads() == 1
        found = run(eager.prepare(pictures))
    finally:
        torch.set_num_threads(threads)
    with torch.no_grad():
        expected = load_model_file(tmp_path / "relu.safetensors").model(torch.from_numpy(to_float(pictures))).numpy()
    assert np.abs(found - expected).max() < 1e-4
