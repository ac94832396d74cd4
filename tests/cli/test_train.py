"""`firebit train` as a user meets it: the table, the exit codes, and never a traceback."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firebit.files import load_tensors

TINY = [
    *("net.name=lenet", "net.width=0.2", "batch=20", "threads=1", "augment.crop=2", "checkpoint_steps=4"),
    *("baseline.epochs=1", "phase1.epochs=1", "phase2.epochs=1"),
]
Run = Callable[..., tuple[int, str, str]]


def settings(*more: str) -> list[str]:
    return [word for setting in (*TINY, *more) for word in ("--set", setting)]


@pytest.fixture
def firebit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run the command line in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    return command_line


def weights(folder: Path) -> dict[str, dict[str, bytes]]:
    models = sorted(folder.glob("*.safetensors"))
    return {path.name: {name: array.tobytes() for name, array in load_tensors(path)[0].items()} for path in models}


def test_the_table_and_plain_lines(firebit: Run, few_digits: Path, tmp_path: Path) -> None:
    code, out, err = firebit("train", few_digits, *settings())
    assert code == 0
    assert "lenet on few-train, measured on the test set" in out
    names = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
    steps = ["phase 1", "phase 1, steps", "phase 2", "phase 2, steps", "steps, recalibrated"]
    assert names == ["ReLU", *steps, "compiled, without torch"]
    assert "\npredictions that differ between torch (float64) and compiled: 0 of 60\n" in out
    assert "Everything is in runs/few/ (start with README.md)." in out
    lines = err.splitlines()
    assert lines[0] == f"runs/few: lenet on {few_digits}, seed 0"
    assert [line.split(" · ")[0] for line in lines[1:]] == ["relu 1", "phase1 1", "phase2 1"]
    assert "\x1b" not in out + err
    assert (tmp_path / "runs" / "few" / "README.md").is_file()
    assert (tmp_path / "runs" / "few" / "model.firebit").is_file()


def test_a_network_with_real_layers_is_not_compiled_and_said_so(firebit: Run, few_digits: Path) -> None:
    part = settings("net.rectified=last", "layers=last", "baseline.enabled=false", "phase1.epochs=0", "phase2.epochs=0")
    code, out, _ = firebit("train", few_digits, *part)
    assert code == 0
    assert out.splitlines()[-2] == "not compiled: some hidden activations are real numbers"
    assert not Path("runs/few/model.firebit").exists()


def test_a_run_of_a_time_before_networks_were_compiled_is_still_shown(firebit: Run, few_digits: Path) -> None:
    short = settings("baseline.enabled=false", "phase1.epochs=0", "phase2.epochs=0")
    assert firebit("train", few_digits, *short)[0] == 0
    path = Path("runs/few/results.json")
    results = json.loads(path.read_text())
    old = {key: value for key, value in results.items() if key not in ("compiled", "not_compiled")}
    path.write_text(json.dumps({**old, "rows": [row for row in old["rows"] if row["name"] != "compiled"]}))
    Path("runs/few/model.firebit").unlink()
    code, out, _ = firebit("train", few_digits, "--resume")
    assert code == 0
    assert "compiled" not in out
    assert "steps, recalibrated" in out
    assert firebit("compile", "runs/few")[0] == 0
    assert Path("runs/few/model.firebit").is_file()


def test_json_and_nothing_else_on_the_output(firebit: Run, few_digits: Path) -> None:
    code, out, _ = firebit(
        "train", few_digits, *settings("baseline.enabled=false"), "--json", "--name", "a", "--seed", 3
    )
    results = json.loads(out)
    assert (code, results["seed"]) == (0, 3)
    assert results == json.loads(Path("runs/a/results.json").read_text())


def test_the_next_run_gets_a_name_of_its_own_and_the_latest_is_resumed(firebit: Run, few_digits: Path) -> None:
    short = settings("baseline.enabled=false", "phase1.epochs=0", "phase2.epochs=0")
    for name in ("few", "few-2"):
        assert firebit("train", few_digits, *short)[0] == 0
        assert (Path("runs") / name / "results.json").is_file()
    code, out, err = firebit("train", few_digits, "--resume", "--json")
    assert (code, err.splitlines()[0].split(":")[0]) == (0, "runs/few-2")
    assert json.loads(out)["net"] == "lenet"


@pytest.mark.parametrize("folder", ["[red]x", "with space", 'quo"te', "back\\slash"])
def test_odd_folder_names(firebit: Run, few_digits: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).symlink_to(few_digits)
    short = settings("baseline.enabled=false", "phase1.epochs=0", "phase2.epochs=0")
    code, out, err = firebit("train", f"./{folder}", *short)
    assert code == 0, err
    assert f"Everything is in runs/{folder}/" in out
    assert err.splitlines()[0] == f"runs/{folder}: lenet on ./{folder}, seed 0"


@pytest.mark.parametrize(
    ("words", "code", "problem", "remedy"),
    [
        (["digits", "--name", "old"], 2, "The run directory runs/old exists.", "--resume"),
        (["digits", "--name", "a/b"], 2, "--name 'a/b' is not a plain name.", "--runs"),
        (["digits", "--name", ".."], 2, "--name '..' is not a plain name.", "--runs"),
        (["digits", "--name", ""], 2, "--name '' is not a plain name.", "--runs"),
        (["digits", "--set", "phase1.epohcs=1"], 2, "has an unknown key 'phase1.epohcs'", "'epochs'"),
        (["digits", "--set", "bacth=1"], 2, "has an unknown key 'bacth'", "Did you mean 'batch'?"),
        (["digits", "--set", "seed"], 2, "'seed' is not key=value.", "--set phase1.epochs=5"),
        (["digits", "--set", "phase1.growth=-1"], 2, "phase1.growth = -1 is not valid", "--set phase1.growth="),
        (["digits", "--seed", "-1"], 2, "seed = -1 is not valid", "--set seed="),
        (["digits", "--net", "lenett"], 2, "There is no network 'lenett'.", "Did you mean 'lenet'?"),
        (["digits", "--recipe", "nothing"], 2, "There is no recipe 'nothing'", "digits"),
        (["digits", "--set", "batch=10000"], 2, "fewer than one batch of 10000", "--set batch=600"),
        (["digits", "--resume", "--name", "none"], 2, "runs/none is not a run directory.", "--name NAME"),
        (["digits", "--resume"], 2, "There is no run of 'digits' under runs", "Leave --resume out"),
        (["digits", "--resume", "--seed", "1", "--name", "old"], 2, "A resumed run keeps its recipe.", "--set"),
        (["mnist"], 3, "The data set mnist is not in", "firebit data fetch mnist"),
        (["mnits"], 3, "There is no data set or folder 'mnits'.", "Did you mean 'mnist'?"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines(
    firebit: Run, words: list[str], code: int, problem: str, remedy: str
) -> None:
    Path("runs/old").mkdir(parents=True)
    found, out, err = firebit("train", *words)
    assert (found, out) == (code, "")
    first, second = [line for line in err.splitlines() if not line.startswith("runs/")]
    assert problem in first.removeprefix("error: ")
    assert remedy in second.removeprefix("  → ")
    assert [path.name for path in Path("runs").iterdir()] == ["old"]
    assert list(Path("runs/old").iterdir()) == []


def test_resuming_with_other_data_is_refused(firebit: Run, few_digits: Path) -> None:
    short = settings("baseline.enabled=false", "phase1.epochs=0", "phase2.epochs=0")
    assert firebit("train", few_digits, *short, "--name", "a")[0] == 0
    code, _, err = firebit("train", "digits", "--resume", "--name", "a")
    assert code == 2
    assert f"runs/a was trained on {few_digits}, not digits." in err


def test_divergence_is_5_and_the_last_good_checkpoint_is_kept(firebit: Run, few_digits: Path) -> None:
    wild = settings("baseline.enabled=false", "phase2.lr=1e30", "phase2.epochs=3", "phase2.schedule=constant")
    code, out, err = firebit("train", few_digits, *wild)
    assert (code, out) == (5, "")
    assert " in phase2, " in err.splitlines()[-2]
    assert err.splitlines()[-1].startswith("  → Lower the learning rate (phase2.lr) or the growth")
    checkpoints = list(Path("runs/few/checkpoints").iterdir())
    assert checkpoints
    for path in checkpoints:
        assert all(b"\x00\x00\xc0\x7f" not in array.tobytes() for array in load_tensors(path)[0].values())


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_is_one_line_and_1(few_digits: Path, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from firebit import cli\n"
        "cli.main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "train", str(few_digits), *settings()]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    problem, remedy = result.stderr.splitlines()[-2:]
    assert problem.startswith("error: No space left to write runs/few/checkpoints/000000004.safetensors.")
    assert "--resume" in remedy
    assert list((tmp_path / "runs" / "few" / "checkpoints").iterdir()) == []


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(3000):
        if condition() or process.poll() is not None:
            return
        time.sleep(0.02)


def test_a_signal_saves_and_resuming_ends_with_the_same_weights(firebit: Run, few_digits: Path, tmp_path: Path) -> None:
    # Enough epochs that the signal comes before the end.
    words = ["train", str(few_digits), *settings("baseline.enabled=false", "phase1.epochs=12")]
    with subprocess.Popen(
        [sys.executable, "-m", "firebit", *words, "--runs", "out dir"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        run = tmp_path / "out dir" / "few"
        wait_for(lambda: (run / "metrics.jsonl").exists(), process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    hint = f"firebit train {few_digits} --resume --name few --runs 'out dir'"
    assert err.splitlines()[-1] == f"Saved. Continue with: {hint}"
    assert list((run / "checkpoints").iterdir())
    assert not (run / "results.json").exists()
    code, _, err = firebit("train", few_digits, "--resume", "--name", "few", "--runs", "out dir")
    assert code == 0
    assert "resuming in phase1 at step" in err
    assert firebit(*words)[0] == 0
    assert weights(run) == weights(tmp_path / "runs" / "few")


def test_a_dry_run_prints_an_estimate_and_writes_nothing(firebit: Run, few_digits: Path, tmp_path: Path) -> None:
    code, out, _ = firebit("train", few_digits, *settings(), "--dry-run", "--price-per-hour", 2)
    assert code == 0
    assert "training takes about" in out
    assert "cost: 0.00 at 2 per hour" in out
    assert not (tmp_path / "runs").exists()


def test_a_gpu_that_is_not_there_is_refused_in_one_line(firebit: Run, few_digits: Path, tmp_path: Path) -> None:
    code, _, err = firebit("train", few_digits, *settings(), "--device", "cuda:64")
    assert code == 2
    assert "error: device = cuda:64: " in err
    assert not (tmp_path / "runs").exists()


def streamed(data: Path | str, *more: str) -> list[object]:
    options = ("input.stream=true", "input.workers=0", "size=28", "augment.crop=0", "baseline.enabled=false", *more)
    return ["train", data, *settings(*options)]


def test_streamed_pictures_say_how_fast_they_came(firebit: Run, few_shards: Path, tmp_path: Path) -> None:
    code, out, err = firebit(*streamed(few_shards))
    assert code == 0 and "phase 2, steps" in out
    assert "classes in the order of the index" in err
    assert len(re.findall(r"[\d,]+ pictures/s, waited \d+ % for them", err)) == 2
    code, out, _ = firebit("eval", tmp_path / "runs" / "few", "--json")
    rows = json.loads((tmp_path / "runs" / "few" / "results.json").read_text())["rows"]
    assert code == 0 and json.loads(out)["metrics"] == rows[-2]["metrics"]
    code, out, _ = firebit("eval", tmp_path / "runs" / "few", "--network", "compiled", "--json")
    assert code == 0 and json.loads(out)["metrics"] == rows[-1]["metrics"]


def test_eval_brings_labels_to_the_order_of_the_network(firebit: Run, few_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "order").write_text("n01484850\nn01440764\nn01443537\n")
    assert firebit(*streamed(few_photos), "--classes", "order")[0] == 0
    row = json.loads((tmp_path / "runs" / "few" / "results.json").read_text())["rows"][-2]
    code, out, _ = firebit("eval", tmp_path / "runs" / "few", few_photos, "--json")
    assert code == 0 and json.loads(out)["metrics"]["top1"] == row["metrics"]["top1"]


def test_a_shard_that_ends_in_the_middle(firebit: Run, few_shards: Path, tmp_path: Path) -> None:
    shards = shutil.copytree(few_shards, tmp_path / "shards")
    os.truncate(shards / "train-000001.tar", 20_000)
    code, _, err = firebit(*streamed(shards))
    assert code == 3 and not (tmp_path / "runs").exists()
    assert re.search(r"error: .*train-000001\.tar ends in the middle, at byte 20000: .*; \d+ pictures are whole\.", err)
    code, _, err = firebit(*streamed(shards), "--skip-bad")
    assert code == 0 and re.search(r"train-000001\.tar ends in the middle.*: \d+ pictures used", err)


@pytest.mark.parametrize("change", ["swapped", "missing", "extra"])
def test_classes_that_do_not_fit(firebit: Run, few_photos: Path, tmp_path: Path, change: str) -> None:
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    first, second = tree / "train" / "n01440764", tree / "train" / "n01443537"
    if change == "swapped":
        first.rename(tree / "x")
        second.rename(first)
        (tree / "x").rename(second)
    elif change == "missing":
        shutil.rmtree(first)
    else:
        shutil.copytree(first, tree / "train" / "n99999999")
    code, _, err = firebit(*streamed(tree))
    expected = {"swapped": "n01440764 and n01443537 are swapped", "missing": ": n01440764", "extra": ": n99999999"}
    assert code == 3 and expected[change] in err.splitlines()[1]
    assert not (tmp_path / "runs").exists()
