"""AlexNet: shapes and sizes by hand."""

import torch

from firebit import zoo
from firebit.nn.growth import rectifiers
from firebit.nn.summary import summary


def test_as_many_weights_as_the_paper_has_in_one_column() -> None:
    with torch.device("meta"):
        net = zoo.build("alexnet", classes=1000, activation="relu")
    weights = {
        **{"conv1": (96, 3, 11, 11), "conv2": (256, 96, 5, 5), "conv3": (384, 256, 3, 3), "conv4": (384, 384, 3, 3)},
        **{"conv5": (256, 384, 3, 3), "fc6": (4096, 256 * 36), "fc7": (4096, 4096), "fc8": (1000, 4096)},
    }
    found = {name: tuple(p.shape) for name, p in net.named_parameters() if p.dim() > 1}
    assert found == {f"{name}.weight": shape for name, shape in weights.items()}
    assert sum(parameter.numel() for parameter in net.parameters()) == 62_378_344


def test_its_maps_and_the_names_of_its_layers() -> None:
    net = zoo.build("alexnet", width=0.02, batch_norm=True, dropout=0.5)
    assert list(rectifiers(net)) == [f"act{index}" for index in range(1, 8)]
    layers = {layer.name: layer.output for layer in summary(net, zoo.example("alexnet")).layers}
    sides = [layers[name][1:] for name in ("conv1", "pool1", "pool2", "conv3", "conv4", "pool5")]
    assert sides == [(55, 55), (27, 27), (13, 13), (13, 13), (13, 13), (6, 6)]
    assert net(zoo.example("alexnet", batch=2)).shape == (2, 10)
    assert {"drop7", "drop8"} <= {name for name, _ in net.named_children()}


def test_only_the_last_layer_rectified() -> None:
    assert list(rectifiers(zoo.build("alexnet", width=0.02, rectified="last"))) == ["act7"]
