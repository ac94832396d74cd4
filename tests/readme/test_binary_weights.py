"""The page on binary weights runs as it stands, and its networks learn what they should."""

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "binary-weights.md"


@pytest.mark.slow
def test_the_page_on_binary_weights(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, PAGE.name, "exec"), names)
    real, thresholded, census, learned, bits = capsys.readouterr().out.splitlines()
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in (real, thresholded, learned)}
    assert list(found) == ["real weights", "thresholded", "learned"]
    assert min(found.values()) > 0.85
    shares = ast.literal_eval(census)
    # One of 25 weights of the first layer is its largest; of the others, nearly all are at their scale.
    assert shares.pop("conv1") == pytest.approx(1 / 25)
    assert list(shares) == ["conv2", "fc3", "fc4"] and min(shares.values()) > 0.85
    assert bits == "[16, 1, 1, 1]"
