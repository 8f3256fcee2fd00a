"""Feedback: at once, the same alone or in a batch, the latest word counts, and nothing half said."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from world import copy_of, make_world

import graphlift as gl


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def fitted(world):
    return world.fitted()._now


@pytest.fixture(params=["frozen", "fitted"])
def lift(request, world, fitted):
    return copy_of(fitted) if request.param == "fitted" else world.lift()


def rank(lift, query, document, k=240):
    return lift.search(query[None], k=k).ids[0].tolist().index(document)


def tenth(lift, query):
    return lift.search(query[None], k=10).ids[0, 9]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_without_a_fit_the_answer_comes_first_for_the_same_query_and_far_queries_do_not_care(world, metric):
    lift = world.lift(metric=metric)
    before = lift.search(world.queries, k=10).ids
    lift.feedback(world.queries[0], ["d77"])
    after = lift.search(world.queries, k=10).ids
    assert after[0, 0] == "d77"
    assert rank(lift, world.queries[0] * 1.01, "d77") == 0
    assert (before != after).any(axis=1).sum() < 20


def test_a_fitted_lift_listens_too(world, fitted):
    lift, gains = copy_of(fitted), []
    for query in world.queries[135:150]:
        document = lift.search(query[None], k=10).ids[0, 6]
        lift.feedback(query, [document])
        gains.append(6 - rank(lift, query, document))
    assert np.mean(gains) > 2


def test_an_irrelevant_document_falls_behind_all_candidates(world, lift):
    query = world.queries[140]
    first = lift.search(query[None], k=1).ids[0, 0]
    lift.feedback(query, [], irrelevant_ids=[first])
    assert first not in lift.search(query[None], k=15).ids[0].tolist()


def test_the_latest_word_counts(world, lift):
    query, document = world.queries[141], "d5"
    lift.feedback(query, [document])
    lift.feedback(query, [], irrelevant_ids=[document])
    memory, rejected = lift.lifted.memory, lift.lifted.told.irrelevant
    number = int(memory.numbers(torch.from_numpy(lift.index.metric.prepare(query[None], "q")))[0])
    assert len(memory.answers(number)) == 0
    assert rejected.rows.tolist() == [5]
    lift.feedback(query, [document])
    assert lift.lifted.memory.answers(number).tolist() == [5]
    assert len(lift.lifted.told.irrelevant) == 0


def test_one_by_one_equals_a_batch(world, lift):
    other = copy_of(lift._now)
    queries, relevant, irrelevant = (
        world.queries[150:160],
        [[f"d{i}", "d3"] for i in range(10)],
        [[f"d{i + 50}"] for i in range(10)],
    )
    lift.feedback(queries, relevant, irrelevant)
    for query, good, bad in zip(queries, relevant, irrelevant, strict=True):
        other.feedback(query, good, bad)
    ours, theirs = lift.search(world.queries, k=20), other.search(world.queries, k=20)
    assert (ours.ids == theirs.ids).all()
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def test_kept_in_step_equals_made_anew(world, fitted):
    lift = copy_of(fitted)
    lift.feedback(world.queries[150:170], [[f"d{i}"] for i in range(20)], [[f"d{i + 50}"] for i in range(20)])
    lift.feedback(world.queries[:9], [["d200", "d9"]] * 9)
    now = lift.lifted
    anew = type(now)(now.index, now.model, now.memory, now.walk_index, told=now.told)
    queries = now.index.metric.prepare(world.queries, "queries")
    (scores, rows), (expected_scores, expected) = now.search_rows(queries, 20), anew.search_rows(queries, 20)
    assert (rows == expected).all()
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


def test_a_version_that_is_searched_does_not_change(world, lift):
    old = copy_of(lift._now)
    before = old.search(world.queries, k=10)
    lift.feedback(world.queries[:40], [["d1"]] * 40, [["d2"]] * 40)
    after = old.search(world.queries, k=10)
    assert (before.ids == after.ids).all()
    assert (before.scores == after.scores).all()


def test_only_irrelevant_is_feedback_too(world):
    lift = world.lift()
    lift.feedback(world.queries[0], [], ["d1"])
    assert len(lift.lifted.memory) == 0
    assert lift.search(world.queries[:3], k=5).ids.shape == (3, 5)


BAD = {
    "unknown": (["nobody"], None, "relevant_ids"),
    "unknown irrelevant": (["d1"], ["nobody"], "irrelevant_ids"),
    "both": (["d1"], ["d2", "d1"], "irrelevant_ids"),
    "nothing": ([], None, "relevant_ids"),
    "text": ("d1", None, "relevant_ids"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_feedback_changes_nothing(world, lift, name):
    before = lift._now
    relevant, irrelevant, argument = BAD[name]
    with pytest.raises(gl.InputError, match=f"`{argument}`"):
        lift.feedback(world.queries[0], relevant, irrelevant)
    assert lift._now is before


def test_bad_batches(world, lift):
    before = lift._now
    for relevant in ([["d1"]], ["d1", "d2"], [["d1"], []]):
        with pytest.raises(gl.InputError, match="`relevant_ids`"):
            lift.feedback(world.queries[:2], relevant)
    with pytest.raises(gl.InputError, match="`irrelevant_ids`"):
        lift.feedback(world.queries[[0, 0]], [["d1"], []], [[], ["d1"]])
    with pytest.raises(gl.InputError, match="`queries`"):
        lift.feedback(world.queries[0][:3], ["d1"])
    assert lift._now is before


def test_feedback_is_quick(world, lift):
    times = []
    for query in world.queries[:20]:
        start = time.perf_counter()
        lift.feedback(query, ["d3"], ["d4"])
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.1
