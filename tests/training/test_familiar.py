"""Queries unlike those that a lift was trained on are served as before the fit."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from world import QUICK, copy_of, make_world

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.search.familiarity import UNCHECKED
from graphlift.training.familiar import FALSE_ALARMS, choose_false_alarms, set_familiarity_bounds

CHANNELS = 12
COUNT = 100
"""Documents of either kind that nobody asks for, and queries for them."""


def stretched(vectors, first):
    """Vectors in twice as many channels, of which they use one half."""
    wide = np.zeros((len(vectors), 2 * CHANNELS), dtype=np.float32)
    wide[:, first : first + CHANNELS] = vectors
    return wide


@pytest.fixture(scope="module")
def known():
    return make_world()


@pytest.fixture(scope="module")
def other():
    """Documents and queries of another kind: no channel is shared."""
    world = make_world(num_documents=COUNT, num_queries=COUNT, seed=1)
    return stretched(world.documents, CHANNELS), stretched(world.queries, CHANNELS)


@pytest.fixture(scope="module")
def fitted(known, other):
    documents = np.concatenate([stretched(known.documents, 0), other[0]])
    lift = gl.Lift(gl.HnswIndex.build(documents, [*known.document_ids, *(f"o{i}" for i in range(COUNT))]))
    report = lift.fit(stretched(known.queries, 0), known.train, query_ids=known.query_ids, config=QUICK)
    assert report.published
    return lift


def test_strange_queries_are_served_as_by_the_frozen_index(fitted, other):
    found, frozen = fitted.search(other[1]), fitted.index.search(other[1], k=10, ef_search=fitted.lifted.beam())
    assert (found.ids == frozen.ids).mean() > 0.99  # but for what is equally good
    assert fitted.search(other[1][:5], explain=True).explanations[0][0].learned == 0


def test_known_queries_are_not(fitted, known):
    queries = stretched(known.queries, 0)
    prepared = torch.from_numpy(fitted.index.metric.prepare(queries, "queries"))
    assert float(fitted.lifted.is_strange(prepared).float().mean()) <= 0.02
    asked = {"qrels": known.test, "query_ids": known.query_ids}
    result = fitted.evaluate(queries, **asked)
    assert result.all.lifted["nDCG@10"] > result.all.frozen["nDCG@10"]


def test_one_by_one_and_mixed_with_others(fitted, known, other):
    mixed = np.concatenate([stretched(known.queries[:20], 0), other[1][:20]])[np.random.default_rng(0).permutation(40)]
    together = fitted.search(mixed)
    for place in range(len(mixed)):
        alone = fitted.search(mixed[place : place + 1])
        np.testing.assert_allclose(alone.scores[0], together.scores[place], rtol=1e-4)


def test_feedback_of_strangers_counts_at_once(fitted, other, tmp_path):
    fitted.save(tmp_path / "store")
    lift = gl.load(tmp_path / "store")
    assert (lift.lifted.model.familiarity_bounds == fitted.lifted.model.familiarity_bounds).all()
    query, last = other[1][:1], fitted.search(other[1][:1], k=20).ids[0, -1]
    lift.feedback(query, [[last]])
    assert lift.search(query).ids[0, 0] == last
    assert lift.search(other[1][1:2]).ids.tolist() == fitted.search(other[1][1:2]).ids.tolist()


def test_what_strangers_found_and_is_removed_is_found_no_more(fitted, other):
    lift = copy_of(fitted._now)
    first = lift.search(other[1][:1]).ids[0, 0]
    lift.remove([first])
    assert first not in lift.search(other[1][:1]).ids


def test_documents_that_come_after_the_fit_are_found_by_their_queries(known, other):
    lift = gl.Lift(gl.HnswIndex.build(stretched(known.documents, 0), known.document_ids))
    assert lift.fit(stretched(known.queries, 0), known.train, query_ids=known.query_ids, config=QUICK).published
    ids = [f"o{i}" for i in range(COUNT)]
    lift.add(other[0], ids)
    assert set(lift.search(other[1]).ids[:, :5].flatten().tolist()) <= set(ids)


def test_where_answers_are_rare_everything_is_familiar(fitted):
    """Hardly a document near a query has answered another one, so that says nothing."""
    far = gl.Memory.of(torch.eye(2 * CHANNELS)[:CHANNELS], [{300 + row: 1.0} for row in range(CHANNELS)])
    lifted = LiftedIndex(fitted.index, deepcopy(fitted.lifted.model), far)
    set_familiarity_bounds(lifted, FALSE_ALARMS[0])
    assert tuple(lifted.model.familiarity_bounds.tolist()) == UNCHECKED


def test_false_alarms_are_counted_apart_for_every_batch(fitted, other):
    """Few documents answered queries of a small batch; among the many of a large one its like would look strange."""
    many, queries = fitted.lifted.memory, torch.from_numpy(fitted.index.metric.prepare(other[1], "queries"))
    few = gl.Memory.of(queries[:4], [{len(fitted.index) - row: 1.0} for row in (1, 2, 3, 4)])
    both = LiftedIndex(fitted.index, deepcopy(fitted.lifted.model), many.extend(few))

    def strange(batch):
        set_familiarity_bounds(both, 0.05, batch)
        return float(both.is_strange(queries[4:]).float().mean())

    assert strange(None) > 0.9
    assert strange((torch.arange(len(many) + 4) >= len(many)).long()) < 0.5


@pytest.mark.parametrize(("price", "share"), [(1.0, FALSE_ALARMS[0]), (-1.0, 0.0)])
def test_what_held_out_queries_cannot_afford_is_not_checked(fitted, known, monkeypatch, price, share):
    monkeypatch.setattr("graphlift.training.familiar.PRICE", price)
    lifted = LiftedIndex(fitted.index, deepcopy(fitted.lifted.model), fitted.lifted.memory)
    queries = torch.from_numpy(fitted.index.metric.prepare(stretched(known.queries[140:], 0), "queries"))
    judges = gl.Memory.of(queries, [{row: 1.0} for row in range(len(queries))])
    assert choose_false_alarms(lifted, judges) == share
    assert (tuple(lifted.model.familiarity_bounds.tolist()) == UNCHECKED) == (share == 0)
