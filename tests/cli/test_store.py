"""Which network a store's codes come from."""

from pathlib import Path

import pytest

from firebit.cli.store import layer_of, network_of
from firebit.errors import ModelFileError, UsageError
from firebit.pretrained import find
from firebit.search import CodeStore


def test_the_network_is_the_one_that_is_asked_for_else_the_stores(tmp_path: Path) -> None:
    with CodeStore.open(tmp_path / "a.db", 8, fingerprint="0123:act2") as store:
        with pytest.raises(UsageError, match=r"a\.db does not name its network"):
            network_of(store, "a.db", None)
        assert network_of(store, "a.db", Path("cifar10-quick")) == find("cifar10-quick")
        store.model = "mnist-lenet"
        assert network_of(store, "a.db", None) == find("mnist-lenet")
        store.model = str(tmp_path / "gone.firebit")
        with pytest.raises(ModelFileError, match="gone"):
            network_of(store, "a.db", None)
        assert layer_of(store) == "act2"


def test_an_encoder_of_its_own_names_no_layer(tmp_path: Path) -> None:
    with CodeStore.open(tmp_path / "a.db", 8, fingerprint="0123") as store:
        assert layer_of(store) is None
