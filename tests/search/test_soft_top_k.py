"""Soft selection lies between the hard nearest neighbor and an even spread, with a gradient all the way."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.search import differentiable_search, soft_top_k
from graphlift.search.membership import dftopk, lapsum
from graphlift.search.soft_top_k import dftopk_top_k, lapsum_top_k

MEMBERSHIPS = pytest.mark.parametrize(("selection", "membership"), [(lapsum_top_k, lapsum), (dftopk_top_k, dftopk)])


@given(seed=st.integers(0, 999), k=st.integers(1, 9), temperature=st.sampled_from([0.01, 0.3, 5.0]))
def test_equals_the_formula(seed, k, temperature):
    scores = torch.randn(3, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = soft_top_k(scores, k, temperature)
    for row, weights, columns in zip(scores, found.weights, found.indices, strict=True):
        best = sorted(range(7), key=lambda i: -float(row[i]))[:k]
        assert columns.tolist() == best
        exps = ((row[best] - row.max()) / temperature).exp()
        assert_close(weights, exps / exps.sum())


@given(seed=st.integers(0, 999), k=st.integers(1, 9))
def test_weights_of_real_candidates_sum_to_one(seed, k):
    generator = torch.Generator().manual_seed(seed)
    scores, mask = torch.randn(5, 7, generator=generator), torch.rand(5, 7, generator=generator) < 0.5
    weights, columns = soft_top_k(scores, k, 0.2, mask)
    assert_close(weights.sum(dim=1), mask.any(dim=1).float())
    real = mask.gather(1, columns)
    assert not weights[~real].any()
    assert (weights[real] >= 0).all()
    assert torch.equal(real.sum(dim=1), mask.sum(dim=1).clamp(max=min(k, 7)))  # no real candidate is passed over


def test_masked_candidates_might_as_well_not_be_there():
    scores, mask = torch.randn(1, 7), torch.tensor([[True, False, True, True, False, True, False]])
    masked, cut = soft_top_k(scores, 3, 0.2, mask), soft_top_k(scores[:, mask[0]], 3, 0.2)
    assert_close(masked.weights, cut.weights)
    assert_close(scores.gather(1, masked.indices), scores[:, mask[0]].gather(1, cut.indices))


def test_cold_is_the_hard_nearest_neighbor():
    scores = torch.randn(5, 7)
    for temperature in (1e-2, 1e-4, 1e-30):
        weights, columns = soft_top_k(scores, 3, temperature)
        assert torch.equal(columns, scores.topk(3).indices)
    assert_close(weights, torch.tensor([[1.0, 0.0, 0.0]]).expand(5, -1))


def test_hot_is_an_even_spread():
    assert_close(soft_top_k(torch.randn(5, 7), 3, 1e8).weights, torch.full((5, 3), 1 / 3))


def test_weights_fall():
    assert (soft_top_k(torch.randn(5, 7), 5, 0.5).weights.diff(dim=1) <= 0).all()


def test_gradient_reaches_query_candidates_and_temperature():
    query, candidates = (torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (3, 7))
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def blend(query, candidates, temperature):
        weights, columns = differentiable_search(query, candidates, 4, temperature)
        return weights.unsqueeze(1) @ candidates[columns]

    assert torch.autograd.gradcheck(blend, (query, candidates, temperature))


def test_gradient_with_fewer_real_candidates_than_k():
    scores = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    temperature = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda s, t: soft_top_k(s, 4, t, mask).weights, (scores, temperature))
    soft_top_k(scores, 4, temperature, mask).weights.square().sum().backward()
    assert not scores.grad[~mask].any()
    assert temperature.grad.isfinite()
    assert temperature.grad != 0


def test_gradient_in_float32_stays_finite_where_candidates_are_masked():
    scores, temperature = torch.randn(1, 3, requires_grad=True), torch.tensor(0.01, requires_grad=True)
    soft_top_k(scores, 3, temperature, torch.tensor([[True, True, False]])).weights[0, 0].backward()
    assert scores.grad.isfinite().all()
    assert temperature.grad.isfinite()


def test_search_is_by_cosine():
    query, candidates = torch.randn(3, 5), torch.randn(7, 5)
    cosine = torch.cosine_similarity(query.unsqueeze(1), candidates.unsqueeze(0), dim=2)
    found, longer = (differentiable_search(query * size, candidates / size, 4, 0.3) for size in (1, 10))
    expected = soft_top_k(cosine, 4, 0.3)
    assert torch.equal(found.indices, expected.indices)
    assert_close(found.weights, expected.weights)
    assert_close(longer.weights, expected.weights)


@pytest.mark.parametrize(("k", "temperature", "name"), [(0, 1.0, "k"), (-1, 1.0, "k"), (3, 0, "temperature")])
def test_bad_arguments(k, temperature, name):
    with pytest.raises(InputError, match=f"`{name}`"):
        soft_top_k(torch.randn(2, 5), k, temperature)
    with pytest.raises(InputError, match="`temperature`"):
        soft_top_k(torch.randn(2, 5), 1, torch.tensor(-0.1))


@MEMBERSHIPS
def test_shares_of_membership(selection, membership):
    scores, mask = torch.randn(5, 9), torch.rand(5, 9) < 0.7
    found, all_of_them = selection(scores, 4, 0.3, mask), membership(scores, 4, 0.3, mask)
    kept = all_of_them.gather(1, found.indices)
    assert_close(found.weights, kept / kept.sum(dim=1, keepdim=True))
    assert torch.equal(found.indices, soft_top_k(scores, 4, 0.3, mask).indices)


@MEMBERSHIPS
def test_a_set_keeps_all_its_members_where_softmax_keeps_one(selection, membership):
    scores = torch.randn(5, 9)
    assert_close(selection(scores, 4, 1e-5, None).weights, torch.full((5, 4), 0.25))
    assert_close(soft_top_k(scores, 4, 1e-5).weights, torch.eye(4)[0].expand(5, -1))


@MEMBERSHIPS
def test_the_gradient_reaches_the_first_that_is_not_kept(selection, membership):
    scores = torch.randn(3, 9, requires_grad=True)
    weights, columns = selection(scores, 4, 0.5, None)
    weights.square().sum().backward()
    kept = torch.zeros(3, 9, dtype=torch.bool).scatter(1, columns, True)
    assert scores.grad[~kept].any()
    lost = torch.randn(3, 9, requires_grad=True)
    weights, columns = soft_top_k(lost, 4, 0.5)
    weights.square().sum().backward()
    assert not lost.grad[~torch.zeros(3, 9, dtype=torch.bool).scatter(1, columns, True)].any()


@MEMBERSHIPS
def test_memberships_without_candidates_weigh_nothing(selection, membership):
    weights = selection(torch.randn(1, 5), 3, 0.2, torch.zeros(1, 5, dtype=torch.bool)).weights
    assert not weights.any()


@MEMBERSHIPS
def test_bad_arguments_of_memberships(selection, membership):
    with pytest.raises(InputError, match="`k`"):
        selection(torch.randn(2, 5), 0, 1.0, None)
    with pytest.raises(InputError, match="`temperature`"):
        selection(torch.randn(2, 5), 1, 0.0, None)
