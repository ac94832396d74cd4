"""What is compared: a file that a library runs, and the libraries there are."""

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit import __version__
from firebit.errors import DataError, UsageError

OWN = "firebit"
FLOAT = "float"
INT8 = "int8"

ONNX_INPUT = "pictures"
"""The input of ONNX files, float32."""

BATCH = "batch"
"""Its first dimension."""


@dataclass(frozen=True)
class Peer:
    """A library that runs networks.

    Attributes:
        module: import path of the module that makes it run, with two functions, and a third where it has `quantizers`:

            - ``prepare(pictures)``: what :func:`load`'s result takes, of pixels uint8 (N, C, H, W); not timed;
            - ``load(file, threads, batch)``: a function from that to logits (N, classes), N = batch; it is what is
              timed, with whatever it costs to call it;
            - ``quantize(onnx, target, pictures)``: writes a file of 8-bit integers, calibrated on pixels.
        suffix: of the files it runs.
        libraries: import names of what it needs to run.
        quantizers: import names of what it needs besides to make its file of 8-bit integers.
        variables: of the environment it runs in, set before it is imported.
    """

    module: str
    suffix: str
    libraries: tuple[str, ...] = ()
    quantizers: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether it can run here."""
        return all(find_spec(name) for name in self.libraries)

    @property
    def is_quantizer(self) -> bool:
        """Whether it can run here and make files of 8-bit integers."""
        return bool(self.quantizers) and self.is_installed and all(find_spec(name) for name in self.quantizers)

    @property
    def version(self) -> str:
        """Versions of what is installed of it, such as "1.32.0"."""
        found = [metadata.version(name) for name in self.libraries]
        return ", ".join(found) or __version__


PEERS: dict[str, Peer] = {
    OWN: Peer("firebit.engine.bench.own", ".firebit"),
    "onnxruntime": Peer("firebit.engine.bench.onnxruntime", ".onnx", ("onnxruntime",), ("onnx",)),
    "openvino": Peer("firebit.engine.bench.openvino", ".xml", ("openvino",), ("nncf",)),
    # It lies left of the wall; only the process that runs it imports it.
    "torch": Peer("firebit.train.eager", ".safetensors", ("torch",)),
}
"""Libraries by name; Firebit itself is the first."""


@dataclass(frozen=True)
class Contender:
    """A file that a library runs.

    Attributes:
        peer: the library, a key of :data:`PEERS`.
        precision: "exact" or "fast" of a compiled network, else "float" or "int8".
        network: what the network is called: of a run, its name.
        file: what is loaded.
        architecture: of the network; two networks with the same text have the same layers. None: not known.
        beside: other files that belong to it.
    """

    peer: str
    precision: str
    network: str
    file: Path
    architecture: str | None = None
    beside: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Such as "onnxruntime int8"."""
        return f"{self.peer} {self.precision}"

    @property
    def is_own(self) -> bool:
        """Whether Firebit runs it."""
        return self.peer == OWN

    @property
    def file_bytes(self) -> int:
        """Size of its files."""
        return sum(path.stat().st_size for path in (self.file, *self.beside))

    def rivals(self, other: "Contender") -> bool:
        """Whether the other is a peer's file of the same architecture, as far as architectures are known."""
        known = (self.architecture, other.architecture)
        return not other.is_own and (None in known or known[0] == known[1])


@dataclass(frozen=True, eq=False)
class Pictures:
    """What contenders are measured on.

    Attributes:
        images: uint8 (N, *shape), N ≥ 1.
        labels: int64 (N,), or None: speed is all that can be measured.
        name: of the data set.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    name: str

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim not in (2, 4) or not self.images.size:
            raise DataError(
                f"{self.name}: images of dtype {self.images.dtype} and shape {self.images.shape}.",
                "Give uint8 pictures (N, C, H, W) or vectors (N, F), N at least 1.",
            )
        if self.labels is not None and self.labels.shape != (len(self.images),):
            raise DataError(f"{self.name}: {len(self.images)} pictures and {len(self.labels)} labels.", "Give as many.")

    def __len__(self) -> int:
        return len(self.images)

    def cycled(self, count: int) -> NDArray[np.uint8]:
        """Just so many pictures: the first ones, again from the start where there are fewer."""
        return self.images[np.arange(count) % len(self.images)]


def check_peers(names: tuple[str, ...]) -> None:
    """See that peers are known and installed.

    Raises:
        UsageError: one is not.
    """
    others = [name for name in PEERS if name != OWN]
    for name in names:
        if name not in others:
            raise UsageError(f"There is no peer {name!r}.", f"Choose among: {', '.join(others)}.")
        if not PEERS[name].is_installed:
            missing = ", ".join(library for library in PEERS[name].libraries if not find_spec(library))
            raise UsageError(
                f"The peer {name} needs {missing}, which is not installed.", "pip install 'firebit[peers]'"
            )


def installed_peers() -> tuple[str, ...]:
    """Names of the peers that can run here."""
    return tuple(name for name, peer in PEERS.items() if name != OWN and peer.is_installed)
