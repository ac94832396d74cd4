"""Contenders and pictures: names, sizes, who competes with whom, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from firebit.engine.bench import PEERS, Contender, Peer, Pictures
from firebit.engine.bench.contender import check_peers, installed_peers
from firebit.errors import DataError, UsageError


def test_names_and_sizes(tmp_path: Path) -> None:
    for name, size in (("net.xml", 3), ("net.bin", 50)):
        (tmp_path / name).write_bytes(b"x" * size)
    found = Contender("openvino", "int8", "net", tmp_path / "net.xml", "lenet", (tmp_path / "net.bin",))
    assert (found.name, found.file_bytes, found.is_own) == ("openvino int8", 53, False)


@pytest.mark.parametrize(
    ("ours", "theirs", "peer", "expected"),
    [
        ("lenet", "lenet", "torch", True),
        ("lenet", "vgg_small", "torch", False),
        (None, "vgg_small", "torch", True),
        ("lenet", "lenet", "firebit", False),
    ],
)
def test_rivals_have_the_same_architecture(ours: str | None, theirs: str, peer: str, expected: bool) -> None:
    own = Contender("firebit", "exact", "a", Path("a"), ours)
    assert own.rivals(Contender(peer, "float", "b", Path("b"), theirs)) is expected


def test_peers_are_installed_where_all_their_libraries_are() -> None:
    assert Peer("m", ".x", ("numpy",)).is_installed
    assert not Peer("m", ".x", ("numpy", "no_such_library")).is_installed
    assert Peer("m", ".x", ("numpy",), ("rich",)).is_quantizer
    assert not Peer("m", ".x", ("numpy",)).is_quantizer
    assert not Peer("m", ".x", ("numpy",), ("no_such_library",)).is_quantizer
    assert Peer("m", ".x", ("numpy",)).version == np.__version__


def test_peers_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "absent", Peer("m", ".x", ("no_such_library",)))
    monkeypatch.setitem(PEERS, "here", Peer("m", ".x", ("numpy",)))
    check_peers(("here",))
    assert "here" in installed_peers() and "absent" not in installed_peers() and "firebit" not in installed_peers()
    with pytest.raises(UsageError, match="no peer 'tensorflow'"):
        check_peers(("tensorflow",))
    with pytest.raises(UsageError, match="no peer 'firebit'"):
        check_peers(("firebit",))
    with pytest.raises(UsageError, match="absent needs no_such_library, which is not installed"):
        check_peers(("absent",))


def test_pictures_are_checked() -> None:
    images = np.zeros((3, 5), np.uint8)
    assert len(Pictures(images, np.zeros(3, np.int64), "x")) == 3
    with pytest.raises(DataError, match="3 pictures and 2 labels"):
        Pictures(images, np.zeros(2, np.int64), "x")
    for wrong in (images.astype(np.float32), images[:0], images[0]):
        with pytest.raises(DataError, match="images of dtype"):
            Pictures(wrong, None, "x")


def test_pictures_begin_anew_where_there_are_few() -> None:
    images = np.arange(3, dtype=np.uint8)[:, None]
    pictures = Pictures(images, None, "x")
    assert pictures.cycled(7)[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert pictures.cycled(2)[:, 0].tolist() == [0, 1]
