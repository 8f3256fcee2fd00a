"""The compiled walk finds what FAISS's walk finds, and returns exact similarities."""

import gc
import weakref

import numpy as np
import pytest

from graphlift.graph import EMPTY, HnswGraph, Level
from graphlift.index import HnswIndex, Ids
from graphlift.metric import Metric
from graphlift.serving import coded_walk
from graphlift.serving.coded_walk import CodedWalk

kernels = pytest.importorskip("graphlift.serving.kernels", exc_type=ImportError)
METRICS = list(Metric)


def clustered(rng, count=2000, channels=24, spread=0.6):
    """Vectors around forty places, as embeddings are."""
    centers = rng.normal(size=(40, channels))
    return (centers[rng.integers(40, size=count)] + spread * rng.normal(size=(count, channels))).astype(np.float32)


def found(index, queries, k, ef_search=None):
    return (CodedWalk.of(index) or index).search_rows(queries, k, ef_search)  # as a lifted index does


def recall(rows, exact):
    return (rows[:, :, None] == exact[:, None, :]).any(axis=1).mean()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("channels", [3, 24, 70])
def test_recall_is_that_of_faiss(rng, metric, channels):
    vectors = clustered(rng, channels=channels)
    index = HnswIndex.build(vectors, metric=metric, M=8)
    assert CodedWalk.of(index) is not None
    queries = metric.prepare(clustered(rng, 100, channels), "queries")
    exact = index.exact_search_rows(queries, 10)[1]
    ours, theirs = (recall(rows, exact) for _, rows in (found(index, queries, 10), index.search_rows(queries, 10)))
    assert ours > theirs - 0.005


@pytest.mark.parametrize("metric", METRICS)
def test_similarities_are_exact_and_sorted(rng, metric):
    index = HnswIndex.build(clustered(rng), metric=metric, M=8)
    queries = metric.prepare(clustered(rng, 20), "queries")
    values, rows = found(index, queries, 12)
    vectors = index.vectors[rows].astype(np.float64)
    difference = vectors - queries[:, None]
    expected = -np.square(difference).sum(2) if metric is Metric.L2 else (vectors * queries[:, None]).sum(2)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-4)
    assert (np.diff(values, axis=1) <= 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_a_beam_of_all_is_a_scan(rng, metric):
    index = HnswIndex.build(clustered(rng, 300), metric=metric, M=12)
    queries = metric.prepare(clustered(rng, 10), "queries")
    assert np.array_equal(found(index, queries, 300, 300)[1], index.exact_search_rows(queries, 300)[1])


@pytest.mark.parametrize("metric", METRICS)
def test_far_from_the_origin(rng, metric):
    """Channels of very different size and place each have steps of their own."""
    vectors = clustered(rng) * np.geomspace(0.01, 100, 24, dtype=np.float32)
    vectors += np.linspace(-300, 300, 24, dtype=np.float32)
    vectors[:, 5] = 7  # all alike
    index = HnswIndex.build(vectors, metric=metric, M=8)
    queries = metric.prepare(vectors[:100] + np.float32(0.01), "queries")
    exact = index.exact_search_rows(queries, 10)[1]
    assert recall(found(index, queries, 10)[1], exact) > recall(index.search_rows(queries, 10)[1], exact) - 0.01


@pytest.mark.parametrize("metric", [Metric.INNER_PRODUCT, Metric.L2])
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_a_vector_far_from_all_others_misleads_nobody(rng, metric, size):
    vectors = clustered(rng)
    vectors[7] *= size
    index = HnswIndex.build(vectors, metric=metric, M=8)
    queries = metric.prepare(clustered(rng, 50), "queries")
    exact = index.exact_search_rows(queries, 10)[1]
    assert recall(found(index, queries, 10)[1], exact) > recall(index.search_rows(queries, 10)[1], exact) - 0.01


def test_codes_that_mislead_are_not_walked_by(rng):
    """Values of very different size: a byte a channel cannot tell most of them apart."""
    vectors = rng.standard_cauchy(size=(3000, 16)).astype(np.float32)
    assert CodedWalk.of(HnswIndex.build(vectors, metric="ip", M=8)) is None


def test_codes_at_the_end_of_their_range_do_not_wrap(rng):
    """Steps as fine as the numbers themselves: rounding may lead beyond the outermost code."""
    vectors = (1e4 + 0.003 * rng.normal(size=(500, 8))).astype(np.float32)
    index = HnswIndex.build(vectors, metric="l2", M=8)
    codes = CodedWalk(kernels, index).terrain.codes
    means = codes.center + codes.scale * codes.codes[:, :8]
    assert (np.abs(means - vectors) <= 2 * codes.scale + 0.25 * np.abs(codes.scale) * 127).all()


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_removed_rows_are_walked_over(rng, share):
    whole = HnswIndex.build(clustered(rng), M=8)
    gone = rng.choice(2000, int(share * 2000), replace=False)
    index = whole.minus(gone, Ids(np.delete(np.arange(2000), gone)))
    queries = index.vectors[rng.integers(2000, size=50)]
    rows = found(index, queries, 10)[1]
    assert not np.isin(rows, gone).any()
    assert recall(rows, index.exact_search_rows(queries, 10)[1]) > 0.97
    assert CodedWalk.of(index).terrain.paths is CodedWalk.of(whole).terrain.paths  # both follow the same links


def test_rows_behind_the_graph_are_found(rng):
    index = HnswIndex.build(clustered(rng), M=8)
    more = index.metric.prepare(clustered(rng, 3), "vectors")
    index = index.plus(more, Ids.counted(2003))
    assert found(index, more, 2)[1][:, 0].tolist() == [2000, 2001, 2002]


def test_one_row():
    index = HnswIndex.build(np.ones((1, 5), dtype=np.float32))
    assert found(index, index.vectors, 1)[1].tolist() == [[0]]


def test_nobody():
    unlinked = HnswIndex.build(np.eye(2)).linked.empty(2, Metric.COSINE, M=4, ef_construction=40, ef_search=16)
    assert CodedWalk.of(HnswIndex(unlinked, Ids.counted(0))) is None
    assert CodedWalk.of(object()) is None


def test_what_no_link_leads_to_is_scanned():
    """Empty slots lie anywhere, and the last node lists others that do not list it."""
    links = np.array([[EMPTY, 1, EMPTY, EMPTY], [0, EMPTY, EMPTY, EMPTY], [0, EMPTY, 1, EMPTY]], dtype=np.int32)
    graph = HnswGraph((Level(np.arange(3, dtype=np.int32), links),), entry_point=0)
    settings = {"M": 2, "ef_construction": 8, "ef_search": 8}
    index = HnswIndex.from_graph(np.eye(3, dtype=np.float32), graph, Ids.counted(3), Metric.COSINE, **settings)
    assert found(index, index.vectors[2:], 1)[1].tolist() == [[0]]
    assert sorted(found(index, index.vectors[2:], 3)[1][0]) == [0, 1, 2]


def test_a_batch_is_its_queries_one_by_one(rng, threads):
    index = HnswIndex.build(clustered(rng), M=8)
    queries = index.vectors[:7]
    together = found(index, queries, 5)
    for place in range(7):
        for whole, one in zip(together, found(index, queries[place : place + 1], 5), strict=True):
            assert np.array_equal(whole[place : place + 1], one)
    threads(2)
    assert all(map(np.array_equal, found(index, queries, 5), together))


def test_a_query_of_zeros_and_a_large_one(rng):
    index = HnswIndex.build(clustered(rng), metric="l2", M=8)
    queries = np.stack([np.zeros(24, np.float32), np.full(24, 1e12, np.float32)])
    exact = index.exact_search_rows(queries[:1], 10)[1]
    values, rows = found(index, queries, 10, 200)
    assert recall(rows[:1], exact) > 0.8
    assert np.isfinite(values).all()


def test_codes_go_with_what_they_were_made_of(rng):
    index = HnswIndex.build(clustered(rng, 50), M=4)
    walks, linked = (CodedWalk.of(index), CodedWalk.of(index)), weakref.ref(index.linked)
    assert walks[0].terrain.paths is walks[1].terrain.paths
    assert linked() in coded_walk._MADE
    del index, walks
    gc.collect()
    assert linked() is None


def test_no_compiler(monkeypatch):
    monkeypatch.setattr(coded_walk.fast, "loops", lambda package: None)
    assert CodedWalk.of(HnswIndex.build(np.eye(2))) is None
