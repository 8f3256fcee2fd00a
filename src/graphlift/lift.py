"""The product: an index that learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy.typing as npt
import torch

from graphlift.errors import InputError, UnknownIdError
from graphlift.index.hits import Hits
from graphlift.index.hnsw import HnswIndex
from graphlift.index.ids import Id, Ids
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.store.snapshot import Snapshot, read_snapshot, write_snapshot
from graphlift.training.config import FitConfig
from graphlift.training.fit import fit
from graphlift.training.progress import ProgressCallback
from graphlift.training.report import FitReport

Judgments = Mapping[Id, Mapping[Id, float] | Iterable[Id]]
"""For each query id its relevant documents: grades by id (not relevant at 0 or below), or just ids."""


class Lift:
    """An HNSW index that learns from relevance pairs.

    At birth it ranks exactly as the frozen index does. `fit` trains a model on the index's graph and publishes it
    only if held-out queries gain. Searches from other threads always see one version, the old or the new.

    Args:
        index: the frozen index; it is not changed.
        texts: the documents' texts, one a row, to be shown with results.
        embedder: name of what makes vectors of texts in this index's space (see `graphlift.data.load_embedder`).

    Raises:
        InputError: there is not one text a document.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> documents = rng.normal(size=(200, 16))
        >>> lift = Lift(HnswIndex.build(documents))
        >>> queries = documents[:120] + rng.normal(size=(120, 16))  # each asks for the document it came from
        >>> report = lift.fit(queries, {query: [query] for query in range(120)})
        >>> lift.search(queries[:2], k=3).ids.shape
        (2, 3)
    """

    def __init__(
        self, index: HnswIndex, *, texts: Sequence[str] | None = None, embedder: str | None = None
    ) -> None:
        if texts is not None and len(texts) != len(index):
            raise InputError(f"`texts` must be one a document ({len(index)}), got {len(texts)}.")
        self._now = Snapshot(index, texts=None if texts is None else list(texts), embedder=embedder)

    @classmethod
    def _of(cls, snapshot: Snapshot) -> Lift:
        lift = cls(snapshot.index)
        lift._now = snapshot
        return lift

    def __repr__(self) -> str:
        state = "frozen" if self._now.lifted is None else f"lifted, {self._now.lifted.memory}"
        return f"Lift({self._now.index}, {state})"

    @property
    def index(self) -> HnswIndex:
        """The frozen index."""
        return self._now.index

    @property
    def lifted(self) -> LiftedIndex | None:
        """Index, model and memory that serve; None while the frozen index does."""
        return self._now.lifted

    @property
    def report(self) -> FitReport | None:
        """What the last fit did."""
        return self._now.report

    @property
    def texts(self) -> list[str] | None:
        """The documents' texts, where they are known, in the order of the index."""
        return self._now.texts

    @property
    def embedder(self) -> str | None:
        """Name of what makes vectors of texts in this index's space, where it is known."""
        return self._now.embedder

    def search(self, queries: npt.ArrayLike, k: int = 10, ef_search: int | None = None) -> Hits:
        """The k best documents of each query.

        Args:
            queries: vectors of the same embedder as the documents', (Q, C).
            k: how many, at most N.
            ef_search: beam of the walk; the index's default where left out.

        Returns:
            ids and scores, (Q, k); scores of a lifted search order the results of one query and mean nothing else.

        Raises:
            InputError: queries do not fit the index, or k is not in [1, N].
        """
        now = self._now
        prepared = now.index.metric.prepare(queries, "queries", now.index.channels)
        searcher = now.index if now.lifted is None else now.lifted
        k = now.index.checked_k(k)
        if not len(prepared):
            return Hits(now.index.ids.array[:0].repeat(k).reshape(0, k), prepared[:, :0].repeat(k, axis=1))
        scores, rows = searcher.search_rows(prepared, k, ef_search)
        return Hits(now.index.ids.array[rows], scores)

    def fit(
        self,
        queries: npt.ArrayLike,
        qrels: Judgments,
        *,
        query_ids: Iterable[Id] | None = None,
        dev_qrels: Judgments | None = None,
        config: FitConfig | None = None,
        device: str | None = None,
        checkpoints: str | Path | None = None,
        progress: ProgressCallback | None = None,
    ) -> FitReport:
        """Learn from relevance pairs, and serve the result if held-out queries gain.

        Args:
            queries: vectors of the same embedder as the documents', (Q, C).
            qrels: relevant documents of training queries, by query id.
            query_ids: ids of the rows of ``queries``; 0 to Q - 1 where left out.
            dev_qrels: the same for queries to choose and to judge on. Where left out, some training queries are
                held out for that, and the published model is trained once more on all of them.
            config: everything else that can be set, the seed included.
            device: where to train; CUDA where there is one, else the CPU.
            checkpoints: folder in which an interrupted fit leaves its state, and from which the same fit goes on
                to the same result.
            progress: called after every epoch.

        Returns:
            What happened, and whether the new model serves.

        Raises:
            InputError: vectors do not fit, an id is unknown, or there are too few judged queries; nothing changes.
        """
        now = self._now
        prepared = now.index.metric.prepare(queries, "queries", now.index.channels)
        ids = Ids.counted(len(prepared)) if query_ids is None else Ids(query_ids)
        if len(ids) != len(prepared):
            raise InputError(f"`query_ids` must be as many as queries ({len(prepared)}), got {len(ids)}.")
        x = torch.from_numpy(prepared)
        result = fit(
            now.index,
            _memory(x, ids, qrels, now.index.ids, "qrels"),
            config or FitConfig(),
            dev=None if dev_qrels is None else _memory(x, ids, dev_qrels, now.index.ids, "dev_qrels"),
            current=now.lifted,
            device=device,
            checkpoints=None if checkpoints is None else Path(checkpoints),
            progress=progress,
        )
        self._now = replace(now, lifted=result.lifted or now.lifted, report=result.report)
        return result.report

    def save(self, path: str | Path) -> None:
        """Write a store, or a new version of the store that is there; a killed process leaves the old version.

        Raises:
            StoreError: the path holds something else, or cannot be written.
        """
        write_snapshot(Path(path), self._now)


def load(path: str | Path) -> Lift:
    """Open a store that `Lift.save` wrote.

    Raises:
        StoreError: there is no store at the path, it is damaged, or a newer graphlift wrote it.

    Example:
        >>> import tempfile, numpy as np
        >>> store = tempfile.mkdtemp() + "/store"
        >>> Lift(HnswIndex.build(np.eye(4), ids=["a", "b", "c", "d"])).save(store)
        >>> load(store).search(np.eye(4)[:1], k=1).ids.tolist()
        [['a']]
    """
    return Lift._of(read_snapshot(Path(path)))


def _memory(queries: torch.Tensor, query_ids: Ids, qrels: Judgments, ids: Ids, argument: str) -> Memory:
    """Judged queries with at least one relevant document, as rows."""
    graded = {
        query: dict(documents) if isinstance(documents, Mapping) else dict.fromkeys(documents, 1.0)
        for query, documents in qrels.items()
    }
    for query in graded:
        if query not in query_ids:
            raise UnknownIdError(f"`{argument}` must judge queries that have a vector, got {query!r}.")
    relevant = {
        query: {document: grade for document, grade in documents.items() if grade > 0}
        for query, documents in graded.items()
    }
    relevant = {query: documents for query, documents in relevant.items() if documents}
    answers = [
        dict(zip(ids.rows(list(documents), argument).tolist(), documents.values(), strict=True))
        for documents in relevant.values()
    ]
    return Memory.of(queries[query_ids.rows(list(relevant))], answers)
