import subprocess
import sys
from importlib import metadata

import pytest

import firebit

# Makes `import torch` fail as where torch is not installed, whether it is or not.
WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'torch':
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_version_is_that_of_the_distribution() -> None:
    try:
        assert firebit.__version__ == metadata.version("firebit")
    except metadata.PackageNotFoundError:
        assert firebit.__version__ == "0+unknown"


def test_all_public_names_exist_and_are_listed() -> None:
    assert set(firebit.__all__) <= set(dir(firebit))
    for name in firebit.__all__:
        assert getattr(firebit, name) is not None


def test_load_is_that_of_the_engine() -> None:
    from firebit.engine import network

    assert firebit.load is network.load


def test_import_alone_is_light() -> None:
    """What is only needed to run or to train is imported when it is used."""
    heavy = "{'numpy', 'PIL', 'safetensors', 'torch', 'rich', 'typer'}"
    result = run(f"import sys, firebit; print(sorted({heavy} & set(sys.modules)))")
    assert result.stdout == "[]\n", result.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = firebit.nothing


def test_without_torch_the_wrong_side_of_the_wall_says_what_to_install() -> None:
    code = WITHOUT_TORCH + (
        "import firebit\n"
        "try:\n    firebit.nn\n"
        "except ImportError as error:\n    print(error)\n"
        "try:\n    from firebit import zoo\n"
        "except firebit.UsageError as error:\n    print(error)\n"
    )
    assert run(code).stdout.splitlines() == [
        "firebit.nn needs torch, which is not installed.",
        "pip install 'firebit[train]'",
        "firebit.zoo needs torch, which is not installed.",
        "pip install 'firebit[train]'",
    ]


def test_without_torch_the_right_side_works() -> None:
    result = run(WITHOUT_TORCH + "import firebit.data, firebit.engine, firebit.cli; firebit.load; print('fine')")
    assert result.stdout == "fine\n", result.stderr
