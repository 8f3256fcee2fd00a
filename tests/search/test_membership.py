"""Memberships equal a root found numerically, become the hard set as the temperature falls, and have true gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch.testing import assert_close

from graphlift.search.membership import dftopk, lapsum

BOTH = pytest.mark.parametrize("membership", [lapsum, dftopk])


@given(seed=st.integers(0, 999), k=st.integers(1, 8), temperature=st.sampled_from([0.003, 0.1, 1.0, 30.0]))
def test_lapsum_equals_a_root_of_torchs_laplace(seed, k, temperature):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, 9, generator=generator, dtype=torch.float64)
    scores[2] = scores[2].round()  # ties
    unit = torch.distributions.Laplace(torch.tensor(0.0, dtype=torch.float64), 1.0)
    found = lapsum(scores, k, temperature)
    for row, memberships in zip(scores, found, strict=True):
        low, high = float(row.min()) - 50 * temperature, float(row.max()) + 50 * temperature
        root = brentq(lambda b, row=row: float(unit.cdf((row - b) / temperature).sum()) - k, low, high, xtol=1e-15)
        assert_close(memberships, unit.cdf((row - root) / temperature), atol=1e-7, rtol=0)


@given(seed=st.integers(0, 999), k=st.integers(1, 10), temperature=st.sampled_from([1e-4, 0.1, 3.0]))
def test_lapsum_sums_to_k(seed, k, temperature):
    generator = torch.Generator().manual_seed(seed)
    scores, mask = torch.randn(5, 9, generator=generator), torch.rand(5, 9, generator=generator) < 0.6
    memberships = lapsum(scores, k, temperature, mask)
    assert_close(memberships.sum(dim=1), mask.sum(dim=1).clamp(max=k).float())
    assert ((memberships >= 0) & (memberships <= 1)).all()
    assert not memberships[~mask].any()


def test_dftopk_equals_its_formula():
    scores = torch.randn(5, 9)
    ordered = scores.sort(dim=1, descending=True).values
    middle = (ordered[:, 2] + ordered[:, 3]).unsqueeze(1) / 2
    assert_close(dftopk(scores, 3, 0.4), 1 / (1 + ((middle - scores) / 0.4).exp()))


@BOTH
def test_cold_is_the_hard_set(membership):
    scores = torch.randn(5, 9)
    hard = torch.zeros(5, 9).scatter(1, scores.topk(3).indices, 1.0)
    for temperature in (1e-3, 1e-6, 1e-30):
        assert_close(membership(scores, 3, temperature), hard)


def test_hot_is_even():
    scores = torch.randn(5, 9)
    assert_close(lapsum(scores, 3, 1e6), torch.full((5, 9), 3 / 9))
    assert_close(dftopk(scores, 3, 1e6), torch.full((5, 9), 1 / 2))


@BOTH
def test_where_the_scores_lie_does_not_matter(membership):
    scores = (torch.randn(5, 9) * 64).round() / 64  # so that adding 512 loses no digit
    assert_close(membership(scores + 512, 3, 0.1), membership(scores, 3, 0.1), atol=1e-6, rtol=0)


@BOTH
def test_membership_follows_the_order_of_scores(membership):
    scores = torch.randn(5, 9).sort(dim=1, descending=True).values
    assert (membership(scores, 4, 0.5).diff(dim=1) < 0).all()


@BOTH
def test_masked_candidates_might_as_well_not_be_there(membership):
    scores, mask = torch.randn(1, 9), torch.tensor([[1, 0, 1, 1, 0, 1, 0, 1, 1]], dtype=torch.bool)
    assert_close(membership(scores, 3, 0.2, mask)[:, mask[0]], membership(scores[:, mask[0]], 3, 0.2))


@BOTH
def test_gradcheck(membership):
    scores = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(4, 7, dtype=torch.bool)
    mask[0, :3], mask[1, :5], mask[2] = False, False, False
    for k in (1, 3, 6):
        assert torch.autograd.gradcheck(lambda s, t, k=k: membership(s, k, t), (scores, temperature))
        assert torch.autograd.gradcheck(lambda s, t, k=k: membership(s, k, t, mask), (scores, temperature))


def test_raising_one_score_lowers_the_others_by_as_much():
    scores = torch.randn(1, 7, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda s: lapsum(s, 3, 0.5)[0], scores)[:, 0]
    assert_close(jacobian.sum(dim=0), torch.zeros(7, dtype=torch.float64), atol=1e-12, rtol=0)
    off = jacobian[~torch.eye(7, dtype=torch.bool)]
    assert (off < 0).all()
    assert (jacobian.diagonal() > 0).all()


@BOTH
def test_gradients_are_finite_at_any_temperature(membership):
    mask = torch.tensor([[True] * 5, [True, True, False, False, False], [False] * 5])
    for temperature in (1e-6, 1e-2, 1e4):
        scores, t = torch.randn(3, 5, requires_grad=True), torch.tensor(temperature, requires_grad=True)
        membership(scores, 2, t, mask).square().sum().backward()
        assert scores.grad.isfinite().all()
        assert t.grad.isfinite()
        assert not scores.grad[~mask].any()
