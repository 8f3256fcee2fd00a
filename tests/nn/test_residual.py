"""A residual map is born as identity and learns from there."""

import pytest
import torch

from graphlift.nn import ResidualLinear


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_identity_at_birth(shape):
    x = torch.randn(shape)
    assert torch.equal(ResidualLinear(5)(x), x)


def test_equals_its_formula():
    conv, x = ResidualLinear(5), torch.randn(3, 5)
    weight, bias = torch.randn(5, 5), torch.randn(5)
    conv.load_state_dict({"lin.weight": weight, "lin.bias": bias})
    torch.testing.assert_close(conv(x), x + x @ weight.T + bias)


def test_learns_from_the_first_step():
    conv = ResidualLinear(5)
    conv(torch.randn(3, 5)).square().sum().backward()
    assert all(parameter.grad.abs().min() > 0 for parameter in conv.parameters())
