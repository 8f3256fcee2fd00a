"""The ball's functions equal geoopt's, hold at the border, and become Euclid's as curvature falls."""

import pytest
import torch
from geoopt.manifolds import lorentz as geoopt_lorentz
from geoopt.manifolds.stereographic import math as geoopt
from torch.testing import assert_close

from graphlift import HnswIndex
from graphlift.metric import Metric
from graphlift.nn.experimental import ball

CURVATURES = [0.3, 1.0, 2.5]


def points(*shape, c, reach=3.0):
    tangent = torch.randn(*shape, dtype=torch.float64)
    return ball.expmap0(reach * torch.rand(*shape[:-1], 1, dtype=torch.float64) * tangent, c)


@pytest.mark.parametrize("c", CURVATURES)
def test_equals_geoopt(c):
    c = torch.tensor(c, dtype=torch.float64)
    v = torch.randn(7, 3, dtype=torch.float64)
    x, y, weight = points(7, 3, c=c, reach=1), points(7, 3, c=c, reach=1), torch.rand(7, dtype=torch.float64)
    assert_close(ball.expmap0(v, c), geoopt.expmap0(v, k=-c))
    assert_close(ball.logmap0(x, c), geoopt.logmap0(x, k=-c))
    assert_close(ball.mobius_add(x, y, c), geoopt.mobius_add(x, y, k=-c))
    assert_close(ball.dist(x, y, c), geoopt.dist(x, y, k=-c))
    assert_close(ball.midpoint(x, weight, c), geoopt.weighted_midpoint(x, weight, k=-c, reducedim=[0]))


def test_flat_is_euclid():
    v, w, weight = torch.randn(7, 3), torch.randn(7, 3), torch.rand(7)
    for c in (torch.tensor(0.0), torch.tensor(1e-9)):
        assert_close(ball.expmap0(v, c), v)
        assert_close(ball.logmap0(v, c), v)
        assert_close(ball.mobius_add(v, w, c), v + w)
        assert_close(ball.dist(v, w, c), 2 * (v - w).norm(dim=1))
        assert_close(ball.midpoint(v, weight, c), (weight / weight.sum()) @ v)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_border_is_never_reached(dtype):
    c = torch.tensor(1.0, dtype=dtype)
    far = torch.tensor([[1e3, 0], [30.0, -30.0], [0, 0], [1e-30, 0]], dtype=dtype, requires_grad=True)
    x = ball.expmap0(far, c)
    assert (x.norm(dim=1) < 1).all()
    moved = ball.mobius_add(x, x.flip(0), c)
    mid = ball.midpoint(x, torch.ones(4, dtype=dtype), c)
    everything = [moved, mid, ball.logmap0(x, c), ball.dist(x.unsqueeze(1), x, c), *ball.as_inner_product(x, c)]
    assert all(part.isfinite().all() for part in everything)
    sum(part.square().sum() for part in everything[:4]).backward()
    assert far.grad.isfinite().all()


def test_distance_keeps_its_digits_at_the_border():
    """Against the same distance with 60 digits: artanh of the Möbius difference saturates near 12 in float32."""
    mpmath = pytest.importorskip("mpmath")
    x, y = torch.tensor([1 - 2e-5, 0.0]), torch.tensor([-(1 - 3e-5), 1e-4])
    with mpmath.workdps(60):
        a, b = ([mpmath.mpf(v) for v in p.tolist()] for p in (x, y))
        gap, room_a, room_b = (
            sum((s - t) ** 2 for s, t in zip(a, b, strict=True)),
            *(1 - sum(s * s for s in p) for p in (a, b)),
        )
        expected = float(mpmath.acosh(1 + 2 * gap / (room_a * room_b)))
    assert expected > 20
    assert_close(float(ball.dist(x, y, torch.tensor(1.0))), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("c", CURVATURES)
def test_maps_undo_each_other(c):
    c, v = torch.tensor(c, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64)
    assert_close(ball.logmap0(ball.expmap0(v, c), c), v)
    assert_close(ball.dist(torch.zeros_like(v), ball.expmap0(v, c), c), 2 * v.norm(dim=1))


def test_a_translation_keeps_distances():
    c = torch.tensor(0.7, dtype=torch.float64)
    x, y, shift = (points(9, 4, c=c) for _ in range(3))
    assert_close(ball.dist(ball.mobius_add(shift, x, c), ball.mobius_add(shift, y, c), c), ball.dist(x, y, c))


def test_the_midpoint_moves_with_its_points():
    c = torch.tensor(1.0, dtype=torch.float64)
    x, weight, shift = points(5, 3, c=c), torch.rand(5, dtype=torch.float64), points(3, c=c)
    moved = ball.midpoint(ball.mobius_add(shift.expand(5, -1), x, c), weight, c)
    assert_close(moved, ball.mobius_add(shift, ball.midpoint(x, weight, c), c))


def test_gradcheck():
    c = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    v, w = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.rand(4, dtype=torch.float64, requires_grad=True)

    def all_of_it(v, w, weight, c):
        x, y = ball.expmap0(v, c), ball.expmap0(w, c)
        return ball.dist(x, y, c), ball.logmap0(ball.midpoint(ball.mobius_add(x, y, c), weight, c), c)

    assert torch.autograd.gradcheck(all_of_it, (v, w, weight, c))


@pytest.mark.parametrize("c", CURVATURES)
def test_inner_products_are_those_of_the_lorentz_model(c):
    c = torch.tensor(c, dtype=torch.float64)
    x, y = points(9, 4, c=c), points(7, 4, c=c)
    documents, queries = ball.as_inner_product(x, c)[0], ball.as_inner_product(y, c)[1]
    cosh = (c.sqrt() * ball.dist(y.unsqueeze(1), x, c)).cosh()
    assert_close(-(queries @ documents.T), cosh)
    lorentz = geoopt_lorentz.Lorentz(k=1.0)  # of curvature -1, whose points are ours times the root of c
    assert_close(lorentz.dist(documents[:7], queries * torch.tensor([-1.0, 1, 1, 1, 1])), cosh.diagonal().acosh())


def test_an_inner_product_index_searches_by_hyperbolic_distance():
    c = torch.tensor(1.0, dtype=torch.float64)
    x = points(1000, 4, c=c, reach=1.0)
    documents, queries = (part.float().numpy() for part in ball.as_inner_product(x, c))
    links = HnswIndex.build(x.float().numpy(), metric=Metric.L2)
    sizes = {"M": links.M, "ef_construction": links.ef_construction, "ef_search": 100}
    index = HnswIndex.from_graph(documents, links.graph, links.ids, Metric.INNER_PRODUCT, **sizes)
    truth = ball.dist(x[:50].unsqueeze(1), x, c).topk(5, largest=False).indices
    found, flat = (torch.from_numpy(i.search(q, k=5).ids) for i, q in ((index, queries[:50]), (links, x[:50].numpy())))
    recall, recall_flat = ((f.unsqueeze(2) == truth.unsqueeze(1)).any(2).double().mean() for f in (found, flat))
    assert recall > 0.99
    assert recall_flat < 0.8  # Euclidean neighbors are others
