"""One Euler step is the layer itself; tolerances bound the error; both ways to a gradient agree."""

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.nn.experimental.ode import OdeConv

SILENT = "conv.lin_key.bias"
"""It cancels in the softmax."""


def build(**options):
    torch.manual_seed(3)
    return OdeConv(5, 6, heads=2, **options).double()


def test_an_euler_step_of_one_is_the_layer(make_table):
    conv, x, table, weight = (
        build(method="euler", step=1.0),
        torch.randn(7, 5).double(),
        make_table(7, 3),
        torch.rand(7, 3),
    )
    assert_close(conv(x, table, weight.double()), conv.conv(conv.lin_in(x), table, weight.double()))


def test_three_euler_steps_are_a_stack_that_shares_its_weights(make_table):
    conv, x, table = build(method="euler", step=1.0, depth=3.0), torch.randn(7, 5).double(), make_table(7, 3)
    state = conv.lin_in(x)
    for _ in range(3):
        state = conv.conv(state, table)
    assert_close(conv(x, table), state)


@torch.no_grad()
def test_a_smaller_tolerance_makes_a_smaller_error(make_table):
    x, table, tolerances = torch.randn(7, 5).double(), make_table(7, 3), (1e-2, 1e-4, 1e-6)  # of one step
    exact = build(tolerance=1e-9)(x, table)
    errors = [float((build(tolerance=t)(x, table) - exact).abs().max()) for t in tolerances]
    assert all(smaller < larger / 5 for larger, smaller in pairwise(errors))
    assert all(error < 100 * t for error, t in zip(errors, tolerances, strict=True))


@torch.no_grad()
def test_the_order_of_a_fixed_solver(make_table):
    """Half the step divides the error of rk4 by 16, and that of Euler by 2."""
    x, table = torch.randn(7, 5).double(), make_table(7, 3)
    exact = build(method="rk4", step=1 / 64)(x, table)
    for method, factor in [("euler", 2), ("rk4", 16)]:
        coarse, fine = (float((build(method=method, step=s)(x, table) - exact).norm()) for s in (1 / 8, 1 / 16))
        assert coarse / fine == pytest.approx(factor, rel=0.3)


@pytest.mark.parametrize("pair", [False, True], ids=["plain", "pair"])
def test_gradients_of_the_adjoint_are_those_of_backpropagation(pair, make_table):
    table, weight = make_table(7, 3, 9 if pair else None), torch.rand(7, 3).double()
    found = []
    for adjoint in (False, True):
        conv = build(tolerance=1e-7, adjoint=adjoint)
        x, sources, w = (
            torch.randn(7, 5, generator=torch.Generator().manual_seed(1)),
            torch.ones(9, 5).cumsum(0),
            weight,
        )
        x, sources, w = (part.clone().double().requires_grad_() for part in (x, sources, w))
        conv((sources, x) if pair else x, table, w).square().sum().backward()
        found.append(
            [
                x.grad,
                w.grad,
                *(p.grad for name, p in conv.named_parameters() if name != SILENT),
                *([sources.grad] if pair else []),
            ]
        )
    for direct, solved in zip(*found, strict=True):
        assert_close(solved, direct, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("argument", ["depth", "tolerance", "step"])
def test_bad_arguments(argument):
    with pytest.raises(InputError, match=f"`{argument}`"):
        OdeConv(5, 6, heads=2, **{argument: 0})
