"""The table of published files: whole, and consistent with what the readers expect."""

import re

from firebit.data.cifar import CIFAR10, CIFAR100
from firebit.data.load import KNOWN
from firebit.data.sources import SOURCES


def test_every_named_set_has_a_source() -> None:
    assert set(SOURCES) == set(KNOWN) - {"digits"}


def test_checksums_and_addresses_are_well_formed() -> None:
    seen = []
    for downloads in SOURCES.values():
        for download in downloads:
            assert re.fullmatch(r"md5:[0-9a-f]{32}", download.checksum)
            assert len(download.urls) >= 2
            assert {url.rsplit("/", 1)[1] for url in download.urls} == {download.name}
            assert download.urls[0].startswith("https://")
            for member in download.members:
                assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", member.checksum)
                seen.append(member.checksum)
            seen.append(download.checksum)
    assert len(seen) == len(set(seen))


def test_sizes_follow_from_the_formats() -> None:
    for name in ("mnist", "fashion-mnist"):
        sizes = {member.name: member.size for download in SOURCES[name] for member in download.members}
        for prefix, count in zip(("train", "t10k"), KNOWN[name].counts, strict=True):
            assert sizes[f"{prefix}-images-idx3-ubyte"] == 16 + count * 28 * 28
            assert sizes[f"{prefix}-labels-idx1-ubyte"] == 8 + count
    for name, layout in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        (download,) = SOURCES[name]
        assert download.archive_folder == KNOWN[name].folder
        sizes = {member.name: member.size for member in download.members}
        record = len(layout.label_bytes) + 3 * 32 * 32
        for split, count in zip(("train", "test"), KNOWN[name].counts, strict=True):
            assert sum(sizes[f"{stem}.bin"] for stem in layout.stems(split)) == count * record
