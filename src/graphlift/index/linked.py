"""Rows that FAISS has linked into an HNSW graph: the part of an index that a walk can reach."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.graph import HnswGraph
from graphlift.index.links import read_links, write_links
from graphlift.index.removed import Removed
from graphlift.index.storage import Rows, faiss_metric, search, share
from graphlift.metric import Metric, Vectors


class LinkedRows:
    """A graph of vectors in the metric's form, which does not change; FAISS cannot add to a graph that is searched.

    Example:
        >>> vectors = np.eye(4, dtype=np.float32)
        >>> linked = LinkedRows.empty(4, Metric.L2, M=4, ef_construction=40, ef_search=16).plus(vectors)
        >>> linked.search(vectors[[2]], k=1, ef_search=16)[1].tolist()
        [[2]]
    """

    def __init__(self, index: Any, metric: Metric) -> None:
        self._faiss = index
        self.metric = metric

    @classmethod
    def empty(cls, channels: int, metric: Metric, *, M: int, ef_construction: int, ef_search: int) -> LinkedRows:
        """No rows yet."""
        index = faiss.IndexHNSWFlat(channels, M, faiss_metric(metric))
        index.hnsw.efConstruction = ef_construction
        index.hnsw.efSearch = ef_search
        return cls(index, metric)

    def with_links(self, vectors: Vectors, graph: HnswGraph) -> LinkedRows:
        """Other vectors (N, C) under the links of a graph, with the settings of this one; shared, not copied."""
        other = self._like(vectors.shape[1])
        write_links(graph, other._faiss.hnsw)
        share(other._faiss, vectors)
        other.graph = graph
        return other

    def plus(self, vectors: Vectors, progress: Callable[[int], None] | None = None) -> LinkedRows:
        """These rows and others (n, C) behind them, all linked; FAISS keeps a copy of all."""
        other = self._like(vectors.shape[1])
        if len(self):
            other._faiss.hnsw = self._faiss.hnsw
            other._storage.add(self.x.numpy())
            other._faiss.ntotal = len(self)
        step = len(vectors) if progress is None else max(256, len(vectors) // 100)
        for start in range(0, len(vectors), step):
            other._faiss.add(vectors[start : start + step])
            if progress is not None:
                progress(len(other))
        return other

    def sharing(self, vectors: Vectors) -> LinkedRows:
        """The same in the memory of equal vectors (N, C), so that they are there only once; this one is spent then."""
        share(self._faiss, vectors)
        return LinkedRows(self._faiss, self.metric)

    def _like(self, channels: int) -> LinkedRows:
        return self.empty(
            channels, self.metric, M=self.M, ef_construction=self.ef_construction, ef_search=self.ef_search
        )

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    @property
    def channels(self) -> int:
        """C, the width of a vector."""
        return int(self._faiss.d)

    @property
    def M(self) -> int:  # noqa: N802 - HNSW's own name
        """Links a node on the upper levels."""
        return int(self._faiss.hnsw.nb_neighbors(1))

    @property
    def ef_construction(self) -> int:
        """Beam of the walk that found the links."""
        return int(self._faiss.hnsw.efConstruction)

    @property
    def ef_search(self) -> int:
        """Default beam of a search."""
        return int(self._faiss.hnsw.efSearch)

    @cached_property
    def x(self) -> Tensor:
        """The vectors (N, C) as a tensor that shares FAISS's own memory; not to be written to."""
        memory = faiss.rev_swig_ptr(self._storage.get_xb(), len(self) * self.channels)
        return torch.from_numpy(np.asarray(_Borrowed(memory, owner=self._faiss))).view(len(self), self.channels)

    @cached_property
    def graph(self) -> HnswGraph:
        """All levels' links as arrays, read once."""
        return read_links(self._faiss.hnsw)

    def search(self, queries: Vectors, k: int, ef_search: int, removed: Removed | None = None) -> tuple[Vectors, Rows]:
        """Similarities and rows of the k nearest that the walk finds, both (Q, k), without removed ones."""
        beam, selector = max(k, ef_search), None if removed is None else removed.selector
        params = _of_beam(beam) if selector is None else faiss.SearchParametersHNSW(efSearch=beam, sel=selector)
        values, rows = search(self._faiss, self.metric, queries, k, params)
        short = np.flatnonzero((rows < 0).any(axis=1))
        if len(short):  # nodes without incoming links cannot be walked to: such queries are scanned
            values[short], rows[short] = self.scan(queries[short], k, removed)
        return values, rows

    def scan(self, queries: Vectors, k: int, removed: Removed | None = None) -> tuple[Vectors, Rows]:
        """Like `search`, by a scan of all vectors."""
        selector = None if removed is None else removed.selector
        params = None if selector is None else faiss.SearchParameters(sel=selector)
        return search(self._storage, self.metric, queries, k, params)

    @property
    def _storage(self) -> Any:
        return faiss.downcast_index(self._faiss.storage)


@lru_cache
def _of_beam(beam: int) -> Any:
    """FAISS's parameters of a walk, which it only reads; making them takes a tenth of a small search."""
    return faiss.SearchParametersHNSW(efSearch=beam)


class _Borrowed:
    """Memory of a C++ object, which stays alive as long as an array made of it does."""

    def __init__(self, memory: npt.NDArray[Any], owner: object) -> None:
        self.__array_interface__ = memory.__array_interface__
        self.owner = owner
