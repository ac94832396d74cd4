"""Compiled networks beside other libraries, in one interleaved run: how fast, how large, how accurate. No torch."""

from firebit.engine.bench.bench import Settings, bench
from firebit.engine.bench.contender import PEERS, Contender, Peer, Pictures
from firebit.engine.bench.record import Figures, Ratio, Record, Timing

__all__ = ["PEERS", "Contender", "Figures", "Peer", "Pictures", "Ratio", "Record", "Settings", "Timing", "bench"]
