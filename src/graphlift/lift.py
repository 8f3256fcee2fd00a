"""The product: an index that learns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.errors import InputError
from graphlift.evaluation.comparison import Comparison, compare
from graphlift.evaluation.runs import run_from_rankings
from graphlift.index.hits import Hits
from graphlift.index.hnsw import HnswIndex
from graphlift.index.ids import Id
from graphlift.judgments import Judgments, judged, told
from graphlift.lifted import LiftedIndex
from graphlift.store.snapshot import Snapshot, read_snapshot, write_snapshot
from graphlift.training.config import FitConfig
from graphlift.training.fit import fit
from graphlift.training.progress import ProgressCallback
from graphlift.training.report import FitReport


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
        dev = None if dev_qrels is None else judged(now.index, queries, query_ids, dev_qrels, "dev_qrels").memory
        result = fit(
            now.index,
            judged(now.index, queries, query_ids, qrels, "qrels").memory,
            config or FitConfig(),
            dev=dev,
            current=now.lifted,
            device=device,
            checkpoints=None if checkpoints is None else Path(checkpoints),
            progress=progress,
        )
        lifted = result.lifted
        if lifted is not None and now.lifted is not None:  # what was told is not forgotten
            lifted = lifted.remembering(now.lifted.told)
        self._now = replace(now, lifted=lifted or now.lifted, report=result.report)
        return result.report

    def feedback(
        self,
        queries: npt.ArrayLike,
        relevant_ids: Iterable[Any],
        irrelevant_ids: Iterable[Any] | None = None,
    ) -> None:
        """Tell what answered a query and what did not; the next search knows, without any training.

        A fitted lift has the queries in its memory from then on, and its ranker listens to them. A lift that was never
        fitted serves the frozen order, in which documents that answered a query much like this one are raised. Either
        lowers documents that were irrelevant to a query much like this one. Of two judgments of the same query and
        document the later counts.

        Args:
            queries: one vector (C,), or several (Q, C), of the same embedder as the documents'.
            relevant_ids: ids of documents that answered the query; for several queries such a list for each.
            irrelevant_ids: likewise those that were shown and did not answer.

        Raises:
            InputError: vectors do not fit, an id is unknown, a document is both relevant and irrelevant, or nothing
                is said of a query; nothing changes.

        Example:
            >>> lift = Lift(HnswIndex.build(np.eye(4), ids=["a", "b", "c", "d"]))
            >>> query = [0.9, 0.1, 0.3, 0.2]
            >>> lift.feedback(query, ["d"], irrelevant_ids=["a"])
            >>> lift.search([query], k=4).ids.tolist()
            [['d', 'c', 'b', 'a']]
        """
        now = self._now
        feedback = told(now.index, queries, relevant_ids, irrelevant_ids)
        lifted = LiftedIndex.unlearned(now.index) if now.lifted is None else now.lifted
        self._now = replace(now, lifted=lifted.remembering(feedback))

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
        asked = judged(now.index, queries, query_ids, qrels, "qrels")
        x, k = asked.memory.queries.numpy(), min(10, len(now.index))
        beam = ef_search if now.lifted is None else now.lifted.beam(ef_search)  # the same for both
        names = [str(name) for name in now.index.ids.array]
        rankings = [
            [[names[row] for row in found] for found in searcher.search_rows(x, k, beam)[1].tolist()]
            for searcher in (now.index, now.lifted or now.index)
        ]
        frozen, lifted = (run_from_rankings(asked.ids, ranking) for ranking in rankings)
        warm = [] if now.lifted is None else now.lifted.memory.warm_rows.tolist()
        return compare(asked.named_qrels(names), frozen, lifted, {names[row] for row in warm})

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
