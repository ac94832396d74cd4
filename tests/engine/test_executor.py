"""What computes a plan: in every batch, on every thread, in every process, from whatever it is given."""

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.engine import native, reference
from firebit.engine.executor import NativeExecutor, ReferenceExecutor, executor
from firebit.engine.network import Network
from firebit.engine.plan import Plan
from firebit.errors import UsageError

BUILT = native.instruction_sets()[:-1]

needs_native = pytest.mark.skipif(not BUILT, reason="no native code is built")


def pictures(plan: Plan, count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *plan.input.shape), np.uint8)


@needs_native
@pytest.mark.parametrize("name", BUILT)
def test_batches_and_threads_change_nothing(name: str, plans: dict[str, Plan]) -> None:
    for plan in plans.values():
        seen, layer = pictures(plan, 41), plan.layers[-1].name
        expected = reference.states(plan, seen)
        *_, last = expected
        for threads in (1, 2, 5):
            found = NativeExecutor(plan, name, threads)
            for count in (0, 1, 2, 7, 41):
                assert np.array_equal(found.bits(seen[:count], layer), last.bits[:count])


@needs_native
def test_many_python_threads_at_once(plans: dict[str, Plan]) -> None:
    network, plan = Network(plans["conv"], 2), plans["conv"]
    seen = pictures(plan, 50)
    expected = reference.logits(plan, seen)
    results: list[bool] = []

    def ask() -> None:
        for _ in range(20):
            results.append(np.array_equal(network.logits(seen), expected))

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 160
    assert all(results)


@needs_native
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_in_child_processes(method: str, plans: dict[str, Plan]) -> None:
    """After a fork the parent's threads are gone: the child makes its own. A spawned child gets the network pickled."""
    context, plan = multiprocessing.get_context(method), plans["conv"]
    network, seen = Network(plan, 2), pictures(plan, 9)
    expected = network.logits(seen)
    assert np.array_equal(expected, reference.logits(plan, seen))
    with ProcessPoolExecutor(2, context) as children:
        found = [children.submit(network.logits, seen) for _ in range(2)]
        assert all(np.array_equal(each.result(60), expected) for each in found)
    assert np.array_equal(network.logits(seen), expected)


def test_threads_by_default_are_the_usable_cores(plans: dict[str, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if BUILT:
        assert Network(plans["conv"]).threads == usable
    monkeypatch.setenv("FIREBIT_ISA", "numpy")
    assert isinstance(executor(plans["conv"], 2), ReferenceExecutor)
    assert Network(plans["conv"], 2).threads == 1


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**70, 1.5, True, "2", np.float32(1)])
def test_what_is_no_number_of_threads_is_refused(threads: object, plans: dict[str, Plan]) -> None:
    with pytest.raises(UsageError, match="is not a number of threads"):
        Network(plans["conv"], threads)  # type: ignore[arg-type]


def test_an_unknown_instruction_set_is_refused(plans: dict[str, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREBIT_ISA", "mmx")
    with pytest.raises(UsageError, match="FIREBIT_ISA=mmx is not an instruction set"):
        Network(plans["conv"])


def test_pictures_in_any_layout_of_memory(plan: Plan) -> None:
    network, seen = Network(plan), pictures(plan, 6)
    expected = network.bits(seen[::-2])
    assert np.array_equal(network.bits(np.ascontiguousarray(seen[::-2])), expected)
    assert np.array_equal(network.bits(np.asfortranarray(seen[::-2])), expected)
    assert network.bits(seen[:0]).shape == (0, *network.units())
    buffer = np.zeros(seen.nbytes + 1, np.uint8)
    buffer[1:] = seen.ravel()
    assert np.array_equal(network.bits(buffer[1:].reshape(seen.shape)[::-2]), expected)


def test_a_network_can_be_pickled(plan: Plan) -> None:
    network, seen = Network(plan, 1), pictures(plan, 3)
    again = pickle.loads(pickle.dumps(network))
    assert again.threads == 1
    assert np.array_equal(again.bits(seen), network.bits(seen))


@needs_native
def test_the_native_engine_trusts_nobody(plans: dict[str, Plan]) -> None:
    engine = NativeExecutor(plans["residual"], BUILT[0], 1)._engine
    seen, units = pictures(plans["residual"], 2), np.empty((2, 3, 4, 4), np.uint8)
    wrong: list[tuple[object, ...]] = [
        (seen[:, :, :3], 0, units),
        (seen.astype(np.int8), 0, units),
        (seen[:, :, ::-1], 0, units),
        (seen, 2, units),
        (seen, -1, units),
        (seen, 0, units[:1]),
        (seen, 0, units.astype(np.int32)),
        (seen[0], 0, units),
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            engine.bits(*arguments)  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError)):
        engine.logits(seen, np.empty((2, 3)))


@needs_native
def test_native_records_that_do_not_fit_are_refused() -> None:
    module, nothing = native.module(), np.zeros(0, np.int32)
    geometry = ((1, 1), (0, 0, 0, 0), (1, 1))

    def engine(
        weights: tuple[int, ...] = (2, 1, 3, 3),
        source: int = 0,
        sizes: tuple[tuple[int, ...], ...] = geometry,
        groups: int = 1,
        channels: int = 2,
        pool: object = None,
        windows: NDArray[np.int32] = nothing,
        threads: int = 1,
    ) -> None:
        term = module.weighted(source, np.ones(weights, np.int16), *sizes, groups, pool, nothing, 0)
        step = np.zeros((1, channels), np.int32), np.ones(channels, np.int8)
        layer = module.layer([term], *step, windows, None, 1)
        module.Engine("portable", threads, (1, 4, 4), np.zeros(1, np.uint8), [layer])

    engine()
    huge = 2**62
    for wrong in (
        {"weights": (2, 1, 5, 3)},
        {"weights": (2, 2, 3, 3)},
        {"source": 1},
        {"sizes": ((0, 1), (0, 0, 0, 0), (1, 1))},
        {"sizes": ((1, 1), (0, 0, huge, 0), (1, 1))},
        {"sizes": ((1, 1), (0, 0, 0, 0), (huge, 1))},
        {"sizes": ((1, 1), (0, 0, 0), (1, 1))},
        {"groups": 0},
        {"groups": 2},
        {"channels": 3},
        {"pool": module.pool("max", (2, 2, 1, 1, 0, 0, 9, 9), nothing)},
        {"pool": module.pool("max", (2, 2, huge, 1, 0, 0, 3, 1), nothing)},
        {"windows": np.full(4, 1, np.int32)},
        {"threads": 0},
        {"threads": 10**9},
    ):
        with pytest.raises((ValueError, TypeError)):
            engine(**wrong)  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError)):
        module.Engine("portable", 1, (1, 4, 4), np.zeros(1, np.uint8), [])
    with pytest.raises((ValueError, TypeError)):
        module.pool("median", (1,) * 8, nothing)
