"""FAISS's HNSW links as arrays, and back.

FAISS counts the bottom level as 1 in ``levels``, lays all rows of a node end to end in ``neighbors`` from
``offsets`` on, and finds a level's part of them in ``cum_nneighbor_per_level``.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from graphlift.errors import InputError
from graphlift.graph import EMPTY, HnswGraph, Level


def read_links(hnsw: Any) -> HnswGraph:
    """All levels of a ``faiss.HNSW`` as arrays; no Python loop over nodes."""
    level_counts = _view(hnsw.levels)
    offsets, neighbors = _view(hnsw.offsets), _view(hnsw.neighbors)
    cumulative = faiss.vector_to_array(hnsw.cum_nneighbor_per_level)
    levels = []
    for number in range(hnsw.max_level + 1):
        nodes = np.flatnonzero(level_counts > number)
        first, last = cumulative[number : number + 2]
        rows = sliding_window_view(neighbors, last - first)  # a row at every offset: whole rows are copied, not slots
        levels.append(Level(nodes.astype(np.int32), rows[offsets[nodes].astype(np.int64) + first]))
    return HnswGraph(tuple(levels), entry_point=int(hnsw.entry_point))


def write_links(graph: HnswGraph, hnsw: Any) -> None:
    """Fill a fresh ``faiss.HNSW`` of the right ``M`` with the links of a graph.

    Raises:
        InputError: a level is wider than the ``M`` of the index allows.
    """
    level_counts = (graph.level_of_node + 1).astype(np.int32)
    cumulative = faiss.vector_to_array(hnsw.cum_nneighbor_per_level)
    offsets = np.concatenate([[0], np.cumsum(cumulative[level_counts])]).astype(np.uint64)
    hnsw.neighbors.resize(int(offsets[-1]))
    neighbors = _view(hnsw.neighbors)
    neighbors[:] = EMPTY
    for number, level in enumerate(graph.levels):
        first, last = cumulative[number : number + 2]
        if level.neighbors.shape[1] != last - first:
            raise InputError(
                f"level {number} of the graph has rows of {level.neighbors.shape[1]} slots, "
                f"the index's M asks for {last - first}."
            )
        rows = sliding_window_view(neighbors, last - first, writeable=True)
        rows[offsets[level.nodes].astype(np.int64) + first] = level.neighbors
    faiss.copy_array_to_vector(level_counts, hnsw.levels)
    faiss.copy_array_to_vector(offsets, hnsw.offsets)
    hnsw.entry_point = graph.entry_point
    hnsw.max_level = graph.num_levels - 1


def _view(vector: Any) -> npt.NDArray[Any]:
    """A C++ vector as an array without a copy, good as long as its index is alive."""
    return faiss.rev_swig_ptr(vector.data(), vector.size())
