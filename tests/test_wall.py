"""Rules that hold for the source as a whole: the torch wall, and nothing that runs what it reads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import firebit

PACKAGE = Path(firebit.__file__).parent
LEFT_OF_THE_WALL = {"nn", "zoo", "train", "paper", "compiler"}
# The reader of CIFAR's Python version restricts pickle to five names; its tests show what it refuses.
MAY_IMPORT_PICKLE = {"data/cifar_pickle.py"}
# It compares the file's digest with a known one first, and reads tensors only; its tests show what it refuses.
MAY_LOAD_WEIGHTS = {"zoo/backbone.py"}

BANNED_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "torch.load",
    "marshal.loads",
}
BANNED_CALLS |= {
    f"{module}.{name}" for module in ("pickle", "marshal", "yaml", "dill", "joblib") for name in ("load", "loads")
}
BANNED_CALLS |= {"yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive", "numpy.load", "np.load"}
BANNED_METHODS = {"extractall"}
BANNED_IMPORTS = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "yaml",
}


def modules() -> list[str]:
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    return module.partition("/")[0].removesuffix(".py")


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def imports(node: ast.AST, lazy: bool = False) -> Iterator[tuple[str, int, bool]]:
    """Every import below `node`: the module, the line, and whether it is in a function or a type check."""
    for child in ast.iter_child_nodes(node):
        for name in imported(child):
            yield name, getattr(child, "lineno", 0), lazy
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports(child, lazy or inside or is_type_check(child))


def is_type_check(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def torch_over_the_wall(source: str, module: str) -> list[int]:
    """Lines of `module` that import torch where they must not."""
    if room(module) in LEFT_OF_THE_WALL:
        return []
    may_be_lazy = room(module) == "cli"
    found = imports(ast.parse(source))
    return [line for name, line, lazy in found if name.partition(".")[0] == "torch" and not (lazy and may_be_lazy)]


def code_from_data(source: str, module: str) -> list[str]:
    """What in `module` could run code that comes from a file or a user."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    wrong = [bad for call in calls if not may_load(call, module) for bad in banned_call(call)]
    for name, line, _ in imports(tree):
        if name.partition(".")[0] in BANNED_IMPORTS and module not in MAY_IMPORT_PICKLE:
            wrong.append(f"line {line}: import {name}")
    return wrong


def may_load(call: ast.Call, module: str) -> bool:
    """Whether a call of `module` is torch.load(…, weights_only=True) where that is allowed."""
    only = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)
    return module in MAY_LOAD_WEIGHTS and ast.unparse(call.func) == "torch.load" and only


def banned_call(call: ast.Call) -> list[str]:
    name = ast.unparse(call.func)
    shell = any(k.arg == "shell" and not is_false(k.value) for k in call.keywords)
    pickled = any(k.arg == "allow_pickle" and not is_false(k.value) for k in call.keywords)
    banned = name in BANNED_CALLS or name.rpartition(".")[2] in BANNED_METHODS
    return [f"line {call.lineno}: {name}"] if banned or shell or pickled else []


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("module", modules())
def test_nothing_right_of_the_wall_imports_torch(module: str) -> None:
    assert torch_over_the_wall((PACKAGE / module).read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize("module", modules())
def test_nothing_read_is_ever_run(module: str) -> None:
    assert code_from_data((PACKAGE / module).read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    "name",
    [
        *("firebit", "firebit.data", "firebit.engine", "firebit.explain", "firebit.search"),
        *("firebit.cli", "firebit.extras", "firebit.web"),
    ],
)
def test_importing_it_leaves_torch_alone(name: str) -> None:
    code = f"import sys, {name}; print(sorted(m for m in sys.modules if m.partition('.')[0] == 'torch'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "[]\n", result.stderr


LAZY = "def f() -> None:\n    import torch\n"


@pytest.mark.parametrize(
    ("source", "module", "lines"),
    [
        ("import torch", "engine/plan.py", [1]),
        ("import numpy, torch.nn as nn", "data/idx.py", [1]),
        ("from torch.nn import functional", "errors.py", [1]),
        ("try:\n    import torch\nexcept ImportError:\n    pass", "cli/train.py", [2]),
        ("class C:\n    import torch", "cli/train.py", [2]),
        (LAZY, "engine/plan.py", [2]),
        (LAZY, "cli/train.py", []),
        ("import torch", "nn/rectifier.py", []),
        ("import torch", "compiler/lower.py", []),
        ("import torchless", "engine/plan.py", []),
    ],
)
def test_the_wall_sees_torch(source: str, module: str, lines: list[int]) -> None:
    assert torch_over_the_wall(source, module) == lines


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "pickle.loads(data)",
        "import pickle",
        "from pickle import loads",
        "def f():\n    import marshal",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "tar.extractall()",
        "tarfile.open(path).extractall(where)",
        "subprocess.run(command, shell=True)",
        "np.load(path)",
        "read(path, allow_pickle=flag)",
    ],
)
def test_the_rule_sees_what_could_run(source: str) -> None:
    assert code_from_data(source, "data/folder.py")


@pytest.mark.parametrize("source", ["model.eval()", "re.compile(p)", "subprocess.run(c, shell=False)", "json.loads(t)"])
def test_the_rule_leaves_the_harmless_alone(source: str) -> None:
    assert code_from_data(source, "data/folder.py") == []


def test_only_the_reader_of_cifar_may_import_pickle() -> None:
    assert code_from_data("import pickle", "data/cifar_pickle.py") == []
    assert code_from_data("import pickle\npickle.loads(x)", "data/cifar_pickle.py")


def test_only_the_reader_of_weights_may_load_them_and_nothing_else() -> None:
    assert code_from_data("torch.load(file, weights_only=True)", "zoo/backbone.py") == []
    assert code_from_data("torch.load(file, weights_only=True)", "train/run.py")
    assert code_from_data("torch.load(file, weights_only=False)", "zoo/backbone.py")
    assert code_from_data("torch.load(file)", "zoo/backbone.py")
