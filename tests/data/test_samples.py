"""Headers of tar shards: every layout that writers make, and every way to be cut short."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.data.samples import scan
from firebit.errors import DataError

Members = list[tuple[str, bytes]]

MEMBERS: Members = [
    ("a.jpg", b"1" * 700),
    ("a.cls", b"3"),
    ("b.png", b"2" * 512),
    ("b.cls", b"0\n"),
    ("dir/c.jpeg", b"3"),
    ("dir/c.json", b'{"label": 7, "x": [1]}'),
]


def tar(path: Path, members: Members, form: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def contents(path: Path) -> list[tuple[bytes, int]]:
    found, whole = scan(path), path.read_bytes()
    assert found.broken is None
    triples = zip(found.offsets.tolist(), found.sizes.tolist(), found.labels.tolist(), strict=True)
    return [(whole[at : at + size], label) for at, size, label in triples]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_pictures_and_labels(tmp_path: Path, form: int) -> None:
    expected = [(b"1" * 700, 3), (b"2" * 512, 0), (b"3", 7)]
    assert contents(tar(tmp_path / "x.tar", MEMBERS, form)) == expected


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tmp_path: Path, form: int) -> None:
    stem = "folder/" + "x" * 150
    members = [(f"{stem}.jpg", b"1"), (f"{stem}.cls", b"4"), (f"{stem}y.jpg", b"2"), (f"{stem}y.cls", b"5")]
    assert contents(tar(tmp_path / "x.tar", members, form)) == [(b"1", 4), (b"2", 5)]


def test_members_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    extra = [("a.pyd", b"\x80\x04."), ("a.pth", b"x"), ("a.left.jpg", b"no"), ("a.txt", b"words")]
    assert contents(tar(tmp_path / "x.tar", [*MEMBERS[:2], *extra])) == [(b"1" * 700, 3)]
    with tarfile.open(tmp_path / "x.tar", "a") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = tarfile.TarInfo("b.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    assert contents(tmp_path / "x.tar") == [(b"1" * 700, 3)]


def test_the_label_file_counts_before_json(tmp_path: Path) -> None:
    for label in ([("a.cls", b"1"), ("a.json", b'{"label": 2}')], [("a.json", b'{"cls": 2}'), ("a.cls", b"1")]):
        assert contents(tar(tmp_path / "x.tar", [("a.jpg", b"x"), *label])) == [(b"x", 1)]


@pytest.mark.parametrize("label", [b"", b"-1", b"x", b"1.5", b"99999999999", b"\xff", "٣".encode(), b"1" * 40])
def test_labels_that_are_none(tmp_path: Path, label: bytes) -> None:
    found = scan(tar(tmp_path / "x.tar", [*MEMBERS[:2], ("b.jpg", b"x"), ("b.cls", label)]))
    assert len(found) == 1
    assert found.broken == "has 1 pictures without a label (.cls), such as 'b'"


@pytest.mark.parametrize("label", [b"[1]", b"{", b'{"label": true}', b'{"label": "x"}', b'{"label": 1.0}', b"[" * 9999])
def test_json_without_a_label(tmp_path: Path, label: bytes) -> None:
    assert scan(tar(tmp_path / "x.tar", [("b.jpg", b"x"), ("b.json", label)])).broken is not None


def test_a_shard_cut_anywhere_gives_its_whole_pictures_and_says_where(tmp_path: Path) -> None:
    whole = tar(tmp_path / "x.tar", MEMBERS).read_bytes()
    with tarfile.open(tmp_path / "x.tar") as archive:
        members = archive.getmembers()
    # A sample is whole when its label is there, to the last byte that counts.
    ends = [member.offset_data + member.size for member in members[1::2]]
    end = members[-1].offset_data + 512
    for cut in range(0, end + 1024, 37):
        (tmp_path / "cut.tar").write_bytes(whole[:cut])
        found = scan(tmp_path / "cut.tar")
        assert len(found) == sum(cut >= each for each in ends), cut
        if cut < end + 512:
            assert found.broken is not None and f"ends in the middle, at byte {cut}" in found.broken
        else:
            assert found.broken is None
        assert ((found.offsets + found.sizes) <= cut).all()


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"hello" * 300)
    broken = scan(tmp_path / "x.tar").broken
    assert broken is not None and broken.startswith("is no tar archive at byte 0: ")
    with pytest.raises(DataError, match="No such file"):
        scan(tmp_path / "y.tar")


def test_a_size_that_no_file_has(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a.jpg")
    member.size = 1 << 60
    (tmp_path / "x.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    found = scan(tmp_path / "x.tar")
    assert len(found) == 0 and found.broken is not None and "ends in the middle" in found.broken


@given(at=st.integers(0, 6 * 1024), value=st.integers(0, 255))
def test_changed_bytes_never_lead_outside(tmp_path_factory: pytest.TempPathFactory, at: int, value: int) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.tar"
    whole = bytearray(tar(path, MEMBERS).read_bytes())
    whole[at] = value
    path.write_bytes(whole)
    found = scan(path)
    assert (found.offsets >= 512).all() and (found.offsets + found.sizes <= len(whole)).all()
    assert (found.labels >= 0).all() and found.labels.dtype == np.int64
