"""A walk through an index's graph in compiled loops, along codes of a byte a channel."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphlift.graph import EMPTY, HnswGraph
from graphlift.index.hnsw import HnswIndex, Walk
from graphlift.index.linked import LinkedRows
from graphlift.index.removed import Removed
from graphlift.index.storage import Rows
from graphlift.metric import Metric, Vectors
from graphlift.nn import fast

LINE = 64
"""Bytes of a cache line: codes start at its beginning and fill it."""


class CodedWalk:
    """`LinkedRows.search` by another walk, which finds nearly the same in about half the time.

    A vector's code has a byte for each channel, between the smallest and the largest value of that channel. The walk
    goes by codes; what it ends with is compared by the vectors themselves. The codes take a quarter of the vectors'
    memory, and are made when the walk is.

    Args:
        kernels: the loops.
        linked: what is walked, at least one row.
    """

    def __init__(self, kernels: Any, linked: LinkedRows) -> None:
        self._kernels = kernels
        vectors, graph = linked.x.numpy(), linked.graph
        center, scale = _bounds(vectors)
        codes = _aligned(len(vectors), -(-linked.channels // LINE) * LINE)
        fast.run(kernels.encode, len(vectors), vectors, center, scale, codes)
        by_distance = linked.metric is Metric.L2
        upper, node, below, entry = _numbered(graph)
        self.paths = kernels.Paths(
            codes=codes,
            center=center,
            scale=scale,
            half=_half_squares(codes[:, : linked.channels], scale) if by_distance else np.empty(0, dtype=np.float32),
            vectors=vectors,
            links=np.require(graph.levels[0].neighbors, np.int32, ["C", "W"]),
            upper=upper,
            node=node,
            below=below,
            entry=entry,
            num_levels=graph.num_levels - 1,
            by_distance=by_distance,
        )

    def search(self, queries: Vectors, k: int, ef_search: int, removed: Removed) -> tuple[Vectors, Rows]:
        """As `LinkedRows.search`; removed rows take no place in the beam from the others."""
        linked = len(self.paths.vectors)
        beam = min(max(k, ef_search) * linked // max(linked - removed.count, 1), linked)
        values, rows = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
        if k:
            fast.run(self._kernels.walk, len(queries), queries, self.paths, removed.mask, beam, values, rows)
        return values, rows


_MADE: WeakKeyDictionary[LinkedRows, CodedWalk] = WeakKeyDictionary()


def coded(index: HnswIndex) -> Walk | None:
    """A walk for `HnswIndex.search_rows`, made once for the rows that indexes share.

    None without a compiler (the extra ``fast``), and where nothing is linked.

    Example:
        >>> index = HnswIndex.build(np.eye(3, dtype=np.float32))
        >>> index.search_rows(index.vectors[:1], k=1, walk=coded(index))[1].tolist()
        [[0]]
    """
    kernels = fast.loops("graphlift.serving.kernels")
    if kernels is None or not index.num_linked:
        return None
    walk = _MADE.get(index.linked)
    if walk is None:
        walk = _MADE[index.linked] = CodedWalk(kernels, index.linked)
    return walk.search


def _bounds(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """The middle of every channel, and what a step of its code means, (C,)."""
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    return (high + low) / 2, np.maximum((high - low) / 254, np.float32(1e-30))


def _aligned(rows: int, width: int) -> npt.NDArray[np.int8]:
    """Zeros (rows, width) that start with a cache line."""
    memory = np.zeros(rows * width + LINE, dtype=np.int8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + rows * width].reshape(rows, width)


def _half_squares(codes: npt.NDArray[np.int8], scale: Vectors) -> Vectors:
    """Half the squared length of what codes (N, C) mean, (N,)."""
    halves = [np.square(part * scale).sum(axis=1) / 2 for part in np.array_split(codes, len(codes) // 65536 + 1)]
    return np.concatenate(halves)


def _numbered(graph: HnswGraph) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], int]:
    """The upper levels as `Paths` has them: links of their places, nodes, places below, and where walks start."""
    levels = graph.levels[1:]
    if not levels:
        nobody = np.empty(0, dtype=np.int32)
        return nobody.reshape(0, 1), nobody, nobody, graph.entry_point
    upper, below, first, former = [], [], 0, 0
    for number, level in enumerate(levels):
        upper.append(np.where(level.neighbors == EMPTY, EMPTY, first + np.searchsorted(level.nodes, level.neighbors)))
        down = former + np.searchsorted(levels[number - 1].nodes, level.nodes) if number else level.nodes
        below.append(down)
        first, former = first + len(level.nodes), first
    entry = former + int(np.searchsorted(levels[-1].nodes, graph.entry_point))
    node = np.concatenate([level.nodes for level in levels])
    links, down = (np.concatenate(parts).astype(np.int32) for parts in (upper, below))
    return links, node, down, entry
