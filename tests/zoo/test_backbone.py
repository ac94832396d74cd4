"""Backbones: the published weights are read safely and give what they are known to give."""

import dataclasses
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from firebit.errors import ModelFileError, UsageError
from firebit.extras import MissingExtraError
from firebit.zoo import backbone as module
from firebit.zoo.backbone import WEIGHTS, Backbone, Weights, fused, pretrained, read_weights

PACKAGE = WEIGHTS["efficientnet_lite0"].package
needs_weights = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed")


def of(path: Path, **changes: object) -> Weights:
    """What a file is, as if it were published."""
    import hashlib

    content = path.read_bytes()
    known = Weights("a_package", path.name, len(content), hashlib.sha256(content).hexdigest())
    return dataclasses.replace(known, **changes)  # type: ignore[arg-type]


def test_a_file_of_tensors_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.arange(3)}, path)
    assert read_weights(path, of(path))["a"].tolist() == [0, 1, 2]


def test_a_file_of_another_digest_is_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(3)}, path)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpickled"))
    with pytest.raises(ModelFileError, match="another digest"):
        read_weights(path, of(path, sha256="0" * 64))
    with pytest.raises(ModelFileError, match="another digest"):
        read_weights(path, of(path, bytes=1))


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code of a stranger runs",)


def test_what_is_more_than_tensors_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": _Evil()}, path)
    with pytest.raises(ModelFileError, match="no tensors"):
        read_weights(path, of(path))
    assert capsys.readouterr().out == ""
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(ModelFileError):
        read_weights(path, of(path))
    torch.save({"a": 1}, path)
    with pytest.raises(ModelFileError, match="more than tensors"):
        read_weights(path, of(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not the published file"):
        read_weights(tmp_path / "nothing.pth", WEIGHTS["efficientnet_lite0"])


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'firebit\[backbones\]'"):
        pretrained("efficientnet_lite0")


def test_tensors_of_other_names_or_shapes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pth"
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 2)}, path)
    monkeypatch.setitem(WEIGHTS, "efficientnet_lite0", of(path))
    monkeypatch.setattr(module, "_find", lambda source: path)
    with pytest.raises(ModelFileError, match=r"no _conv_stem\.weight of shape \(32, 3, 3, 3\)"):
        pretrained("efficientnet_lite0")


def test_names_and_sides_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'efficientnet_lite"):
        Backbone("efficientnet_lite")
    with pytest.raises(UsageError, match="side=16 is too small"):
        Backbone("efficientnet_lite0", 16)


def test_pictures_of_any_size_are_resized() -> None:
    torch.manual_seed(0)
    net = Backbone("efficientnet_lite0", 32).eval()
    with torch.inference_mode():
        assert net(torch.rand(2, 3, 50, 41)).shape == (2, net.features)
        grey = torch.full((1, 3, 9, 13), 0.5)
        torch.testing.assert_close(net(grey), net(torch.full((1, 3, 32, 32), 0.5)))


def test_a_fused_copy_computes_the_same() -> None:
    torch.manual_seed(0)
    net = Backbone("efficientnet_lite0", 32).eval()
    pictures = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        expected = net(pictures)
        torch.testing.assert_close(fused(net)(pictures), expected, atol=1e-4, rtol=1e-3)
        rough = fused(net, torch.bfloat16)(pictures)
    assert rough.dtype == torch.float32
    assert (rough - expected).abs().mean() < 0.05 * expected.abs().mean() + 1e-3
    assert net.network.stem.conv.weight.dtype == torch.float32


@needs_weights
def test_the_published_weights_tell_a_bright_picture_from_a_dark_one() -> None:
    net = pretrained("efficientnet_lite0", 64)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    pictures = np.stack([np.zeros((3, 64, 64)), np.ones((3, 64, 64))]).astype(np.float32)
    with torch.inference_mode():
        dark, bright = net(torch.from_numpy(pictures))
    assert net.digest() == pretrained("efficientnet_lite0").digest()
    assert (dark - bright).abs().mean() > 0.002


@needs_weights
@pytest.mark.parametrize(("picture", "classes"), [("chelsea", (281, 282, 285)), ("coffee", (967, 968, 504))])
def test_the_classifier_of_the_file_says_what_photos_show(picture: str, classes: tuple[int, ...]) -> None:
    # Cats and cups of coffee are among ImageNet's classes: a wrong layer, padding or scale would not find them.
    from skimage import data

    source = WEIGHTS["efficientnet_lite0"]
    weights = read_weights(module._find(source), source)
    pixels = torch.from_numpy(getattr(data, picture)().copy()).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        logits = classified(pretrained("efficientnet_lite0")(pixels), weights)
    assert int(logits.argmax()) in classes


def classified(features: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.nn.functional.linear(features, weights["_fc.weight"], weights["_fc.bias"])
