"""The gate against the paper's formula, number by number."""

import math

import torch
from torch.testing import assert_close

from graphlift.nn import GatedUpdate


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def naive(update, x, h):
    """One row: z and r gate, the candidate is a tanh, the next state lies between."""
    channels = len(h)
    w_z, w_r, w_h = (part.tolist() for part in update.lin_input.weight.split(channels))
    b_z, b_r, b_h = (part.tolist() for part in update.lin_input.bias.split(channels))
    u_z, u_r = (part.tolist() for part in update.lin_gates.weight.split(channels))
    c_z, c_r = (part.tolist() for part in update.lin_gates.bias.split(channels))
    u_h, c_h = update.lin_state.weight.tolist(), update.lin_state.bias.tolist()

    def dot(row, vector):
        return sum(a * b for a, b in zip(row, vector, strict=True))

    z = [sigmoid(dot(w_z[i], x) + b_z[i] + dot(u_z[i], h) + c_z[i]) for i in range(channels)]
    r = [sigmoid(dot(w_r[i], x) + b_r[i] + dot(u_r[i], h) + c_r[i]) for i in range(channels)]
    reset = [r[i] * h[i] for i in range(channels)]
    candidate = [math.tanh(dot(w_h[i], x) + b_h[i] + dot(u_h[i], reset) + c_h[i]) for i in range(channels)]
    return [(1 - z[i]) * h[i] + z[i] * candidate[i] for i in range(channels)]


def test_equals_the_formula():
    update = GatedUpdate(5).double()
    x, state = torch.randn(2, 7, 5, dtype=torch.float64)
    expected = [naive(update, *row) for row in zip(x.tolist(), state.tolist(), strict=True)]
    assert_close(update(x, state), torch.tensor(expected, dtype=torch.float64))


def test_any_number_of_leading_axes():
    update, (x, state) = GatedUpdate(5), torch.randn(2, 3, 7, 5)
    assert_close(update(x, state).flatten(0, 1), update(x.flatten(0, 1), state.flatten(0, 1)))


def test_a_shut_gate_keeps_the_state_and_an_open_one_forgets_it():
    update, (x, state) = GatedUpdate(3), torch.randn(2, 7, 3)
    with torch.no_grad():
        update.lin_gates.bias[:3] = -1e4
        assert torch.equal(update(x, state), state)
        update.lin_gates.bias[:3] = 1e4
    assert update(x, state).abs().max() <= 1


def test_gradcheck():
    update = GatedUpdate(3).double()
    inputs = tuple(torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(update, inputs)
