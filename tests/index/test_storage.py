"""Vectors that FAISS shares are those that were given, stay alive, and are searched like its own."""

import gc

import faiss
import numpy as np
import pytest

from graphlift.index.storage import faiss_metric, search, share
from graphlift.metric import Metric


@pytest.mark.parametrize("metric", list(Metric))
def test_shared_vectors_are_searched_like_faiss_own(rng, metric):
    vectors, queries = (rng.normal(size=(n, 7)).astype(np.float32) for n in (90, 5))
    own, shared = (faiss.IndexHNSWFlat(7, 4, faiss_metric(metric)) for _ in range(2))
    own.add(vectors)
    shared.hnsw = own.hnsw
    share(shared, vectors)
    for mine, theirs in zip(search(shared, metric, queries, 6), search(own, metric, queries, 6), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def shared_index(vectors):
    index = faiss.IndexHNSWFlat(vectors.shape[1], 4)
    share(index, vectors)
    return index


def stored(index):
    flat = faiss.downcast_index(index.storage)
    return faiss.rev_swig_ptr(flat.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)


def test_nothing_is_copied(rng):
    vectors = rng.normal(size=(11, 3)).astype(np.float32)
    index = shared_index(vectors)
    assert index.ntotal == faiss.downcast_index(index.storage).ntotal == 11
    assert np.shares_memory(stored(index), vectors)


def test_shared_vectors_live_as_long_as_the_index(rng):
    index = shared_index(rng.normal(size=(50_000, 8)).astype(np.float32))  # large: its memory would be given back
    before = stored(index).copy()
    gc.collect()
    others = [np.full((50_000, 8), 7.0, dtype=np.float32) for _ in range(3)]
    np.testing.assert_array_equal(stored(index), before)
    assert len(others) == 3


def test_a_transposed_array_is_laid_out_first(rng):
    vectors = rng.normal(size=(3, 11)).astype(np.float32).T
    np.testing.assert_array_equal(stored(shared_index(vectors)), vectors)


def test_without_views_faiss_copies(rng, monkeypatch):
    monkeypatch.delattr(faiss, "MaybeOwnedVectorUInt8")
    vectors = rng.normal(size=(11, 3)).astype(np.float32)
    index = shared_index(vectors)
    np.testing.assert_array_equal(stored(index), vectors)
    assert not np.shares_memory(stored(index), vectors)
