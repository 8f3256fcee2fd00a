"""Links are reused until the policy says otherwise, and what it does changes no content."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from world import QUICK, make_world

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.model import LiftModel
from graphlift.online import policy
from graphlift.online.changes import Add, Remove
from graphlift.search.similarity import Similarity
from graphlift.store import Snapshot


@pytest.fixture(scope="module")
def world():
    return make_world()


def snapshot(world):
    return Snapshot(gl.HnswIndex.build(world.documents, world.document_ids))


def added(now, count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, now.index.channels))
    return Add([f"n{seed}.{number}" for number in range(count)], vectors).applied(now)


def test_new_rows_are_linked_when_they_are_many(world):
    few, many = (added(snapshot(world), count) for count in (policy.TAIL, policy.TAIL + 1))
    assert policy.kept_up(few) is few
    kept = policy.kept_up(many).index
    assert kept.num_linked == kept.num_rows == 240 + policy.TAIL + 1


def test_the_index_is_built_anew_when_many_rows_are_removed(world):
    few, many = (Remove(world.document_ids[:count]).applied(snapshot(world)) for count in (64, 65))
    assert policy.kept_up(few) is few
    kept = policy.kept_up(many).index
    assert kept.num_rows == len(kept) == 175
    assert kept.ids.array.tolist() == world.document_ids[65:]


def distorted(world, spread):
    index = snapshot(world).index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), gl.ModelConfig(num_walked=8)).eval()
    torch.nn.init.normal_(model.document_map.lin.weight, std=spread)
    return Snapshot(index, LiftedIndex(index, model, gl.Memory.of(index.x[:3], [{0: 1.0}] * 3)))


def test_lifted_documents_share_the_frozen_links_while_the_walk_finds_its_way(world):
    kept = policy.kept_up(added(distorted(world, 0.0), 300))
    assert kept.lifted.walk_index.graph is kept.index.graph
    np.testing.assert_allclose(kept.lifted.walk_index.vectors, kept.index.vectors, atol=1e-6)


def test_lifted_documents_get_links_of_their_own_where_it_does_not(world, monkeypatch):
    monkeypatch.setattr("graphlift.training.navigable.MIN_RECALL", 1.1)
    kept = policy.kept_up(added(distorted(world, 1.0), 300))
    walk = kept.lifted.walk_index
    assert walk.graph is not kept.index.graph
    assert walk.ids is kept.index.ids
    more = policy.kept_up(added(kept, 300, seed=1))
    assert more.lifted.walk_index.num_linked == more.index.num_rows == 840


def test_past_queries_are_linked_when_they_are_many(world, monkeypatch):
    monkeypatch.setattr(policy, "PAST_TAIL", 10)
    monkeypatch.setattr("graphlift.lifted.SCANNED_PAST", 20)
    lift = gl.Lift(snapshot(world).index)
    for start in range(0, 60, 6):
        lift.feedback(world.queries[start : start + 6], [["d1"]] * 6)
    past = lift.lifted.past
    assert isinstance(past, gl.HnswIndex)
    assert len(past) == 60
    assert 60 - past.num_linked <= 10


def test_sharing_links_is_seen_after_a_fit_and_a_round_trip(world, tmp_path):
    lift = world.lift()
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    lift.save(tmp_path / "store")
    for opened in (lift, gl.load(tmp_path / "store")):
        assert opened.lifted.walk_index.graph is opened.index.graph
