"""Names in one piece of memory, and fingerprints."""

import pickle

import numpy as np

from firebit.data.source import Names, digest


def test_names_come_back_as_they_were() -> None:
    texts = ["", "a", "n01440764_10026.JPEG", "ÄÖ€", "\udcff.jpg", "a\nb"]
    names = Names(texts)
    assert len(names) == 6 and [names[at] for at in range(6)] == texts
    copy = pickle.loads(pickle.dumps(names))  # as worker processes get them
    assert [copy[at] for at in range(6)] == texts


def test_a_fingerprint_tells_all_it_is_made_of() -> None:
    labels = np.array([0, 1])
    plain = digest("tree", ("a", "b"), labels, b"x", b"y")
    assert plain == digest("tree", ["a", "b"], labels, b"x", b"y") and len(plain) == 64
    others = {
        digest("shards", ("a", "b"), labels, b"x", b"y"),
        digest("tree", ("a", "c"), labels, b"x", b"y"),
        digest("tree", ("a", "b"), labels[::-1].copy(), b"x", b"y"),
        digest("tree", ("a", "b"), labels, b"xy", b""),
    }
    assert len(others | {plain}) == 5
