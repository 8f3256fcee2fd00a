"""Kinds that a linear boundary tells apart keep what served them, all others go to the new maps and ranker."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.discriminant import discriminant
from graphlift.search.similarity import Similarity
from graphlift.training.turns import MAX_EARLIER, kinds_apart, share_turns, strays

CHANNELS, EACH = 12, 60


def around(center):
    """Vectors of one kind."""
    return 6 * torch.nn.functional.one_hot(torch.tensor(center), CHANNELS) + torch.randn(EACH, CHANNELS)


def models(count=1):
    config = ModelConfig(hidden_channels=4, heads=1, sketch_channels=4)
    made = [LiftModel(CHANNELS, Similarity(Metric.L2), config).eval() for _ in range(count)]
    for model in made:
        torch.nn.init.normal_(model.document_map.lin.weight)
        torch.nn.init.normal_(model.query_map.lin.weight)
    return made


def went_on(before, centers, answers):
    """Models after a fit went on to the last of some batches, each around a center, whose answers are around others."""
    queries = torch.cat([around(center) for center in centers])
    documents = torch.cat([around(center) for center in answers])
    learned = Memory.of(queries, [{row: 1.0} for row in range(len(queries))])
    batch = torch.arange(len(centers)).repeat_interleave(EACH)
    after = models(len(before))
    share_turns(before, after, documents, learned, batch, len(centers) - 1)
    return after, queries, documents, batch


def test_a_kind_of_its_own_keeps_its_maps_and_ranker():
    before = models(3)
    after, queries, documents, batch = went_on(before, [0, 1], [2, 3])
    for old, new in zip(before, after, strict=True):
        assert (new.turn_of_queries(queries) == batch).float().mean() > 0.98
        assert (new.turn_of_documents(documents) == batch).float().mean() > 0.98
        for name in ("query_map", "document_map", "ranker"):
            kept, was = (getattr(served, name).state_dict() for served in (new.earlier[0], old))
            assert all(torch.equal(kept[weight], was[weight]) for weight in was)


def test_queries_of_one_kind_go_to_the_new_one():
    (model,), queries, documents, _ = went_on(models(), [0, 0], [2, 3])
    assert not len(model.earlier)
    assert not model.turn_of_queries(queries).any()
    assert not model.turn_of_documents(documents).any()


def test_kinds_that_ask_for_the_same_documents_share_their_map():
    (model,), queries, documents, batch = went_on(models(), [0, 1], [2, 2])
    assert (model.turn_of_queries(queries) == batch).float().mean() > 0.98
    assert model.turn_of_documents(documents).unique().tolist() == [1]


def test_a_third_kind_comes_beside_the_two():
    (second,), *_ = went_on(models(), [0, 1], [2, 3])
    (third,), queries, _, batch = went_on([second], [0, 1, 4], [2, 3, 5])
    assert (third.turn_of_queries(queries) == batch).float().mean() > 0.98
    assert_close(third.earlier[0].query_map.lin.weight, second.earlier[0].query_map.lin.weight)
    assert_close(third.earlier[1].query_map.lin.weight, second.query_map.lin.weight)


def test_one_that_comes_again_ends_its_turn():
    (second,), *_ = went_on(models(), [0, 1], [2, 3])
    (third,), queries, _, batch = went_on([second], [0, 1, 0], [2, 3, 2])
    assert len(third.earlier) == 1
    assert_close(third.earlier[0].query_map.lin.weight, second.query_map.lin.weight)
    assert ((third.turn_of_queries(queries) == 0) == (batch == 1)).float().mean() > 0.98


def test_no_more_are_kept_than_may_be():
    model, kinds = models()[0], MAX_EARLIER + 3
    for last in range(1, kinds):
        (model,), *_ = went_on([model], list(range(last + 1)), list(range(last + 1)))
    assert len(model.earlier) == MAX_EARLIER


def test_strays_are_counted_by_kind():
    boundary = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    x, kind = torch.tensor([[1.0], [2.0], [-1.0], [-2.0], [3.0]]), torch.tensor([0, 0, 0, 1, 1])
    assert_close(strays(boundary, x, kind), torch.tensor([[0, 1 / 3], [1 / 2, 0]]))


@pytest.mark.parametrize("apart", [0.0, 8.0])
def test_kinds_are_what_a_boundary_tells_apart(apart):
    x, kind = torch.randn(400, CHANNELS), torch.arange(2).repeat_interleave(200)
    x[kind == 0, 0] += apart
    assert kinds_apart(x, kind, 1).unique().tolist() == ([0, 1] if apart else [1])
    assert (strays(discriminant(x, kind, 2), x, kind).max() < 0.02) == bool(apart)
