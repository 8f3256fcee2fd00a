"""Targets mix judgments with what teachers make of candidates."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.subgraph import build_subgraphs
from graphlift.training.ranking import RankingObjective
from graphlift.training.teachers import SHARE, taught


@pytest.fixture
def subgraphs(make_space):
    space = make_space()
    frozen, lifted = (space.similarity.finish(torch.randn(4, 5)) for _ in range(2))
    walk, past = (torch.stack([torch.randperm(n)[:k] for _ in range(4)]) for n, k in ((23, 7), (11, 5)))
    return build_subgraphs(space, frozen, lifted, walk, past, num_recalled=6, num_past_nodes=3)


@pytest.fixture
def relevance(subgraphs):
    grades = torch.zeros_like(subgraphs.similarity)
    grades[0, 1], grades[1, 0], grades[1, 3] = 2.0, 1.0, 3.0  # nothing answers the other two
    return grades


def teacher(subgraphs):
    ranker = SubgraphRanker(hidden_channels=8, heads=2).eval()
    ranker.fit_norms(subgraphs)
    for parameter in ranker.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return ranker


def test_shares_of_judgments_and_of_the_mean_teacher(subgraphs, relevance):
    teachers = [teacher(subgraphs) for _ in range(3)]
    targets = taught(teachers, subgraphs, relevance)
    with torch.inference_mode():
        mean = sum(one(subgraphs) for one in teachers) / 3
    for query in (0, 1):
        real = subgraphs.mask[query]
        expected = SHARE * mean[query, real].softmax(0) + (1 - SHARE) * relevance[query, real] / relevance[query].sum()
        assert_close(targets[query, real], expected)
        assert not targets[query, ~real].any()
    assert_close(targets[:2].sum(dim=1), torch.ones(2))
    assert not targets[2:].any()  # nobody knows what would have answered


def test_without_teachers_judgments_alone_count(subgraphs, relevance):
    assert taught([], subgraphs, relevance) is relevance
    assert len(taught([teacher(subgraphs)], subgraphs[:0], relevance[:0])) == 0


def test_an_objective_learns_its_targets(subgraphs, relevance):
    ranker = teacher(subgraphs)
    targets = taught([teacher(subgraphs)], subgraphs, relevance)
    objective = RankingObjective(ranker, subgraphs, relevance, targets=targets, measured=True)
    assert len(objective) == 2  # queries without an answer among their candidates teach nothing
    with torch.no_grad():
        loss = objective.loss(torch.arange(2), torch.Generator())
        scores = ranker(subgraphs[:2]).masked_fill(~subgraphs.mask[:2], -1e30).log_softmax(dim=1)
    assert_close(loss, -(targets[:2] * scores).sum(dim=1).mean())
