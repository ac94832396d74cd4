"""What every test can rely on: plain terminals, no data sets of the user's, deterministic properties."""

import pytest
from hypothesis import settings

# A busy machine is no reason for a property to fail.
settings.register_profile("firebit", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("firebit")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No colours, wide lines, no overrides, and a data root of the test's own."""
    for name in ("FIREBIT_ISA", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERMINAL_WIDTH", "120")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FIREBIT_DATA", str(tmp_path_factory.getbasetemp() / "no-data"))
