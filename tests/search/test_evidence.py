"""Evidence is 1 for the same query, 0 from the nearest document on, and draws scores only as far."""

import pytest
import torch
from torch.nn import functional as F

from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.search.evidence import evidence, lowered, nearness, nearness_among, raised


@pytest.mark.parametrize("metric", list(Metric))
def test_nearness_falls_from_the_same_query_to_the_nearest_document(metric):
    query, document = F.normalize(torch.randn(2, 7), dim=1)
    steps = torch.linspace(0, 1, 9).unsqueeze(1)
    past = F.normalize(query + steps * (document - query), dim=1)
    near = nearness(metric, query[None], past, document[None])[0]
    assert (near[0], near[-1]) == (pytest.approx(1), pytest.approx(0, abs=1e-6))
    assert (near.diff() <= 1e-6).all()
    assert nearness(metric, query[None], -query[None], document[None]).item() == 0


def test_length_does_not_count_under_inner_product():
    query, past, document = torch.randn(3, 5)
    near = nearness(Metric.INNER_PRODUCT, query[None], past[None], document[None])
    longer = nearness(Metric.INNER_PRODUCT, query[None], 3 * past[None], 9 * document[None])
    torch.testing.assert_close(near, longer)


@pytest.mark.parametrize("metric", list(Metric))
def test_past_queries_are_as_near_to_each_other_as_to_a_query_in_the_place_of_one(metric):
    past, document = F.normalize(torch.randn(2, 3, 7), dim=2), F.normalize(torch.randn(2, 7), dim=1)
    queries = past[:, 0]
    among = nearness_among(metric, queries, past, document)
    torch.testing.assert_close(among[:, 0], nearness(metric, queries, past, document), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(among, among.mT)


def test_far_from_the_origin_past_queries_are_as_near_as_there():
    past, document = 0.3 * torch.randn(1, 32, 16), 0.3 * torch.randn(1, 16)
    there = nearness_among(Metric.L2, past[:, 0], past, document)
    far = nearness_among(Metric.L2, past[:, 0] + 1000, past + 1000, document + 1000)
    torch.testing.assert_close(far, there, atol=0.01, rtol=0.01)


def test_a_query_that_is_a_document_listens_to_itself_only():
    query = torch.randn(1, 4)
    near = nearness(Metric.L2, query, torch.cat([query, query + 1e-3]), query)
    assert near.tolist() == [[1.0, 0.0]]


def test_evidence_equals_a_loop():
    memory = Memory.of(torch.randn(6, 3), [{int(r): 1.0 for r in torch.randperm(9)[:k]} for k in range(6)])
    past = torch.stack([torch.randperm(6)[:4] for _ in range(5)])
    near, rows = torch.rand(5, 4), torch.stack([torch.randperm(9)[:7] for _ in range(5)])
    expected = [
        [
            max(
                (float(near[b, i]) for i, p in enumerate(past[b].tolist()) if row in memory.answers(p).tolist()),
                default=0,
            )
            for row in rows[b].tolist()
        ]
        for b in range(5)
    ]
    held = memory.holds(past.unsqueeze(1), rows.unsqueeze(2))
    torch.testing.assert_close(evidence(near, held), torch.tensor(expected))


def test_full_evidence_wins_and_none_changes_nothing():
    scores, mask = torch.randn(3, 6), torch.ones(3, 6, dtype=torch.bool)
    mask[:, -1] = False
    said = torch.zeros(3, 6)
    assert torch.equal(raised(scores, mask, said), scores)
    said[:, 2] = 1
    assert (raised(scores, mask, said).masked_fill(~mask, -9).argmax(dim=1) == 2).all()
    assert (lowered(scores, mask, said).masked_fill(~mask, 9).argmin(dim=1) == 2).all()
