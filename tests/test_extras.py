from importlib import metadata

import pytest

from firebit import extras
from firebit.errors import UsageError


def test_a_missing_extra_is_a_usage_error_and_an_import_error() -> None:
    error = extras.MissingExtraError("torch", "firebit.nn")
    assert isinstance(error, UsageError)
    assert isinstance(error, ImportError)
    assert str(error) == "firebit.nn needs torch, which is not installed.\npip install 'firebit[train]'"
    assert error.exit_code == 2


@pytest.mark.parametrize("name", ["torch", "torch.nn"])
def test_a_failed_import_of_an_optional_library_is_explained(name: str) -> None:
    error = extras.missing(ModuleNotFoundError(f"No module named {name!r}", name=name), "firebit.nn")
    assert error is not None
    assert error.problem == "firebit.nn needs torch, which is not installed."


@pytest.mark.parametrize("name", ["firebit.nothing", "torchless", None])
def test_other_failed_imports_are_left_alone(name: str | None) -> None:
    assert extras.missing(ModuleNotFoundError("No module", name=name), "firebit.nn") is None


def test_the_version_is_the_installed_one_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.OPTIONAL, "numpy", ("train", "numpy"))
    monkeypatch.setitem(extras.OPTIONAL, "absent", ("train", "firebit-needs-nothing-of-this-name"))
    assert extras.version("numpy") == metadata.version("numpy")
    assert extras.version("absent") is None


def test_every_optional_library_is_in_the_extra_it_names() -> None:
    try:
        requirements = metadata.requires("firebit") or []
    except metadata.PackageNotFoundError:
        pytest.skip("firebit runs from a source tree")
    for library, (extra, distribution) in extras.OPTIONAL.items():
        named = [r for r in requirements if r.startswith(distribution) and f'extra == "{extra}"' in r.replace("'", '"')]
        assert named, library
