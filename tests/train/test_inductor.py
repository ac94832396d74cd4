"""torch.compile while training: the same names and nearly the same numbers; refused without a compiler."""

from collections.abc import Callable

import pytest
import torch
from torch._inductor.exc import InvalidCxxCompiler

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.train.checkpoint import Progress
from firebit.train.inductor import check_compiler
from firebit.train.loop import Loop
from firebit.train.recipe import Recipe
from firebit.train.stage import Stage, build_network, make_growth, make_optimizer

Tiny = Callable[..., Recipe]
CPU = torch.device("cpu")
STAGE = Stage("phase1", "rectifier", 1, 0.05, "linear", 1e-3)


def test_without_a_cpp_compiler_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firebit.train.inductor._has_cpp_compiler", lambda: False)
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler, which is not here") as caught:
        check_compiler(CPU)
    assert "compile=false" in caught.value.remedy


def test_a_path_without_compilers_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", fail)
    with pytest.raises(UsageError):
        check_compiler(CPU)


def test_a_gpu_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs Triton"):
        check_compiler(torch.device("cuda"))


def trained(recipe: Recipe, data: ImageSet) -> Loop:
    model = build_network(recipe, data, "rectifier")
    loop = Loop(
        recipe,
        STAGE,
        data,
        model,
        make_optimizer(STAGE, model, recipe.optimizer),
        make_growth(STAGE, model, ["act1", "act2", "act3"]),
        Progress(),
    )
    loop.run_epoch(lambda _loss: None)
    return loop


@pytest.mark.slow
def test_a_compiled_network_keeps_its_names_and_numbers(tiny: Tiny, train_set: ImageSet) -> None:
    plain, fast = trained(tiny(), train_set).model, trained(tiny(compile=True), train_set).model
    assert plain.state_dict().keys() == fast.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.allclose(fast.state_dict()[name], value, atol=1e-4), name
