"""Signals become requests, and threads are given back."""

import signal
import threading

import pytest
import torch

from firebit.train.interrupt import signals, threads


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_the_second_an_end(number: int) -> None:
    before = signal.getsignal(number)
    with signals() as stop:
        assert stop.signal is None
        signal.raise_signal(number)
        assert stop.signal == number
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_beside_the_main_thread_signals_are_the_callers() -> None:
    found = []

    def run() -> None:
        with signals() as stop:
            found.append(stop.signal)

    worker = threading.Thread(target=run)
    worker.start()
    worker.join()
    assert found == [None]


def test_threads_are_given_back_also_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="x"), threads(before + 2):
        assert torch.get_num_threads() == before + 2
        raise ValueError("x")
    with threads(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before
