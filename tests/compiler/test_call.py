"""What nodes call: one kind and one set of names for modules, functions, methods and operators."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.prune import l1_unstructured

from firebit.compiler.call import Call, call_of, evaluated, is_hooked, is_rectified
from firebit.nn import BoundedRectifier, CentredConv2d, CentredLinear, Scale, Step
from firebit.nn.trace import Tracer


class Net(nn.Module):
    def __init__(self, operation: Any, module: nn.Module | None = None) -> None:
        super().__init__()
        self.operation = operation
        self.weight = nn.Parameter(torch.ones(2, 2))
        if module is not None:
            self.module = module

    def forward(self, x: Tensor) -> Any:
        return self.operation(self, x)


def traced(operation: Any, module: nn.Module | None = None) -> tuple[fx.GraphModule, fx.Node]:
    """A graph, and the node that gives its output."""
    net = Net(operation, module).eval()
    graph = fx.GraphModule(net, Tracer(1, lambda _module, _name: False).trace(net))
    output = next(node for node in graph.graph.nodes if node.op == "output")
    return graph, output.args[0]


def call(operation: Any, module: nn.Module | None = None) -> Call:
    """The call that gives the output, its nodes by their names."""
    found = call_of(*traced(operation, module))
    return Call(found.kind, fx.node.map_arg(dict(found.arguments), str))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "kind", "arguments"),
    [
        (lambda n, x: x + 1, "add", {"input": "x", "other": 1}),
        (lambda n, x: 1 + x, "add", {"input": 1, "other": "x"}),
        (lambda n, x: torch.add(x, 1, alpha=2), "add", {"input": "x", "other": 1, "alpha": 2}),
        (lambda n, x: x.add_(other=1), "add", {"input": "x", "other": 1}),
        (lambda n, x: torch.sub(input=x, other=3), "sub", {"input": "x", "other": 3}),
        (lambda n, x: torch.subtract(x, 3), "sub", {"input": "x", "other": 3}),
        (lambda n, x: 3 - x, "sub", {"input": 3, "other": "x"}),
        (lambda n, x: x.multiply(3), "mul", {"input": "x", "other": 3}),
        (lambda n, x: x / 2, "div", {"input": "x", "other": 2}),
        (lambda n, x: x.true_divide(2), "div", {"input": "x", "other": 2}),
        (lambda n, x: x.div_(2), "div", {"input": "x", "other": 2}),
        (lambda n, x: -x, "neg", {"input": "x"}),
        (lambda n, x: x.flatten(1), "reshape", {"input": "x"}),
        (lambda n, x: torch.reshape(input=x, shape=(1, -1)), "reshape", {"input": "x"}),
        (lambda n, x: x.contiguous(memory_format=torch.channels_last), "identity", {"input": "x"}),
        (lambda n, x: x.mean((2, 3), True), "mean", {"input": "x", "dim": (2, 3), "keepdim": True}),
        (lambda n, x: torch.mean(x, axis=2), "mean", {"input": "x", "dim": 2}),
        (lambda n, x: F.max_pool2d(x, 2), "max_pool2d", {"input": "x", "kernel_size": 2}),
        (lambda n, x: torch.dropout(x, 0.5, train=False), "dropout", {"input": "x", "p": 0.5, "training": False}),
        (lambda n, x: torch.concat((x, x), dim=1), "cat", {"tensors": ("x", "x"), "dim": 1}),
        (lambda n, x: F.pad(x, (1, 2), value=0.0), "pad", {"input": "x", "pad": (1, 2), "value": 0.0}),
        (lambda n, x: F.linear(x, n.weight), "linear", {"input": "x", "weight": "weight"}),
        (lambda n, x: x.sin(), "sin", {"input": "x"}),
    ],
)
def test_functions_methods_and_operators(operation: Any, kind: str, arguments: dict[str, Any]) -> None:
    found = call(operation)
    assert found.kind == kind
    # Some functions hand on their default arguments, by name.
    assert {name: found.arguments[name] for name in arguments} == arguments
    assert kind in ("max_pool2d", "pad") or len(found.arguments) == len(arguments)


def through(n: Any, x: Tensor) -> Any:
    return n.module(x)


@pytest.mark.parametrize(
    ("module", "kind", "some"),
    [
        (nn.Conv2d(1, 2, 3, 2, 1, groups=1), "conv2d", {"stride": (2, 2), "padding": (1, 1), "padding_mode": "zeros"}),
        (nn.Linear(2, 3, bias=False), "linear", {"bias": None}),
        (nn.BatchNorm1d(3, eps=0.5), "batch_norm", {"eps": 0.5}),
        (nn.BatchNorm2d(3, affine=False), "batch_norm", {"weight": None, "bias": None}),
        (Step(torch.ones(2), torch.ones(2), dim=-1), "step", {"dim": -1}),
        (Scale(torch.ones(2)), "scale", {"shift": None, "dim": 1}),
        (nn.Identity(), "identity", {}),
        (nn.Dropout(0.5), "identity", {}),
        (nn.Dropout2d(0.5), "identity", {}),
        (nn.AlphaDropout(0.5), "identity", {}),
        (nn.Flatten(), "reshape", {}),
        (nn.ZeroPad2d((1, 2, 3, 4)), "pad", {"pad": (1, 2, 3, 4), "value": 0.0}),
        (nn.ConstantPad2d(1, 2.0), "pad", {"pad": (1, 1, 1, 1), "value": 2.0}),
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), "max_pool2d", {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
        (nn.AvgPool2d(2, divisor_override=3), "avg_pool2d", {"stride": 2, "divisor_override": 3}),
        (nn.AdaptiveAvgPool2d((1, None)), "adaptive_avg_pool2d", {"output_size": (1, None)}),
        (nn.AdaptiveMaxPool2d(2), "adaptive_max_pool2d", {"output_size": 2}),
        (nn.Sigmoid(), "Sigmoid", {}),
        (nn.ConvTranspose2d(1, 1, 1), "ConvTranspose2d", {}),
        (nn.InstanceNorm2d(1), "InstanceNorm2d", {}),
    ],
)
def test_modules(module: nn.Module, kind: str, some: dict[str, Any]) -> None:
    found = call(through, module)
    assert found.kind == kind
    assert found.arguments["input"] == "x"
    assert {name: found.arguments[name] for name in some} == some
    assert call(lambda n, x: n.module(input=x), module).arguments["input"] == "x"


@pytest.mark.parametrize("module", [CentredConv2d(2, 3, 2), CentredLinear(2, 3)])
def test_centred_layers_are_plain_ones(module: Any) -> None:
    """W·(x − ½) + b is W·x + (b − ½·ΣW)."""
    found = call(through, module)
    bias = module.bias - module.weight.flatten(1).sum(1) / 2
    assert torch.equal(found.arguments["weight"], module.weight)
    torch.testing.assert_close(found.arguments["bias"], bias, rtol=0, atol=1e-6)


class Doubled(nn.Conv2d):
    __module__ = "torch.nn.doubled"  # torch.fx calls what torch.nn has, and does not look inside

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Inverted(Step):
    def forward(self, y: Tensor) -> Tensor:
        return 1 - super().forward(y)


def test_classes_with_a_forward_of_their_own_are_what_they_are_called() -> None:
    assert call(through, Doubled(1, 1, 1)).kind == "Doubled"
    assert call(through, Inverted(torch.ones(1), torch.ones(1))).kind == "Inverted"


def test_hooks() -> None:
    plain, before, behind, pruned, own = (nn.Linear(2, 2) for _ in range(5))
    before.register_forward_pre_hook(lambda _module, inputs: inputs)
    behind.register_forward_hook(lambda _module, _inputs, output: output)
    l1_unstructured(pruned, "weight", 1)
    own.forward = plain.forward  # type: ignore[method-assign]
    assert [is_hooked(module) for module in (plain, before, behind, pruned, own)] == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("operation", "module", "expected"),
    [
        (lambda n, x: F.relu(x), None, True),
        (lambda n, x: x.relu_(), None, True),
        (through, nn.ReLU6(), True),
        (through, BoundedRectifier(2), True),
        (through, Step(torch.ones(2), torch.ones(2)), False),
        (lambda n, x: x + 1, None, False),
    ],
)
def test_activations_that_are_no_steps(operation: Any, module: nn.Module | None, expected: bool) -> None:
    assert is_rectified(*traced(operation, module)) is expected


@pytest.mark.parametrize(
    ("operation", "module", "expected"),
    [
        (lambda n, x: n.weight, None, [[1.0, 1.0], [1.0, 1.0]]),
        (lambda n, x: n.weight.mul(2), None, [[2.0, 2.0], [2.0, 2.0]]),
        (lambda n, x: torch.sub(n.weight, other=3), None, [[-2.0, -2.0], [-2.0, -2.0]]),
        (lambda n, x: n.module(n.weight), nn.Flatten(0), [1.0, 1.0, 1.0, 1.0]),
        (lambda n, x: n.weight.mul_(2), None, [[2.0, 2.0], [2.0, 2.0]]),
    ],
)
def test_constants_are_computed_and_their_operands_stay(
    operation: Any, module: nn.Module | None, expected: list[Any]
) -> None:
    graph, node = traced(operation, module)
    weight = torch.ones(2, 2)
    known = dict.fromkeys(node.all_input_nodes, weight)
    for _ in range(2):
        assert evaluated(graph, node, known).tolist() == expected
    assert weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_parameter_inside_a_module() -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.full((2,), 3.0))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight

    assert evaluated(*traced(through, Inner()), {}).tolist() == [3.0, 3.0]
