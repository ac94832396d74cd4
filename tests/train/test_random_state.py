"""Random states return, also where another kind of device left more."""

import torch

from firebit.train.random_state import get_random_state, put_random_state

CPU = torch.device("cpu")


def test_numbers_go_on_where_they_were() -> None:
    torch.manual_seed(5)
    state = get_random_state(CPU)
    expected = torch.rand(3)
    torch.rand(100)
    put_random_state(state, CPU)
    assert torch.equal(torch.rand(3), expected)


def test_what_a_gpu_left_behind_it_is_left_out() -> None:
    torch.manual_seed(5)
    state = torch.cat([get_random_state(CPU), torch.zeros(16, dtype=torch.uint8)])
    expected = torch.rand(3)
    put_random_state(state, CPU)
    assert torch.equal(torch.rand(3), expected)


def test_a_state_that_is_a_row_of_many_is_its_own() -> None:
    states = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        states.append(get_random_state(CPU))
    expected = torch.rand(3)
    put_random_state(torch.stack(states)[1], CPU)
    assert torch.equal(torch.rand(3), expected)
