"""Law 4: after any mix of changes the lift equals one that is computed in full, and rows mean what they meant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from world import QUICK, copy_of, make_world

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.online import policy
from graphlift.online.changes import Add, Remove, Tell, Update


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def fitted(world):
    return world.fitted()._now


@pytest.fixture(params=["frozen", "told", "fitted"])
def now(request, world, fitted):
    if request.param == "fitted":
        return fitted
    lift = world.lift()
    if request.param == "told":
        lift.feedback(world.queries[:30], [list(world.train[f"q{q}"]) for q in range(30)])
    return lift._now


def new_vectors(world, count, seed=5):
    return np.random.default_rng(seed).normal(size=(count, world.documents.shape[1])).astype(np.float32)


def mixed(world, now):
    """A bit of everything."""
    for change in (
        Add([f"n{i}" for i in range(20)], new_vectors(world, 20), [f"text of n{i}" for i in range(20)]),
        Remove(["d1", "n3", *world.train["q5"]]),
        Update(["d2", "n4"], new_vectors(world, 2, 6)),
        Tell(world.queries[150:155], [["n5", "d2"]] * 5, [["d7"]] * 5),
        Add(["d1"], new_vectors(world, 1, 7), ["text of d1, again"]),
        Remove(["n19"]),
        Update(["d9"], new_vectors(world, 1, 8), ["another text"]),
    ):
        now = change.applied(now)
    return now


def in_full(now):
    """The same content, computed as if nothing had been there before."""
    kept = torch.from_numpy(now.index.removed.kept)
    index = gl.HnswIndex.build(now.index.x[kept].numpy(), now.index.ids.array[kept], metric=now.index.metric)
    rows = torch.full((now.index.num_rows,), -1)
    rows[kept] = torch.arange(len(kept))
    walk = index if now.lifted.walk_index is now.index else None
    memory, told = now.lifted.memory.moved(rows), now.lifted.told.moved(rows)
    return LiftedIndex(index, now.lifted.model, memory, walk, told=told)


def names(index, rows):
    return index.ids.array[np.asarray(rows)]


def test_lifted_vectors_equal_a_full_recomputation(world, fitted):
    lifted = mixed(world, fitted).lifted
    np.testing.assert_allclose(lifted.walk_index.vectors, lifted.lift_documents(), atol=1e-6)
    anew = LiftedIndex(lifted.index, lifted.model, lifted.memory, told=lifted.told)
    for ours, theirs in (
        (lifted.space.past_lifted, anew.space.past_lifted),
        (
            lifted.space.answered.counts[lifted.space.answered.place],
            anew.space.answered.counts[anew.space.answered.place],
        ),
        (lifted.space.answered.sums[lifted.space.answered.place], anew.space.answered.sums[anew.space.answered.place]),
        (lifted.space.links, anew.space.links),
        (lifted.space.frozen, anew.space.frozen),
        (lifted.space.hubness.all(), anew.space.hubness.all()),
    ):
        torch.testing.assert_close(ours, theirs)


def test_search_equals_a_full_recomputation(world, now):
    after = mixed(world, now)
    compact, anew = policy.compacted(after), in_full(after)
    queries = after.index.metric.prepare(world.queries, "queries")
    (scores, rows), (expected_scores, expected) = (s.search_rows(queries, 10, 240) for s in (compact.lifted, anew))
    assert (names(compact.index, rows) == names(anew.index, expected)).mean() > 0.995  # but for ties of rounding
    np.testing.assert_allclose(scores, expected_scores, atol=1e-4)
    before = names(after.index, after.lifted.search_rows(queries, 10, 240)[1])
    assert (before == names(compact.index, rows)).mean() > 0.9  # until they are linked, new rows have no index links


def test_what_serves_before_does_not_change(world, now):
    lift = copy_of(now)
    before = lift.search(world.queries, k=20)
    mixed(world, now)
    after = lift.search(world.queries, k=20)
    assert (before.ids == after.ids).all()
    assert (before.scores == after.scores).all()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_frozen_search_equals_a_scan(world, metric):
    lift = world.lift(metric=metric)
    lift.add(new_vectors(world, 50), [f"n{i}" for i in range(50)], ["text"] * 50)
    lift.remove([f"d{i}" for i in range(0, 200, 7)] + ["n2"])
    index = lift.index
    assert index.num_linked < index.num_rows
    queries = index.metric.prepare(world.queries, "queries")
    found, true = (search(queries, 10)[1] for search in (index.search_rows, index.exact_search_rows))
    assert (found == true).mean() > 0.99
    assert not index.removed.mask[true].any()
    assert sorted(lift.search(world.queries[:1], k=len(index)).ids[0].tolist()) == sorted(
        index.ids.array[index.removed.kept].tolist()
    )


def test_texts_and_ids_follow_their_documents(world, now):
    after = policy.compacted(mixed(world, now))
    for snapshot in (mixed(world, now), after):
        index, texts = snapshot.index, snapshot.texts
        text = {name: texts[int(index.ids.rows([name])[0])] for name in index.ids.array[index.removed.kept]}
        assert text["d9"] == "another text"
        assert text["d1"] == "text of d1, again"
        assert text["d2"] == "text of d2"
        assert text["n4"] == "text of n4"
        assert len(text) == len(index)
        assert not {"n3", "n19"} & set(text)
    assert len(after.index) == after.index.num_rows == after.index.num_linked


def test_memory_keeps_what_is_left(world, now):
    if now.lifted is None:
        pytest.skip("no memory")
    gone = next(iter(world.train["q5"]))
    lift = copy_of(now)
    lift.feedback(world.queries[5], [gone, "d100"])
    lift.remove([gone])
    query = torch.from_numpy(lift.index.metric.prepare(world.queries[5:6], "q"))
    number = int(lift.lifted.memory.numbers(query)[0])
    assert names(lift.index, lift.lifted.memory.answers(number)).tolist() == ["d100"]
    lift.add(world.documents[:1], [gone], ["text"])  # the same id, another document
    assert names(lift.index, lift.lifted.memory.answers(number)).tolist() == ["d100"]
    lift.update(["d100"], world.documents[3:4])
    lift.compact()
    assert names(lift.index, lift.lifted.memory.answers(number)).tolist() == ["d100"]


def test_one_by_one_equals_at_once(world, now):
    together, apart = copy_of(now), copy_of(now)
    vectors, ids = new_vectors(world, 9), [f"n{i}" for i in range(9)]
    together.add(vectors, ids, ids)
    together.remove(ids[:4])
    for vector, name in zip(vectors, ids, strict=True):
        apart.add(vector[None], [name], [name])
    for name in ids[:4]:
        apart.remove([name])
    ours, theirs = (lift.search(world.queries, k=15) for lift in (together, apart))
    assert (ours.ids == theirs.ids).all()
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def test_all_can_go_and_others_come(world):
    lift = world.lift()
    lift.feedback(world.queries[0], ["d3"])
    lift.remove(world.document_ids)
    with pytest.raises(gl.InputError, match="`k`"):
        lift.search(world.queries, k=1)
    lift.add(new_vectors(world, 3), ["a", "b", "c"], ["a", "b", "c"])
    assert sorted(lift.search(world.queries[:1], k=3).ids[0].tolist()) == ["a", "b", "c"]
    assert len(lift.index) == lift.index.num_rows == 3


def test_fit_after_changes(world, fitted):
    lift = copy_of(mixed(world, fitted))
    train = {q: {d: g for d, g in ds.items() if d in lift.index.ids} for q, ds in (world.train | world.test).items()}
    lift.fit(world.queries, train, query_ids=world.query_ids, config=QUICK)
    assert lift.index.num_linked == lift.index.num_rows == len(lift.index)
    assert lift.search(world.queries, k=10).ids.shape == (180, 10)


BAD = {
    "known id": (lambda lift, x: lift.add(x, ["d1"], ["t"]), "ids"),
    "twice": (lambda lift, x: lift.add(x[[0, 0]], ["a", "a"], ["t", "t"]), "ids"),
    "kind": (lambda lift, x: lift.add(x, [7], ["t"]), "ids"),
    "count": (lambda lift, x: lift.add(x, ["a", "b"], ["t"]), "ids"),
    "texts": (lambda lift, x: lift.add(x, ["a"]), "texts"),
    "text count": (lambda lift, x: lift.add(x, ["a"], ["t", "t"]), "texts"),
    "width": (lambda lift, x: lift.add(x[:, :5], ["a"], ["t"]), "vectors"),
    "nan": (lambda lift, x: lift.add(x * np.nan, ["a"], ["t"]), "vectors"),
    "unknown": (lambda lift, x: lift.remove(["d1", "nobody"]), "ids"),
    "removed twice": (lambda lift, x: lift.remove(["d1", "d1"]), "ids"),
    "unknown update": (lambda lift, x: lift.update(["nobody"], x), "ids"),
    "update twice": (lambda lift, x: lift.update(["d1", "d1"], x[[0, 0]]), "ids"),
    "update count": (lambda lift, x: lift.update(["d1", "d2"], x), "ids"),
    "update nan": (lambda lift, x: lift.update(["d1"], x * np.nan), "vectors"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_changes_nothing(world, now, name):
    lift = copy_of(now)
    change, argument = BAD[name]
    with pytest.raises(gl.InputError, match=f"`{argument}`"):
        change(lift, new_vectors(world, 1))
    assert lift._now is now


def test_nothing_to_do_changes_nothing(world, now):
    lift = copy_of(now)
    none = np.empty((0, 12), dtype=np.float32)
    lift.add(none, [], [])
    lift.update([], none)
    lift.remove([])
    assert (lift.search(world.queries).ids == copy_of(now).search(world.queries).ids).all()
