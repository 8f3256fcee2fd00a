"""What is read from FAISS is what FAISS itself would tell, and can be written back."""

import faiss
import numpy as np
import pytest

from graphlift.errors import InputError
from graphlift.graph import EMPTY
from graphlift.index import HnswIndex
from graphlift.index.links import read_links, write_links

SHAPES = {"many levels": (300, 2), "wide": (120, 8), "few": (5, 4), "one": (1, 3), "single level": (40, 32)}


@pytest.fixture(params=SHAPES)
def index(request, rng):
    nodes, degree = SHAPES[request.param]
    built = faiss.IndexHNSWFlat(7, degree)
    built.add(rng.normal(size=(nodes, 7)).astype(np.float32))
    return built


def faiss_neighbors(hnsw, node, level):
    """The slots of one node on one level, by FAISS's own accessors."""
    bounds = np.zeros(2, dtype=np.uint64)
    hnsw.neighbor_range(node, level, faiss.swig_ptr(bounds[:1]), faiss.swig_ptr(bounds[1:]))
    return faiss.vector_to_array(hnsw.neighbors)[int(bounds[0]) : int(bounds[1])].tolist()


def test_links_are_faiss_own(index):
    graph = read_links(index.hnsw)
    graph.validate()
    assert graph.num_levels == index.hnsw.max_level + 1
    assert graph.entry_point == index.hnsw.entry_point
    for node in range(index.ntotal):
        assert graph.level_of_node[node] == index.hnsw.levels.at(node) - 1
    for number, level in enumerate(graph.levels):
        assert level.nodes.tolist() == [n for n in range(index.ntotal) if index.hnsw.levels.at(n) > number]
        for node, row in zip(level.nodes.tolist(), level.neighbors.tolist(), strict=True):
            assert row == faiss_neighbors(index.hnsw, node, number)


def test_written_links_are_the_same_arrays(index):
    other = faiss.IndexHNSWFlat(7, index.hnsw.nb_neighbors(1))
    write_links(read_links(index.hnsw), other.hnsw)
    for name in ("levels", "offsets", "neighbors"):
        mine, theirs = (faiss.vector_to_array(getattr(hnsw, name)) for hnsw in (other.hnsw, index.hnsw))
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
    assert (other.hnsw.entry_point, other.hnsw.max_level) == (index.hnsw.entry_point, index.hnsw.max_level)


def test_arrays_outlive_the_index(index):
    graph = read_links(index.hnsw)
    kept = [level.neighbors.copy() for level in graph.levels]
    index.reset()
    for level, before in zip(graph.levels, kept, strict=True):
        np.testing.assert_array_equal(level.neighbors, before)


def test_links_of_another_width_are_refused(index):
    other = faiss.IndexHNSWFlat(7, index.hnsw.nb_neighbors(1) + 1)
    with pytest.raises(InputError, match="level 0 of the graph has rows of"):
        write_links(read_links(index.hnsw), other.hnsw)


def test_several_levels_are_under_test(rng):
    graph = HnswIndex.build(rng.normal(size=(300, 7)), M=2).graph
    assert graph.num_levels > 2
    assert any((level.neighbors == EMPTY).any() for level in graph.levels)
