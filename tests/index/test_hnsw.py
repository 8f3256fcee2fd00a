"""The index ranks like a scan, hands out its memory safely, and says what is wrong with bad input."""

import gc

import faiss
import numpy as np
import pytest
import torch

from graphlift.errors import InputError
from graphlift.graph import EMPTY, HnswGraph, Level
from graphlift.index import HnswIndex, Ids
from graphlift.metric import Metric

METRICS = list(Metric)


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(200, 7)).astype(np.float32)


@pytest.fixture
def queries(rng):
    return rng.normal(size=(11, 7)) + 0.3


def similarity(metric, queries, vectors):
    if metric is Metric.L2:
        return -((queries[:, None] - vectors) ** 2).sum(axis=2)
    if metric is Metric.COSINE:
        queries, vectors = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (queries, vectors))
    return queries @ vectors.T


@pytest.mark.parametrize("metric", METRICS)
def test_ranks_like_numpy(vectors, queries, metric):
    index = HnswIndex.build(vectors, metric=metric, M=16)
    hits = index.search(queries, k=10, ef_search=200)
    expected = similarity(metric, queries, vectors)
    np.testing.assert_array_equal(hits.ids, np.argsort(-expected, axis=1)[:, :10])
    np.testing.assert_allclose(hits.scores, -np.sort(-expected, axis=1)[:, :10], rtol=1e-5, atol=1e-5)
    assert (hits.ids.shape, hits.scores.dtype, len(hits)) == ((11, 10), np.float32, 11)
    prepared = index.metric.prepare(queries, "queries")
    np.testing.assert_array_equal(index.exact_search_rows(prepared, 10)[1], hits.ids)
    assert index.sampled_recall(prepared, 10, ef_search=200) == 1


def test_recall_is_a_share(vectors, queries):
    index = HnswIndex.build(vectors, M=2, ef_construction=4, ef_search=1)
    prepared = index.metric.prepare(queries, "queries")
    found, true = (search(prepared, 5)[1] for search in (index.search_rows, index.exact_search_rows))
    expected = np.mean([len({*f} & {*t}) / 5 for f, t in zip(found.tolist(), true.tolist(), strict=True)])
    assert index.sampled_recall(prepared, 5) == pytest.approx(expected)
    assert expected < 1


@pytest.mark.parametrize("kind", [int, str])
def test_own_ids(vectors, queries, kind):
    ids = [kind(1000 - row) for row in range(len(vectors))]
    named, counted = (HnswIndex.build(vectors, ids=given) for given in (ids, None))
    rows = counted.search(queries, k=3).ids
    hits = named.search(queries, k=3)
    assert hits.ids.tolist() == [[ids[row] for row in found] for found in rows]
    assert all(type(value) is kind for value in hits.ids.ravel().tolist())
    np.testing.assert_array_equal(named.ids.rows(hits.ids[0]), rows[0])


@pytest.mark.parametrize("metric", METRICS)
def test_k_of_all_returns_every_id_once(vectors, queries, metric):
    hits = HnswIndex.build(vectors, metric=metric, M=2, ef_construction=4).search(queries, k=len(vectors))
    assert all(sorted(row) == list(range(len(vectors))) for row in hits.ids.tolist())
    assert (np.diff(hits.scores, axis=1) <= 0).all()


def test_no_query_no_hit(vectors):
    assert HnswIndex.build(vectors).search(np.empty((0, 7)), k=3).ids.shape == (0, 3)


def test_default_beam_is_the_index_own(vectors, queries):
    index = HnswIndex.build(vectors, M=2, ef_construction=7, ef_search=1)
    wide = HnswIndex.build(vectors, M=2, ef_construction=7, ef_search=90)
    np.testing.assert_array_equal(wide.search(queries, 3).ids, index.search(queries, 3, ef_search=90).ids)
    assert (wide.search(queries, 3).ids != index.search(queries, 3).ids).any()
    assert (index.M, index.ef_construction, index.ef_search, index.channels, len(index)) == (2, 7, 1, 7, 200)


def test_progress_ends_with_every_vector(vectors):
    seen = []
    many = np.concatenate([vectors] * 4) + np.arange(800, dtype=np.float32)[:, None]
    index = HnswIndex.build(many, M=4, progress=seen.append)
    assert seen[-1] == len(index) == 800
    assert len(seen) > 2
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("metric", METRICS)
def test_from_graph_searches_the_same(vectors, queries, metric):
    index = HnswIndex.build(vectors, metric=metric, M=4, ef_construction=30, ef_search=9)
    again = index.with_vectors(index.vectors)
    hits, copies = index.search(queries, 7), again.search(queries, 7)
    np.testing.assert_array_equal(copies.ids, hits.ids)
    np.testing.assert_array_equal(copies.scores, hits.scores)
    assert repr(again) == repr(index)
    assert (again.ef_construction, again.ef_search) == (30, 9)


def test_with_vectors_keeps_the_links(vectors, queries, rng):
    index = HnswIndex.build(vectors, metric="l2", ids=[f"d{row}" for row in range(200)], M=8)
    moved = (vectors + 0.05 * rng.normal(size=vectors.shape)).astype(np.float32)
    lifted = index.with_vectors(moved)
    assert lifted.graph.entry_point == index.graph.entry_point
    for mine, theirs in zip(lifted.graph.levels, index.graph.levels, strict=True):
        np.testing.assert_array_equal(mine.neighbors, theirs.neighbors)
    np.testing.assert_array_equal(lifted.vectors, moved)
    np.testing.assert_array_equal(index.vectors, vectors)
    expected = np.argsort(-similarity(Metric.L2, queries, moved), axis=1)[:, :3]
    assert lifted.search(queries, 3, ef_search=200).ids.tolist() == [[f"d{r}" for r in row] for row in expected]


def test_vectors_are_faiss_own_memory(vectors):
    index = HnswIndex.build(vectors, metric="ip")
    stored = faiss.rev_swig_ptr(faiss.downcast_index(index.linked._faiss.storage).get_xb(), vectors.size)
    assert np.shares_memory(stored, index.vectors)
    assert np.shares_memory(stored, index.x.numpy())
    np.testing.assert_array_equal(index.vectors, vectors)


@pytest.mark.parametrize("name", ["x", "vectors"])
def test_vectors_outlive_the_index(vectors, name):
    index = HnswIndex.build(vectors, metric="ip")
    kept = getattr(index, name)
    part = kept[3:5]
    del index, kept
    gc.collect()
    others = [HnswIndex.build(np.full_like(vectors, n), metric="ip", M=2) for n in range(3)]  # reuse freed memory
    np.testing.assert_array_equal(np.asarray(part), vectors[3:5])
    assert len(others) == 3


def test_vectors_are_read_only(vectors):
    index = HnswIndex.build(vectors)
    with pytest.raises(ValueError, match="read-only"):
        index.vectors[0, 0] = 1
    assert torch.equal(index.x, torch.tensor(index.vectors))


def lonely(nodes=5):
    """A ring of nodes and one more, the last, to which no link leads."""
    ring = np.arange(nodes - 1, dtype=np.int32)
    links = np.full((nodes, 4), EMPTY, dtype=np.int32)
    links[:-1, 0], links[:-1, 1] = np.roll(ring, 1), np.roll(ring, -1)
    links[-1, 0] = 0
    return HnswGraph((Level(np.arange(nodes, dtype=np.int32), links),), entry_point=0)


@pytest.mark.parametrize("metric", METRICS)
def test_nodes_that_no_walk_reaches_are_found_where_k_needs_them(metric):
    vectors, graph = np.eye(5, dtype=np.float32), lonely()
    graph.validate()
    assert graph.in_degrees.tolist() == [3, 2, 2, 2, 0]
    index = HnswIndex.from_graph(vectors, graph, Ids("abcde"), metric, M=2, ef_construction=9, ef_search=9)
    assert "e" not in index.search(vectors[4:], k=4).ids  # the walk has four others to offer
    hits = index.search(vectors, k=5)
    assert [set(row) for row in hits.ids.tolist()] == [set("abcde")] * 5
    assert hits.ids[:, 0].tolist() == list("abcde")


def test_from_graph_of_disagreeing_sizes():
    vectors, graph = np.eye(5, dtype=np.float32), lonely()
    for few, ids in ((vectors[:4], Ids.counted(5)), (vectors, Ids.counted(4))):
        with pytest.raises(InputError, match="`vectors`, `graph` and `ids`"):
            HnswIndex.from_graph(few, graph, ids, Metric.L2, M=2, ef_construction=9, ef_search=9)


def with_entry(vectors, value):
    changed = vectors.copy()
    changed[3, 2] = value
    return changed


def with_zero(vectors):
    changed = vectors.copy()
    changed[3] = 0
    return changed


BAD_BUILD = {
    "NaN": ("vectors", lambda v: {"vectors": with_entry(v, np.nan)}),
    "infinity": ("vectors", lambda v: {"vectors": with_entry(v, np.inf)}),
    "zero": ("vectors", lambda v: {"vectors": with_zero(v)}),
    "one dimension": ("vectors", lambda v: {"vectors": v[0]}),
    "empty": ("vectors", lambda v: {"vectors": v[:0]}),
    "no channels": ("vectors", lambda v: {"vectors": v[:, :0]}),
    "strings": ("vectors", lambda v: {"vectors": v.astype(str)}),
    "too few ids": ("ids", lambda v: {"vectors": v, "ids": range(199)}),
    "duplicate ids": ("ids", lambda v: {"vectors": v, "ids": [0, *range(199)]}),
    "mixed ids": ("ids", lambda v: {"vectors": v, "ids": ["a", *range(199)]}),
    "unknown metric": ("metric", lambda v: {"vectors": v, "metric": "hamming"}),
    "no metric": ("metric", lambda v: {"vectors": v, "metric": None}),
    "M too small": ("M", lambda v: {"vectors": v, "M": 1}),
    "M no integer": ("M", lambda v: {"vectors": v, "M": 16.0}),
    "no beam to build": ("ef_construction", lambda v: {"vectors": v, "ef_construction": 0}),
    "no beam to search": ("ef_search", lambda v: {"vectors": v, "ef_search": 0}),
}


@pytest.mark.parametrize("case", BAD_BUILD)
def test_bad_input_to_build_is_named(vectors, case):
    argument, arguments = BAD_BUILD[case]
    with pytest.raises(InputError, match=f"`{argument}`"):
        HnswIndex.build(**arguments(vectors))


BAD_SEARCH = {
    "NaN": ("queries", lambda v: (with_entry(v, np.nan), 3)),
    "infinity": ("queries", lambda v: (with_entry(v, -np.inf), 3)),
    "zero": ("queries", lambda v: (with_zero(v), 3)),
    "wrong dimension": ("queries", lambda v: (v[:, :5], 3)),
    "one query alone": ("queries", lambda v: (v[0], 3)),
    "k of 0": ("k", lambda v: (v, 0)),
    "k below 0": ("k", lambda v: (v, -1)),
    "k above N": ("k", lambda v: (v, 201)),
    "k no integer": ("k", lambda v: (v, 3.0)),
}


@pytest.mark.parametrize("case", BAD_SEARCH)
def test_bad_input_to_search_is_named(vectors, case):
    argument, arguments = BAD_SEARCH[case]
    index = HnswIndex.build(vectors)
    with pytest.raises(InputError, match=f"`{argument}`"):
        index.search(*arguments(vectors))
