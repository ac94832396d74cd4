"""Code on the pages of the documentation runs as it stands there, one block after the other."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.pretrained import find

DOCS = Path(__file__).parents[2] / "docs"


def run(page: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the Python blocks of a page print."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return capsys.readouterr().out


@pytest.mark.parametrize("page", ["census.md", "summary.md", "howto/data.md", "howto/explain.md", "howto/serve.md"])
def test_code_of_a_page_runs(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(page, capsys)


def test_the_page_on_compiling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line.rstrip() for line in run("howto/compile.md", capsys).splitlines()]
    # The report, the accuracy, what a fast plan changes here, the input, a code, and an error in two lines.
    assert "on 2,000 pictures: predictions that differ: 0; bits that differ: 0 of 2,432,000" in lines
    accuracy, changed, seen, shape, problem, _ = lines[-6:]
    assert float(accuracy) > 0.85
    # What rounding changes depends on what this machine has trained: of 2,000 predictions none on some, one on others.
    assert float(changed) <= 0.0025
    assert (seen, shape) == ("Input(shape=(1, 28, 28), pad=(33,))", "(3, 8)")
    assert problem.startswith("The network is not hardened: '3', '7' are bounded rectifiers.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.firebit", "fast.firebit", "model.firebit"]


def test_the_page_on_search(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    *hits, nearest, item, own, refused, parts, filtered, ranked = run("howto/search.md", capsys).splitlines()
    assert len(hits) == 3
    assert all(hit.split()[3] == hit.split()[-1] for hit in hits)
    assert nearest.split()[:2] == ["digit", "7"] and nearest.endswith("True")
    assert item.endswith("of 500 bits")
    assert own == "[0 2]"
    assert refused == "digits.db holds codes of 500 bits, not 2880."
    assert (parts, filtered, ranked) == ("True", "True", "True")


def test_the_page_on_benchmarks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    weights, votes = rng.integers(-9, 10, (16, 784), np.int16), rng.integers(-9, 10, (10, 16), np.int16)
    fire = Layer("fire", (Term("input", weights),), np.zeros((1, 16), np.int32), np.ones(16, np.int8))
    logits = Logits("out", (Term("fire", votes),), 1.0, np.zeros(10))
    Plan(Input((1, 28, 28)), (fire,), logits).save(tmp_path / "model.firebit")
    table, *_, last = run("howto/bench.md", capsys).splitlines()
    assert table == "Per picture"
    accuracy, seconds = map(float, last.split())
    assert 0 <= accuracy <= 1 and 0 < seconds < 1


def test_the_page_on_reports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "digits"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text('data = "digits"\n')
    scores = {"loss": 0.1, "top1": 0.98, "top5": 1.0, "count": 2000}
    row = {"name": "compiled", "metrics": scores, "activation_bytes": 522, "weight_bytes": 863949}
    facts = {"data": "digits-train", "measured_on": "test", "seed": 0, "net": "lenet", "layers": "all", "seconds": 99}
    (folder / "results.json").write_text(json.dumps({**facts, "rows": [row]}))
    shutil.copy(find("mnist-lenet"), folder / "model.firebit")
    assert run("howto/report.md", capsys).splitlines()[-1] == "runs/digits/report.html True"


def test_the_tutorial_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    *_, step, slopes = run("tutorials/rectifier.md", capsys).splitlines()
    assert step == "[0.0, 0.0, 1.0, 1.0, 1.0]"
    grown, formula = map(float, slopes.split())
    assert grown == pytest.approx(formula, rel=1e-5) == pytest.approx(7.762, abs=1e-3)
