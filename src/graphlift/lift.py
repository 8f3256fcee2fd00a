"""The product: an index that learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphlift.errors import InputError, UnknownIdError
from graphlift.evaluation.comparison import Comparison, compare
from graphlift.evaluation.metrics import MAX_GRADE
from graphlift.evaluation.runs import run_from_rankings
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

Judgments = Mapping[Any, Mapping[Any, float] | Iterable[Any]]
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

    def __init__(self, index: HnswIndex, *, texts: Sequence[str] | None = None, embedder: str | None = None) -> None:
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
            return Hits(now.index.ids.array[:0].reshape(0, k), np.empty((0, k), dtype=np.float32))
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
                held out for that, and teach the published lift and join its memory once the choice is made.
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
        query_ids = None if query_ids is None else list(query_ids)
        if checkpoints is not None and Path(checkpoints).exists() and not Path(checkpoints).is_dir():
            raise InputError(f"`checkpoints` must be a folder, got the file {str(checkpoints)!r}.")
        both = next((query for query in dev_qrels or () if query in qrels), None)
        if both is not None:
            raise InputError(f"`dev_qrels` must judge other queries than `qrels`, got {both!r} in both.")
        dev = None if dev_qrels is None else _judged(now.index, queries, query_ids, dev_qrels, "dev_qrels").memory
        result = fit(
            now.index,
            _judged(now.index, queries, query_ids, qrels, "qrels").memory,
            config or FitConfig(),
            dev=dev,
            current=now.lifted,
            device=device,
            checkpoints=None if checkpoints is None else Path(checkpoints),
            progress=progress,
        )
        self._now = replace(now, lifted=result.lifted or now.lifted, report=result.report)
        return result.report

    def evaluate(
        self,
        queries: npt.ArrayLike,
        qrels: Judgments,
        *,
        query_ids: Iterable[Id] | None = None,
        ef_search: int | None = None,
    ) -> Comparison:
        """Compare what serves now with the frozen index on judged queries, warm and cold ones apart.

        A query is warm when one of its relevant documents answered a query that the lift was trained on.

        Args:
            queries: vectors of the same embedder as the documents', (Q, C).
            qrels: relevant documents by query id, grades whole numbers.
            query_ids: ids of the rows of ``queries``; 0 to Q - 1 where left out.
            ef_search: beam of both walks.

        Raises:
            InputError: vectors do not fit, an id is unknown, or nothing is judged relevant.
        """
        now = self._now
        judged = _judged(now.index, queries, query_ids, qrels, "qrels")
        x, k = judged.memory.queries.numpy(), min(10, len(now.index))
        beam = ef_search if now.lifted is None else now.lifted.beam(ef_search)  # the same for both
        names = [str(name) for name in now.index.ids.array]
        rankings = [
            [[names[row] for row in found] for found in searcher.search_rows(x, k, beam)[1].tolist()]
            for searcher in (now.index, now.lifted or now.index)
        ]
        frozen, lifted = (run_from_rankings(judged.ids, ranking) for ranking in rankings)
        warm = [] if now.lifted is None else now.lifted.memory.warm_rows.tolist()
        return compare(judged.named_qrels(names), frozen, lifted, {names[row] for row in warm})

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


@dataclass(frozen=True)
class _Judged:
    """Judged queries with at least one relevant document: their ids, and vectors and answers as rows."""

    ids: list[str]
    memory: Memory

    def named_qrels(self, names: list[str]) -> dict[str, dict[str, float]]:
        """The judgments by the ids of queries and documents."""
        return {
            query: {names[row]: grade for row, grade in graded.items()}
            for query, graded in zip(self.ids, self.memory.graded(), strict=True)
        }


def _judged(
    index: HnswIndex, queries: npt.ArrayLike, query_ids: Iterable[Id] | None, qrels: Judgments, argument: str
) -> _Judged:
    """Check queries and judgments, which are named ``argument`` in messages, and turn ids into rows."""
    x = index.metric.prepare(queries, "queries", index.channels)
    ids = Ids.counted(len(x)) if query_ids is None else Ids(query_ids)
    if len(ids) != len(x):
        raise InputError(f"`query_ids` must be as many as queries ({len(x)}), got {len(ids)}.")
    unknown = next((query for query in qrels if query not in ids), None)
    if unknown is not None:
        raise UnknownIdError(f"`{argument}` must judge queries that have a vector, got {unknown!r}.")
    relevant = {query: _checked_relevant(query, documents, argument) for query, documents in qrels.items()}
    relevant = {query: documents for query, documents in relevant.items() if documents}
    if not relevant:
        raise InputError(f"`{argument}` must judge at least one document relevant, got none.")
    answers = [
        dict(zip(index.ids.rows(list(documents), argument).tolist(), documents.values(), strict=True))
        for documents in relevant.values()
    ]
    memory = Memory.of(torch.from_numpy(x[ids.rows(list(relevant))]), answers)
    return _Judged([str(query) for query in relevant], memory)


def _checked_relevant(query: Id, documents: Mapping[Id, float] | Iterable[Id], argument: str) -> dict[Id, float]:
    """The relevant documents of one query, after their form and grades were checked."""
    if isinstance(documents, str | bytes) or not isinstance(documents, Iterable):
        raise InputError(f"`{argument}` must give a list or grades of documents, got {documents!r} for {query!r}.")
    for document, grade in documents.items() if isinstance(documents, Mapping) else ():
        if not isinstance(grade, int | float | np.number) or float(grade) % 1 or not float(grade) <= MAX_GRADE:
            raise InputError(
                f"`{argument}` must have whole grades up to {MAX_GRADE}, got {grade!r} for {query!r} and {document!r}."
            )
    return relevant_of(documents)


def relevant_of(documents: Mapping[Id, float] | Iterable[Id]) -> dict[Id, float]:
    """The relevant documents of one query, with their grades."""
    if isinstance(documents, Mapping):
        return {document: grade for document, grade in documents.items() if grade > 0}
    return dict.fromkeys(documents, 1.0)
