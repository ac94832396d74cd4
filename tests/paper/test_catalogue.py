"""Experiments and readings have names of their own, and training needs none of what reading does."""

import subprocess
import sys

import pytest

from firebit.paper import EXPERIMENTS, READINGS
from firebit.paper.catalogue import reading


@pytest.mark.parametrize("name", READINGS)
def test_readings_are_called_what_they_are(name: str) -> None:
    assert reading(name).name == name
    assert name not in EXPERIMENTS


def test_experiments_that_train_need_no_library_of_explanations() -> None:
    code = "import sys, firebit.paper; print([m for m in ('scipy', 'skimage', 'matplotlib') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
