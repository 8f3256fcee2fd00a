"""An HNSW index on FAISS: build, search, vectors and links."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.graph import HnswGraph
from graphlift.index.hits import Hits
from graphlift.index.ids import Id, Ids
from graphlift.index.links import read_links, write_links
from graphlift.index.storage import Rows, faiss_metric, search, share
from graphlift.metric import Metric, Vectors


class HnswIndex:
    """A Hierarchical Navigable Small World index (Malkov & Yashunin, 2018) with the user's own ids.

    Make one with `build`, or with `from_graph` where links exist already. The vectors and links of an index
    do not change; `with_vectors` gives the same links other vectors.

    Example:
        >>> vectors = np.eye(4, dtype=np.float32)
        >>> index = HnswIndex.build(vectors, ids=["a", "b", "c", "d"], M=4)
        >>> index.search(vectors[[2]], k=1).ids.tolist()
        [['c']]
        >>> index.graph.num_nodes
        4
    """

    def __init__(self, index: Any, ids: Ids, metric: Metric) -> None:
        self._faiss = index
        self.ids = ids
        self.metric = metric

    @classmethod
    def build(
        cls,
        vectors: npt.ArrayLike,
        ids: Iterable[Id] | None = None,
        *,
        metric: Metric | str = Metric.COSINE,
        M: int = 16,
        ef_construction: int = 200,
        ef_search: int = 64,
        progress: Callable[[int], None] | None = None,
    ) -> HnswIndex:
        """Build an index.

        Args:
            vectors: finite numbers (N, C).
            ids: one int or str a row; 0 to N - 1 where left out.
            metric: ``"cosine"``, ``"ip"`` (inner product) or ``"l2"``.
            M: links a node on the upper levels, twice as many at the bottom.
            ef_construction: beam of the walk that finds links; larger is slower and better.
            ef_search: default beam of `search`.
            progress: called after every batch with the number of vectors that are in the index so far.

        Raises:
            InputError: an argument is out of its range; nothing is built.
        """
        try:
            metric = Metric(metric)
        except ValueError:
            known = ", ".join(repr(m.value) for m in Metric)
            raise InputError(f"`metric` must be one of {known}, got {metric!r}.") from None
        for name, value, low in [("M", M, 2), ("ef_construction", ef_construction, 1), ("ef_search", ef_search, 1)]:
            if not isinstance(value, int) or not low <= value < 2**31:
                raise InputError(f"`{name}` must be a 32-bit integer of at least {low}, got {value!r}.")
        prepared = metric.prepare(vectors, "vectors")
        if not len(prepared):
            raise InputError("`vectors` must hold at least one row, got none.")
        names = Ids.counted(len(prepared)) if ids is None else Ids(ids)
        if len(names) != len(prepared):
            raise InputError(f"`ids` must be as many as vectors ({len(prepared)}), got {len(names)}.")
        index = faiss.IndexHNSWFlat(prepared.shape[1], M, faiss_metric(metric))
        index.hnsw.efConstruction = ef_construction
        index.hnsw.efSearch = ef_search
        step = len(prepared) if progress is None else max(256, len(prepared) // 100)
        for start in range(0, len(prepared), step):
            index.add(prepared[start : start + step])
            if progress is not None:
                progress(int(index.ntotal))
        return cls(index, names, metric)

    @classmethod
    def from_graph(
        cls,
        vectors: Vectors,
        graph: HnswGraph,
        ids: Ids,
        metric: Metric,
        *,
        M: int,
        ef_construction: int,
        ef_search: int,
    ) -> HnswIndex:
        """An index over existing links and vectors in the metric's form (`Metric.prepare`).

        The vectors are shared and not copied: they must not be written to any more.
        """
        if not len(vectors) == graph.num_nodes == len(ids):
            raise InputError(
                f"`vectors`, `graph` and `ids` must agree, got {len(vectors)}, {graph.num_nodes} and {len(ids)} nodes."
            )
        index = faiss.IndexHNSWFlat(vectors.shape[1], M, faiss_metric(metric))
        write_links(graph, index.hnsw)
        index.hnsw.efConstruction = ef_construction
        index.hnsw.efSearch = ef_search
        share(index, vectors)
        made = cls(index, ids, metric)
        made.graph = graph  # known already; reading it again would double its memory
        return made

    def with_vectors(self, vectors: Vectors) -> HnswIndex:
        """The same nodes and links under other vectors (N, C) in the metric's form, shared as in `from_graph`."""
        return HnswIndex.from_graph(
            vectors,
            self.graph,
            self.ids,
            self.metric,
            M=self.M,
            ef_construction=self.ef_construction,
            ef_search=self.ef_search,
        )

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    def __repr__(self) -> str:
        return f"HnswIndex(vectors={len(self)}, channels={self.channels}, metric={self.metric.value!r}, M={self.M})"

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
        """The stored vectors (N, C) as a tensor that shares FAISS's own memory; not to be written to."""
        memory = faiss.rev_swig_ptr(faiss.downcast_index(self._faiss.storage).get_xb(), len(self) * self.channels)
        return torch.from_numpy(np.asarray(_Borrowed(memory, owner=self._faiss))).view(len(self), self.channels)

    @property
    def vectors(self) -> Vectors:
        """The stored vectors (N, C), a read-only view into FAISS's own memory."""
        vectors = self.x.numpy()
        vectors.flags.writeable = False
        return vectors

    @cached_property
    def graph(self) -> HnswGraph:
        """All levels' links as arrays, read once."""
        return read_links(self._faiss.hnsw)

    def search(self, queries: npt.ArrayLike, k: int = 10, ef_search: int | None = None) -> Hits:
        """The k nearest documents of each query.

        Args:
            queries: finite numbers (Q, C).
            k: how many, at most N.
            ef_search: beam of the walk; the index's default where left out, never less than k.

        Raises:
            InputError: queries do not fit the index, or k is not in [1, N].
        """
        prepared = self.metric.prepare(queries, "queries", self.channels)
        similarities, rows = self.search_rows(prepared, self.checked_k(k), ef_search)
        return Hits(self.ids.array[rows], similarities)

    def checked_k(self, k: int) -> int:
        """``k`` itself, where the index can answer it.

        Raises:
            InputError: k is not an integer in [1, N].
        """
        if not isinstance(k, int | np.integer) or not 1 <= k <= len(self):
            raise InputError(f"`k` must be an integer in [1, {len(self)}] (the index's size), got {k!r}.")
        return int(k)

    def checked_ef(self, ef_search: int | None) -> int:
        """The beam itself, or the index's default where none is given.

        Raises:
            InputError: it is not a positive 32-bit integer.
        """
        if ef_search is None:
            return self.ef_search
        if not isinstance(ef_search, int | np.integer) or not 1 <= ef_search < 2**31:
            raise InputError(f"`ef_search` must be a positive 32-bit integer, got {ef_search!r}.")
        return int(ef_search)

    def search_rows(self, queries: Vectors, k: int, ef_search: int | None = None) -> tuple[Vectors, Rows]:
        """Like `search` for queries in the metric's form: similarities and rows, both (Q, k)."""
        params = faiss.SearchParametersHNSW(efSearch=max(k, self.checked_ef(ef_search)))
        values, rows = search(self._faiss, self.metric, queries, k, params)
        short = np.flatnonzero(rows[:, -1] < 0)
        if len(short):  # nodes without incoming links cannot be walked to: such queries are scanned
            values[short], rows[short] = self.exact_search_rows(queries[short], k)
        return values, rows

    def exact_search_rows(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """Similarities and rows of the true k nearest by a scan of all vectors, both (Q, k)."""
        return search(faiss.downcast_index(self._faiss.storage), self.metric, queries, k)

    def sampled_recall(self, queries: Vectors, k: int = 10, ef_search: int | None = None) -> float:
        """Share of the true k nearest that the walk finds, mean over queries in the metric's form."""
        k = min(k, len(self))
        found = self.search_rows(queries, k, ef_search)[1]
        true = self.exact_search_rows(queries, k)[1]
        return float((found[:, :, None] == true[:, None, :]).any(axis=1).mean())


class _Borrowed:
    """Memory of a C++ object, which stays alive as long as an array made of it does."""

    def __init__(self, memory: npt.NDArray[Any], owner: object) -> None:
        self.__array_interface__ = memory.__array_interface__
        self.owner = owner
