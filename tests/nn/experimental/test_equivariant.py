"""Turning, mirroring and shifting the positions moves the outputs alike; and the layer is its formula."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.nn.experimental.equivariant import EquivariantConv


@pytest.fixture
def conv():
    conv = EquivariantConv(5, 7, coordinates=3, edge_dim=2)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.normal_(std=0.5)
    return conv


def moved(x, rotation, shift):
    """The same features at other positions."""
    return torch.cat([x[:, :-3], x[:, -3:] @ rotation.T + shift], dim=1)


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
def test_outputs_follow(conv, sign, make_table):
    table, x, weight, attr = make_table(7, 3), torch.randn(7, 5), torch.rand(7, 3), torch.randn(7, 3, 2)
    rotation = torch.linalg.qr(torch.randn(3, 3)).Q
    rotation = rotation * sign * rotation.det()  # of determinant 1 or -1
    shift = torch.randn(3)
    out = conv(x, table, weight, attr)
    turned = conv(moved(x, rotation, shift), table, weight, attr)
    assert_close(turned, moved(out, rotation, shift), atol=1e-5, rtol=1e-5)
    assert (turned - out)[:, -3:].abs().max() > 0.1


def test_stretching_is_no_symmetry(conv, make_table):
    table, x, attr = make_table(7, 3), torch.randn(7, 5), torch.randn(7, 3, 2)
    out, wide = conv(x, table, None, attr), conv(moved(x, 2 * torch.eye(3), torch.zeros(3)), table, None, attr)
    assert (wide - out)[:, :-3].abs().max() > 0.01


def test_equals_a_loop_over_its_formula(conv, make_table):
    table, x, weight, attr = make_table(7, 3), torch.randn(7, 5), torch.rand(7, 3), torch.randn(7, 3, 2)
    first = torch.cat([conv.lin_target.weight, conv.lin_source.weight, conv.lin_pair.weight], dim=1)
    out = conv(x, table, weight, attr)
    for node in range(7):
        h, p = x[node, :2], x[node, 2:]
        total, move = torch.zeros(7), torch.zeros(3)
        for slot, other in enumerate(table.ids[node].tolist()):
            if other < 0:
                continue
            gap = p - x[other, 2:]
            z = torch.cat([h, x[other, :2], gap.square().sum().view(1), attr[node, slot]])
            hidden = torch.nn.functional.silu(first @ z + conv.lin_target.bias)
            message = torch.nn.functional.silu(conv.lin_message(hidden))
            total += weight[node, slot] * message
            move += weight[node, slot] * gap / (1 + gap.norm()) * conv.mlp_position(message)
        expected = torch.cat([conv.mlp_feature(torch.cat([h, total])), p + move / max(int(table.degree[node]), 1)])
        assert_close(out[node], expected)


def test_two_nodes_in_one_place_have_finite_gradients(conv, make_table):
    x = torch.randn(7, 5)
    x[:, -3:] = 1.0
    x.requires_grad_()
    conv(x, make_table(7, 3), None, torch.randn(7, 3, 2)).square().sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("coordinates", [0, 5])
def test_space_must_leave_a_feature(coordinates):
    with pytest.raises(InputError, match="`coordinates`"):
        EquivariantConv(5, 7, coordinates=coordinates)
