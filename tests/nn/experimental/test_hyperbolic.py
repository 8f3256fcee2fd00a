"""The hyperbolic layer computes what its formula says, with geoopt's parts, and is a mean where space is flat."""

import pytest
import torch
from geoopt.manifolds.stereographic import math as geoopt
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.nn.experimental.hyperbolic import HyperbolicConv


def test_equals_a_loop_over_geoopts_parts(make_table):
    conv, table, x = (
        HyperbolicConv(5, 4, curvature=0.6, edge_dim=2).double(),
        make_table(7, 3),
        torch.randn(7, 5).double(),
    )
    torch.nn.init.normal_(conv.bias)
    weight, attr, k = torch.rand(7, 3).double(), torch.randn(7, 3, 2).double(), torch.tensor(-0.6).double()
    bias = geoopt.expmap0(conv.bias, k=k)
    points = [geoopt.mobius_add(geoopt.expmap0(conv.lin.weight @ v, k=k), bias, k=k) for v in x]
    for node in range(7):
        heard, alpha = [points[node]], [torch.tensor(1.0).double()]
        for slot, other in enumerate(table.ids[node].tolist()):
            if other >= 0:
                score = (conv.lin_edge.weight @ attr[node, slot]).squeeze() - geoopt.dist(
                    points[node], points[other], k=k
                )
                heard.append(points[other])
                alpha.append(weight[node, slot] * score.exp())
        mid = geoopt.weighted_midpoint(torch.stack(heard), torch.stack(alpha), k=k, reducedim=[0])
        assert_close(conv(x, table, weight, attr)[node], geoopt.logmap0(mid, k=k), rtol=1e-6, atol=1e-6)


def test_flat_is_a_weighted_mean(make_table):
    conv, table, x, weight = HyperbolicConv(5, 4, curvature=1e-9), make_table(7, 3), torch.randn(7, 5), torch.rand(7, 3)
    with torch.no_grad():
        conv.log_sharpness.fill_(-30.0)  # attention that does not care for distance
        conv.bias.normal_()
    points = x @ conv.lin.weight.T + conv.bias
    weight = weight * table.mask
    total = points + (weight.unsqueeze(2) * points[table.ids]).sum(dim=1)
    assert_close(conv(x, table, weight), total / (1 + weight.sum(dim=1, keepdim=True)))


def test_inputs_far_out_stay_finite(make_table):
    conv, x = HyperbolicConv(5, 4, curvature=4.0), (1e4 * torch.randn(7, 5)).requires_grad_()
    out = conv(x, make_table(7, 3))
    out.square().sum().backward()
    assert out.isfinite().all()
    assert all(p.grad.isfinite().all() for p in (x, *conv.parameters()))


def test_what_an_empty_slot_carries_does_not_matter(make_table):
    conv, x, table, attr = HyperbolicConv(5, 4, edge_dim=2), torch.randn(7, 5), make_table(7, 3), torch.randn(7, 3, 2)
    loud = torch.where(table.mask.unsqueeze(2), attr, 1e4 * conv.lin_edge.weight.detach().sign())
    assert_close(conv(x, table, None, loud), conv(x, table, None, attr))


def test_curvature_must_be_positive():
    with pytest.raises(InputError, match="`curvature`"):
        HyperbolicConv(5, 4, curvature=0.0)
