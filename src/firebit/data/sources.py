"""Where the known data sets come from, and the checksums by which they are recognised."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A file as it is kept.

    Args:
        name: file name.
        size: in bytes.
        checksum: "sha256:…" or "md5:…" of its content.
    """

    name: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Download:
    """A file as it is published.

    Args:
        urls: addresses that serve the same bytes, tried in this order.
        checksum: "md5:…" as its makers publish it.
        members: what is kept of it.
        archive_folder: the folder of the members inside a tar.gz; None for a gzip of the one member.
    """

    urls: tuple[str, ...]
    checksum: str
    members: tuple[Member, ...]
    archive_folder: str | None = None

    @property
    def name(self) -> str:
        return self.urls[0].rsplit("/", 1)[-1]


_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
# The bucket of its makers speaks no https; the checksums make up for that.
_FASHION = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_CIFAR = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")

# File, its size unpacked, MD5 of the published .gz, SHA-256 unpacked.
_MNIST_FILES = """
train-images-idx3-ubyte 47040016 f68b3c2dcbeaaa9fbdd348bbdeb94873 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
train-labels-idx1-ubyte    60008 d53e105ee54ea40749a09fcbcd1e9432 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
t10k-images-idx3-ubyte   7840016 9fb629c4189551a2d022fa330f9573f3 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
t10k-labels-idx1-ubyte     10008 ec29112dd5afa0611ce80d1b7f02629c ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
"""  # noqa: E501
_FASHION_FILES = """
train-images-idx3-ubyte 47040016 8d4fb7e6c68d591d4c3dfef9ec88bf0d c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
train-labels-idx1-ubyte    60008 25c81989df183df01b3e8a0aad5dffbe bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
t10k-images-idx3-ubyte   7840016 bef4ecab320f06d8554ea6380940ec79 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
t10k-labels-idx1-ubyte     10008 bb300cfdad3c16e7a12a480ee83cd310 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
"""  # noqa: E501

_CIFAR10_MEMBERS = tuple(
    Member(name, 30_730_000, f"sha256:{digest}")
    for name, digest in (
        ("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        ("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        ("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        ("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        ("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        ("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    )
)
_CIFAR100_MEMBERS = (
    Member("train.bin", 153_700_000, "md5:6172c7755cfe09b2fe270c85cebc1b15"),
    Member("test.bin", 30_740_000, "md5:4499cfba6c016c1be1438163640a0898"),
)


def _gzipped(table: str, addresses: tuple[str, ...]) -> tuple[Download, ...]:
    rows = (line.split() for line in table.strip().splitlines())
    return tuple(
        Download(
            tuple(f"{address}{name}.gz" for address in addresses),
            f"md5:{packed}",
            (Member(name, int(size), f"sha256:{unpacked}"),),
        )
        for name, size, packed, unpacked in rows
    )


def _archive(name: str, checksum: str, members: tuple[Member, ...], folder: str) -> tuple[Download, ...]:
    return (Download(tuple(address + name for address in _CIFAR), checksum, members, folder),)


SOURCES: dict[str, tuple[Download, ...]] = {
    "mnist": _gzipped(_MNIST_FILES, _MNIST),
    "fashion-mnist": _gzipped(_FASHION_FILES, _FASHION),
    "cifar10": _archive(
        "cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530", _CIFAR10_MEMBERS, "cifar-10-batches-bin"
    ),
    "cifar100": _archive(
        "cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8", _CIFAR100_MEMBERS, "cifar-100-binary"
    ),
}
