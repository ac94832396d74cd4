"""How the command line starts and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

import firebit
from firebit import cli, errors
from firebit.cli import doctor

COMMANDS = ("train", "eval", "compile", "predict", "inspect", "models", "summary", "reproduce", "data", "doctor")
COMMANDS += ("encode", "index", "search")


def leave(*arguments: str) -> Any:
    """The exit code of `firebit ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return caught.value.code


def fail_with(error: BaseException) -> Callable[[], doctor.Report]:
    def examine() -> doctor.Report:
        raise error

    return examine


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firebit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(cli.app, ["--help"])
    assert result.exit_code == 0
    for name in (*COMMANDS, "--debug", "--version"):
        assert name in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    assert CliRunner().invoke(cli.app, [name, "--help"]).exit_code == 0


def test_python_m_firebit_is_firebit() -> None:
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"firebit {firebit.__version__}\n")


def test_help_imports_no_torch() -> None:
    code = (
        "import sys, firebit.cli\n"
        "try:\n    firebit.cli.main(['--help'])\n"
        "except SystemExit as end:\n    print(end.code, 'torch' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "0 False", result.stderr


@pytest.mark.parametrize(
    "kind",
    [
        errors.FirebitError,
        errors.UsageError,
        errors.DataError,
        errors.ModelFileError,
        errors.DivergedError,
        errors.UnavailableError,
    ],
)
def test_an_error_is_two_lines_and_its_exit_code(
    kind: type[errors.FirebitError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = "labels [bold]train[/bold].gz " + "is very, very long " * 20 + "and empty."
    monkeypatch.setattr(doctor, "examine", fail_with(kind(problem, "Fetch it again.")))
    assert leave("doctor") == kind.exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {problem}\n  → Fetch it again.\n"


def test_an_unexpected_error_is_two_lines_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", fail_with(ZeroDivisionError("division\n  by zero")))
    assert leave("doctor") == 1
    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: division by zero\n  → Run again with --debug for the traceback.\n"
    )


@pytest.mark.parametrize("arguments", [("--debug", "doctor"), ("doctor", "--debug")])
@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError("no"), 1), (errors.DataError("No.", "Yes."), 3)])
def test_debug_shows_the_traceback(
    arguments: tuple[str, ...],
    error: Exception,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(doctor, "examine", fail_with(error))
    assert leave(*arguments) == code
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last)")
    assert "in examine" in err
    assert "error: " in err


def test_a_missing_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = ModuleNotFoundError("No module named 'torch'", name="torch")
    monkeypatch.setattr(doctor, "examine", fail_with(absent))
    assert leave("doctor") == 2
    assert capsys.readouterr().err == (
        "error: This command needs torch, which is not installed.\n  → pip install 'firebit[train]'\n"
    )


def test_a_missing_module_of_our_own_is_unexpected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = ModuleNotFoundError("No module named 'firebit.lost'", name="firebit.lost")
    monkeypatch.setattr(doctor, "examine", fail_with(absent))
    assert leave("doctor") == 1
    assert "No module named 'firebit.lost'" in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", fail_with(KeyboardInterrupt()))
    assert leave("doctor") == 130


def test_a_signal_is_130() -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from firebit import cli\n"
        "from firebit.cli import doctor\n"
        "def examine():\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(10)\n"
        "doctor.examine = examine\n"
        "cli.main(['doctor'])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (130, "")
    assert signal.SIGINT == 2


@pytest.mark.parametrize("arguments", [("dcotor",), ("doctor", "--nothing"), ("doctor", "too", "much"), ("--wrong",)])
def test_wrong_usage_is_2_and_no_traceback(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: firebit" in err
    assert "Traceback" not in err


def test_a_mistyped_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("dcotor") == 2
    assert "Did you mean 'doctor'?" in capsys.readouterr().err


def test_a_terminal_without_unicode_still_gets_the_error() -> None:
    result = run("doctor", FIREBIT_ISA="nothing", PYTHONIOENCODING="ascii")
    assert result.returncode == 2
    assert result.stderr.startswith("error: FIREBIT_ISA=nothing is not an instruction set")
    assert "Unset FIREBIT_ISA" in result.stderr
