"""A walk through an index's graph in compiled loops, along codes."""

from __future__ import annotations

from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphlift.graph import EMPTY, HnswGraph
from graphlift.index.hnsw import HnswIndex
from graphlift.index.linked import LinkedRows
from graphlift.index.storage import Rows
from graphlift.metric import Vectors
from graphlift.nn import fast
from graphlift.serving.codes import codes_of

Places = npt.NDArray[np.int32]
SAMPLED, LEAST = 128, 0.985
"""So many rows are asked for their neighbors; so many of what FAISS finds, or as near ones, must be found."""


class CodedWalk:
    """`HnswIndex.search_rows` by another walk, which finds nearly the same in less time.

    It goes by `graphlift.serving.codes`, and compares what it ends with by the vectors themselves. Rows behind the
    graph are compared, too. The codes of linked rows are made once for all indexes that share them.

    Args:
        kernels: the loops.
        index: what is walked, with at least one row in its graph.

    Attributes:
        misleads: whether codes are too coarse for these vectors, so that the walk finds less than FAISS's.
        terrain: what the loop `walk_span` takes once it is pinned.

    Example:
        >>> index = HnswIndex.build(np.eye(3, dtype=np.float32))
        >>> walk = CodedWalk.of(index) or index  # without a compiler FAISS walks
        >>> walk.search_rows(index.vectors[1:2], k=1)[1].tolist()
        [[1]]
    """

    def __init__(self, kernels: Any, index: HnswIndex) -> None:
        self._walk, self.index = kernels.walk_span, index
        codes, paths, self.misleads = _MADE.get(index.linked) or _made(kernels, index)
        removed = np.require(index.removed.mask, requirements=["C", "W"])
        self.terrain = kernels.Terrain(codes._replace(vectors=index.x.numpy()), paths, removed)
        self._pinned = kernels.Pinned(self.terrain)

    @classmethod
    def of(cls, index: object) -> Self | None:
        """A walk, or None without a compiler (the extra ``fast``), of what has no graph, and where codes mislead."""
        kernels = fast.loops("graphlift.serving.kernels")
        if kernels is None or not isinstance(index, HnswIndex) or not index.num_linked:
            return None
        walk = cls(kernels, index)
        return None if walk.misleads else walk

    def beam(self, k: int, ef_search: int) -> int:
        """How many linked rows a walk keeps: removed ones take no place from the others."""
        index = self.index
        return min(max(k, ef_search) * index.num_rows // max(len(index), 1), len(self.terrain.paths.links))

    def search_rows(self, queries: Vectors, k: int, ef_search: int | None = None) -> tuple[Vectors, Rows]:
        """As `HnswIndex.search_rows`."""
        queries = np.require(queries, requirements=["C", "W"])  # loops are compiled anew for arrays of any other kind
        beam = self.beam(k, self.index.checked_ef(ef_search))
        values, rows = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
        fast.run(self._walk, len(queries), queries, self._pinned, beam, values, rows)
        short = np.flatnonzero((rows < 0).any(axis=1))
        if len(short):  # nodes without incoming links cannot be walked to
            values[short], rows[short] = self.index.search_rows(queries[short], k, ef_search)
        return values, rows


_MADE: WeakKeyDictionary[LinkedRows, tuple[Any, Any, bool]] = WeakKeyDictionary()
"""Codes and links of linked rows, and whether the codes mislead."""


def _made(kernels: Any, index: HnswIndex) -> tuple[Any, Any, bool]:
    """What `_MADE` keeps."""
    codes = codes_of(kernels, index.linked.x.numpy(), index.metric)
    links = np.require(index.graph.levels[0].neighbors, np.int32, ["C", "W"])
    paths = kernels.Paths(links, *_upper(index.graph), num_levels=index.graph.num_levels - 1)
    made = codes, paths, _misleads(kernels, index.linked, codes, paths)
    _MADE[index.linked] = made
    return made


def _misleads(kernels: Any, linked: LinkedRows, codes: Any, paths: Any) -> bool:
    """Whether a walk by codes finds less than FAISS's, by a sample of the rows as queries.

    A byte is enough for channels whose values spread evenly, as those of embeddings do, and not for values of very
    different size.
    """
    rows = np.linspace(0, len(linked) - 1, min(len(linked), SAMPLED)).astype(np.int64)
    sample, k = codes.vectors[rows], min(10, len(linked))
    theirs, rows = linked.search(sample, k, linked.ef_search)
    theirs[rows < 0] = -np.inf  # what no link leads to is found by neither
    ours, found = np.empty_like(theirs), np.empty(theirs.shape, dtype=np.int64)
    terrain = kernels.Pinned(kernels.Terrain(codes, paths, np.zeros(len(linked), dtype=np.bool_)))
    fast.run(kernels.walk_span, len(sample), sample, terrain, max(k, linked.ef_search), ours, found)
    farthest = theirs[:, -1:]
    as_near = ours >= np.where(np.isfinite(farthest), farthest - 1e-5 * np.abs(farthest), -np.inf)
    return bool(as_near.mean() < LEAST)


def _upper(graph: HnswGraph) -> tuple[Places, Places, Places, int]:
    """The upper levels as ``Paths`` has them: links of their places, nodes, places below, and where walks start."""
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
