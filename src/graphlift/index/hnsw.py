"""An HNSW index: build, search, vectors and links, and the next version of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.graph import HnswGraph
from graphlift.growing import grown
from graphlift.index.hits import Hits
from graphlift.index.ids import Id, Ids
from graphlift.index.linked import LinkedRows
from graphlift.index.removed import Removed
from graphlift.index.storage import Rows, scan
from graphlift.metric import Metric, Vectors


class HnswIndex:
    """A Hierarchical Navigable Small World index (Malkov & Yashunin, 2018) with the user's own ids.

    Make one with `build`, or with `from_graph` where links exist already. An index does not change. `plus`, `minus`
    and `with_vectors` give another one that shares its links: rows that are added are scanned until `relinked` puts
    them into the graph, and removed rows stay in it as way marks until `compacted` builds one without them.

    Attributes:
        ids: of the rows.
        metric: how near two vectors are.
        linked: the rows that are in the graph, which other indexes may share.
        removed: rows that no search returns.

    Example:
        >>> vectors = np.eye(4, dtype=np.float32)
        >>> index = HnswIndex.build(vectors, ids=["a", "b", "c", "d"], M=4)
        >>> index.search(vectors[[2]], k=1).ids.tolist()
        [['c']]
        >>> index.graph.num_nodes
        4
    """

    def __init__(self, linked: LinkedRows, ids: Ids, x: Tensor | None = None, removed: Removed | None = None) -> None:
        self.ids, self.metric, self.linked = ids, linked.metric, linked
        self._x = linked.x if x is None else x
        self.removed = Removed.none(len(self._x)) if removed is None else removed

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
        empty = LinkedRows.empty(prepared.shape[1], metric, M=M, ef_construction=ef_construction, ef_search=ef_search)
        return cls(empty.plus(prepared, progress), names)

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
        removed: Removed | None = None,
    ) -> HnswIndex:
        """An index over existing links and vectors in the metric's form (`Metric.prepare`).

        The vectors are shared and not copied: they must not be written to any more.
        """
        count = len(vectors) if removed is None else len(removed.mask)
        if not len(vectors) == graph.num_nodes == len(ids) == count:
            raise InputError(
                f"`vectors`, `graph` and `ids` must agree, got {len(vectors)}, {graph.num_nodes} and {len(ids)} nodes."
            )
        empty = LinkedRows.empty(vectors.shape[1], metric, M=M, ef_construction=ef_construction, ef_search=ef_search)
        return cls(empty.with_links(vectors, graph), ids, removed=removed)

    def with_vectors(self, vectors: Vectors | Tensor) -> HnswIndex:
        """The same nodes and links under other vectors (N, C) in the metric's form, shared as in `from_graph`."""
        if not isinstance(vectors, Tensor):  # torch takes no array that must not be written to
            vectors = torch.from_numpy(vectors if vectors.flags.writeable else vectors.copy())
        x = vectors
        linked = self.linked.with_links(x[: self.num_linked].numpy(), self.graph)
        return HnswIndex(linked, self.ids, x, self.removed)

    def plus(self, vectors: Vectors, ids: Ids) -> HnswIndex:
        """The same with more rows (n, C) behind, in the metric's form; ``ids`` names all rows."""
        return HnswIndex(self.linked, ids, grown(self.x, torch.from_numpy(vectors)), self.removed.plus(len(vectors)))

    def minus(self, rows: Rows, ids: Ids) -> HnswIndex:
        """The same without some rows; ``ids`` names the others."""
        return HnswIndex(self.linked, ids, self.x, self.removed.marked(rows))

    def relinked(self) -> HnswIndex:
        """The same with all rows in the graph: those behind it are put in as a build would."""
        linked = self.linked.plus(self.x[self.num_linked :].numpy()).sharing(self.x.numpy())
        return HnswIndex(linked, self.ids, self.x, self.removed)

    def rebuilt(self) -> HnswIndex:
        """The same with links that are made anew."""
        empty = LinkedRows.empty(self.channels, self.metric, **self._settings)
        return HnswIndex(empty.plus(self.x.numpy()).sharing(self.x.numpy()), self.ids, self.x, self.removed)

    def compacted(self) -> HnswIndex:
        """An index that is built anew of the rows that are not removed; they are numbered anew, in their order."""
        kept = self.removed.kept
        empty = LinkedRows.empty(self.channels, self.metric, **self._settings)
        return HnswIndex(empty.plus(self.vectors[kept]), Ids(self.ids.array[kept]))

    @property
    def _settings(self) -> dict[str, int]:
        return {"M": self.M, "ef_construction": self.ef_construction, "ef_search": self.ef_search}

    def __len__(self) -> int:
        """Documents, without those that were removed."""
        return self.num_rows - self.removed.count

    def __repr__(self) -> str:
        return f"HnswIndex(vectors={len(self)}, channels={self.channels}, metric={self.metric.value!r}, M={self.M})"

    @cached_property
    def num_rows(self) -> int:
        """Documents, with those that were removed and are still there."""
        return len(self._x)

    @property
    def num_linked(self) -> int:
        """How many rows, from the first on, are in the graph; those behind it are scanned."""
        return len(self.linked)

    @property
    def channels(self) -> int:
        """C, the width of a vector."""
        return self.linked.channels

    @property
    def M(self) -> int:  # noqa: N802 - HNSW's own name
        """Links a node on the upper levels."""
        return self.linked.M

    @property
    def ef_construction(self) -> int:
        """Beam of the walk that found the links."""
        return self.linked.ef_construction

    @property
    def ef_search(self) -> int:
        """Default beam of a search."""
        return self.linked.ef_search

    @property
    def x(self) -> Tensor:
        """The vectors of all rows, removed ones too, (N, C); it may be FAISS's own memory: not to be written to."""
        return self._x

    @property
    def vectors(self) -> Vectors:
        """The vectors of all rows (N, C), read-only."""
        vectors = self._x.numpy()
        vectors.flags.writeable = False
        return vectors

    @property
    def graph(self) -> HnswGraph:
        """All levels' links of the rows that are in the graph, as arrays."""
        return self.linked.graph

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
        count, beam = min(k, self._num_reachable), self.checked_ef(ef_search)
        return self._with_tail(queries, k, *self.linked.search(queries, count, max(k, beam), self.removed))

    def exact_search_rows(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        """Similarities and rows of the true k nearest by a scan of all vectors, both (Q, k)."""
        return self._with_tail(queries, k, *self.linked.scan(queries, min(k, self._num_reachable), self.removed))

    def sampled_recall(self, queries: Vectors, k: int = 10, ef_search: int | None = None) -> float:
        """Share of the true k nearest that the walk finds, mean over queries in the metric's form."""
        k = min(k, len(self))
        found = self.search_rows(queries, k, ef_search)[1]
        true = self.exact_search_rows(queries, k)[1]
        return float((found[:, :, None] == true[:, None, :]).any(axis=1).mean())

    @cached_property
    def _num_reachable(self) -> int:
        """Rows in the graph that a search may return."""
        return self.num_linked - int(self.removed.mask[: self.num_linked].sum())

    @cached_property
    def _tail(self) -> tuple[Rows, Vectors]:
        """Rows behind the graph that a search may return, and their vectors."""
        rows = self.num_linked + np.flatnonzero(~self.removed.mask[self.num_linked :])
        return rows, self.vectors[rows]

    def _with_tail(self, queries: Vectors, k: int, values: Vectors, rows: Rows) -> tuple[Vectors, Rows]:
        """The k best of what was found in the graph and of the rows behind it."""
        if self.num_linked == self.num_rows:
            return values, rows
        behind, vectors = self._tail
        near, place = scan(vectors, self.metric, queries, min(k, len(behind)))
        values, rows = np.concatenate([values, near], axis=1), np.concatenate([rows, behind[place]], axis=1)
        best = np.argsort(-values, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(values, best, axis=1), np.take_along_axis(rows, best, axis=1)
