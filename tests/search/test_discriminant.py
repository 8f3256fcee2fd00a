"""The boundary is that of two normal distributions, whatever the axes, and counts all kinds the same."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.search.discriminant import discriminant, told


def kinds(count=3, channels=6, each=200):
    mixing = torch.randn(channels, channels)
    means = 3 * torch.randn(count, channels)
    kind = torch.arange(count).repeat_interleave(each)
    return (means[kind] + torch.randn(len(kind), channels)) @ mixing, kind


def test_kinds_of_one_spread_are_told_apart():
    x, kind = kinds()
    assert (told(discriminant(x, kind, 3), x) == kind).float().mean() > 0.95


def test_it_is_the_likeliest_of_normal_distributions():
    x, kind = kinds(2, 4, 2000)
    boundary = discriminant(x, kind, 2)
    mean = torch.stack([x[kind == number].mean(dim=0) for number in range(2)])
    covariance = torch.stack([x[kind == number].T.cov() for number in range(2)]).mean(dim=0)
    normal = [torch.distributions.MultivariateNormal(center, covariance) for center in mean]
    likeliest = torch.stack([each.log_prob(x) for each in normal], dim=1).argmax(dim=1)
    assert (told(boundary, x) == likeliest).float().mean() > 0.99


@pytest.mark.parametrize("often", [1, 30])
def test_few_of_a_kind_count_as_much_as_many(often):
    x, kind = kinds(2)
    again = torch.cat([torch.arange(len(x)), (kind == 1).nonzero().flatten().repeat(often - 1)])
    assert_close(discriminant(x[again], kind[again], 2), discriminant(x, kind, 2), rtol=1e-3, atol=1e-3)


def test_a_kind_that_nobody_is_of_never_wins():
    x, kind = kinds(2)
    boundary = discriminant(x, 2 * kind, 4)
    assert set(told(boundary, 100 * torch.randn(500, 6)).tolist()) == {0, 2}


def test_documents_all_alike_give_a_boundary():
    assert discriminant(torch.ones(4, 3), torch.tensor([0, 0, 1, 1]), 2).isfinite().all()
    assert discriminant(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]), 2).isfinite().all()
