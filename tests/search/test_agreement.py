"""The exponent is the likeliest one, and feedback counts for others as far as near queries agree."""

import math

import pytest
import torch

from graphlift.search.agreement import APART, EXPONENTS, PRIOR_AGREES, PRIOR_NEAR, agreement_exponent


def pairs_of(near, held):
    """Nearness and agreement of all pairs that count, by loops."""
    found = [(PRIOR_NEAR, PRIOR_AGREES)]
    for i in range(len(near)):
        for j in range(i):
            if near[i, j] > APART and held[:, i].any() and held[:, j].any():
                found.append((min(float(near[i, j]), 0.999), float((held[:, i] & held[:, j]).any())))
    return found


def test_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    near = torch.rand(20, 6, 6, generator=generator)
    near = (near + near.mT) / 2
    held = torch.rand(20, 9, 6, generator=generator) < 0.15
    expected = []
    for one, named in zip(near, held, strict=True):
        likelihood = {
            g: sum(a * g * math.log(e) + (1 - a) * math.log(1 - e**g) for e, a in pairs_of(one, named))
            for g in EXPONENTS
        }
        expected.append(max(likelihood, key=lambda g: likelihood[g]))
    assert len(set(expected)) > 2
    assert agreement_exponent(near, held).tolist() == expected


@pytest.mark.parametrize("held", [torch.zeros(1, 5, 3), torch.zeros(1, 0, 3), torch.ones(1, 5, 1)])
def test_where_no_pair_says_anything_it_is_two(held):
    near = torch.ones(1, held.shape[2], held.shape[2])
    assert agreement_exponent(near, held).tolist() == [2.0]


def test_order_of_past_queries_does_not_count():
    near, held = torch.rand(3, 8, 8), torch.rand(3, 5, 8) < 0.3
    near, order = (near + near.mT) / 2, torch.randperm(8)
    mixed = agreement_exponent(near[:, order][:, :, order], held[:, :, order])
    assert torch.equal(mixed, agreement_exponent(near, held))


def test_the_more_near_queries_agree_the_more_they_count():
    near = torch.full((5, 10, 10), 0.6)
    held = torch.eye(10).bool().repeat(5, 1, 1)
    for number in range(5):
        held[number, : 2 * number + 1] |= held[number, :1] | (torch.arange(10) < 2 * number)
    found = agreement_exponent(near, held)
    assert (found.diff() <= 0).all()
    assert found[0] > found[-1]
