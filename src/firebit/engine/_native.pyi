from collections.abc import Sequence

from numpy import float64, int8, int16, int32, int64, uint8
from numpy.typing import NDArray

class Pool: ...
class Term: ...
class Layer: ...

class Engine:
    def __init__(
        self,
        instruction_set: str,
        threads: int,
        shape: Sequence[int],
        pad: NDArray[uint8],
        layers: list[Layer],
    ) -> None: ...
    def logits(self, pictures: NDArray[uint8], out: NDArray[float64]) -> None: ...
    def bits(self, pictures: NDArray[uint8], layer: int, out: NDArray[uint8]) -> None: ...
    def codes(self, pictures: NDArray[uint8], layer: int, out: NDArray[uint8]) -> None: ...
    def sums(self, pictures: NDArray[uint8], layer: int, out: NDArray[int32]) -> None: ...
    def methods(self) -> list[list[str]]: ...
    @property
    def threads(self) -> int: ...
    @property
    def value_bytes(self) -> int: ...

def hamming(a: NDArray[uint8], b: NDArray[uint8], out: NDArray[int32], instruction_set: str) -> None: ...
def nearest(
    queries: NDArray[uint8],
    codes: NDArray[uint8],
    ranks: NDArray[int64],
    limit: int,
    distances: NDArray[int32],
    found: NDArray[int64],
    instruction_set: str,
) -> None: ...
def nearest_in_lists(
    queries: NDArray[uint8],
    codes: NDArray[uint8],
    ranks: NDArray[int64],
    offsets: NDArray[int64],
    lists: NDArray[int64],
    limit: int,
    distances: NDArray[int32],
    found: NDArray[int64],
    instruction_set: str,
) -> None: ...
def row_sizes(values: NDArray[int8] | NDArray[int16], out: NDArray[int64]) -> None: ...
def instruction_sets() -> list[str]: ...
def cpu_features() -> list[str]: ...
def pool(kind: str, sizes: Sequence[int], factors: NDArray[int32]) -> Pool: ...
def shortcut(source: int, coefficients: NDArray[int32], pool: Pool | None) -> Term: ...
def weighted(
    source: int,
    weights: NDArray[int16] | NDArray[int8],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    pool: Pool | None,
    multipliers: NDArray[int32],
    chunk: int,
) -> Term: ...
def layer(
    terms: list[Term],
    thresholds: NDArray[int32],
    directions: NDArray[int8],
    windows: NDArray[int32],
    post: Pool | None,
    largest: int,
) -> Layer: ...
def logits(terms: list[Term], scale: float, bias: NDArray[float64]) -> Layer: ...
