"""The product: an index that learns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.errors import InputError
from graphlift.evaluation.comparison import Comparison, compare
from graphlift.evaluation.runs import run_from_rankings
from graphlift.explain import explain as explain_hits
from graphlift.feedback import Feedback
from graphlift.index.hits import Hits
from graphlift.index.hnsw import HnswIndex
from graphlift.index.ids import Id
from graphlift.judgments import Judgments, judged, listed, plain
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.online.changes import Add, Remove, Tell, Update
from graphlift.online.versions import Versions
from graphlift.store.snapshot import Snapshot
from graphlift.training.config import FitConfig
from graphlift.training.fit import FitResult, fit
from graphlift.training.more import fit_more
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
        self._versions = Versions(Snapshot(index, texts=None if texts is None else list(texts), embedder=embedder))

    @classmethod
    def _of(cls, versions: Versions) -> Lift:
        lift = cls(versions.now.index)
        lift._versions = versions
        return lift

    @property
    def _now(self) -> Snapshot:
        return self._versions.now

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

    def search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        ef_search: int | None = None,
        *,
        cold_bonus: float | None = None,
        explain: bool = False,
    ) -> Hits:
        """The k best documents of each query.

        Args:
            queries: vectors of the same embedder as the documents', (Q, C).
            k: how many, at most N.
            ef_search: beam of the walk; the index's default where left out.
            cold_bonus: added to the score of a document that no past query was answered by, so that new documents are
                not buried by those with a record; what the fit chose where left out. A frozen index has no use for it.
            explain: also say of each hit what moved it; takes as long as about 100 searches.

        Returns:
            ids and scores, (Q, k); scores of a lifted search order the results of one query and mean nothing else.

        Raises:
            InputError: queries do not fit the index, k is not in [1, N], or the bonus is not finite.
        """
        now = self._now
        prepared = now.index.metric.prepare(queries, "queries", now.index.channels)
        k = now.index.checked_k(k)
        bonus = _checked_bonus(now.lifted, cold_bonus)
        if not len(prepared):
            no_ids, no_scores = now.index.ids.array[:0].reshape(0, k), np.empty((0, k), dtype=np.float32)
            return Hits(no_ids, no_scores, () if explain else None)
        if now.lifted is None:
            found = now.index.search_rows(prepared, k, ef_search)
        else:
            found = now.lifted.search_rows(prepared, k, ef_search, bonus)
        explanations = explain_hits(now.index, now.lifted, prepared, found, ef_search, bonus) if explain else None
        return Hits(now.index.ids.array[found[1]], found[0], explanations)

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
        query_ids = None if query_ids is None else list(query_ids)
        if checkpoints is not None and Path(checkpoints).exists() and not Path(checkpoints).is_dir():
            raise InputError(f"`checkpoints` must be a folder, got the file {str(checkpoints)!r}.")
        both = next((query for query in dev_qrels or () if query in qrels), None)
        if both is not None:
            raise InputError(f"`dev_qrels` must judge other queries than `qrels`, got {both!r} in both.")

        def run(now: Snapshot) -> FitResult:
            dev = None if dev_qrels is None else judged(now.index, queries, query_ids, dev_qrels, "dev_qrels").memory
            return fit(
                now.index,
                judged(now.index, queries, query_ids, qrels, "qrels").memory,
                config or FitConfig(),
                dev=dev,
                current=now.lifted,
                device=device,
                checkpoints=None if checkpoints is None else Path(checkpoints),
                progress=progress,
            )

        return self._versions.fit(run).report

    def fit_more(
        self,
        queries: npt.ArrayLike | None = None,
        qrels: Judgments | None = None,
        *,
        query_ids: Iterable[Id] | None = None,
        config: FitConfig | None = None,
        device: str | None = None,
        progress: ProgressCallback | None = None,
    ) -> FitReport:
        """Learn from what was told since the last fit, without forgetting, and serve the result if it is better.

        Training starts from the weights that serve, and sees old queries along with new ones
        (`FitConfig.more` says how). The new version serves only if new queries that were held out surely gain, and
        old ones lose no more than they may. Feedback counts at once in any case; what has been learned from no longer
        counts outright.

        Args:
            queries: vectors (Q, C) of more queries to learn from, next to those of the feedback.
            qrels: relevant documents of these, as in `fit`; they are remembered if the new version serves.
            query_ids: ids of the rows of ``queries``; 0 to Q - 1 where left out.
            config: everything that can be set, the seed included; the model keeps its shape.
            device: where to train; CUDA where there is one, else the CPU.
            progress: called after every epoch.

        Returns:
            What happened, and whether the new version serves; `rollback` goes back.

        Raises:
            InputError: nothing was fitted yet, something does not fit, or there is too little to learn from; nothing
                changes.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> documents = rng.normal(size=(200, 16))
            >>> lift = Lift(HnswIndex.build(documents))
            >>> queries = documents @ rng.normal(size=(16, 16))
            >>> _ = lift.fit(queries[:120], {query: [query] for query in range(120)})
            >>> lift.feedback(queries[120:], [[document] for document in range(120, 200)])
            >>> lift.fit_more().train_queries
            40
        """

        if (queries is None) != (qrels is None):
            raise InputError("`queries` and `qrels` must be given together, got one of them.")
        query_ids = None if query_ids is None else list(query_ids)

        def run(now: Snapshot) -> FitResult:
            lifted = now.lifted
            if lifted is None or not lifted.learned:
                raise InputError("`fit_more` goes on from a published fit, got none; `fit` makes the first one.")
            if queries is not None and qrels is not None:
                more = judged(now.index, queries, query_ids, qrels, "qrels").memory
                lifted = lifted.remembering(Feedback(more, Memory.empty(now.index.channels)))
            return fit_more(lifted, config or FitConfig(), legacy=now.legacy, device=device, progress=progress)

        return self._versions.fit(run).report

    def rollback(self) -> None:
        """Go back to the weights that served before the last published fit; no feedback is lost.

        What that fit had learned from counts outright again, and the next `fit_more` learns from it.

        Raises:
            InputError: no fit was published since the lift was made, or the last one was taken back already.
        """
        self._versions.roll_back()

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
        self._versions.change(Tell(*listed(queries, relevant_ids, irrelevant_ids)))

    def add(self, vectors: npt.ArrayLike, ids: Iterable[Id], texts: Iterable[str] | None = None) -> None:
        """Add documents; the next search finds them.

        Only they are lifted, and nothing else is computed anew. They are scanned until `graphlift.online.policy` links
        them.

        Args:
            vectors: of the same embedder as the other documents', (n, C).
            ids: one a document, none of which is there.
            texts: one a document, if the lift has texts.

        Raises:
            InputError: something does not fit; nothing changes.

        Example:
            >>> lift = Lift(HnswIndex.build(np.eye(3), ids=["a", "b", "c"]))
            >>> lift.add([[0.9, 0.1, 0.0]], ids=["d"])
            >>> lift.remove(["a"])
            >>> lift.search([[1, 0, 0]], k=1).ids.tolist()
            [['d']]
        """
        self._versions.change(Add(plain(ids), vectors, None if texts is None else list(texts)))

    def remove(self, ids: Iterable[Id]) -> None:
        """Remove documents: no search returns them from now on, and the memory forgets that they answered anything.

        A document that is added under the same id later is a new one.

        Raises:
            InputError: an id is unknown or named twice; nothing changes.
        """
        self._versions.change(Remove(plain(ids)))

    def update(self, ids: Iterable[Id], vectors: npt.ArrayLike, texts: Iterable[str] | None = None) -> None:
        """Give documents other vectors; the memory still knows what they answered.

        Args:
            ids: of documents that are there.
            vectors: one a document, (n, C).
            texts: one a document, where they change, too.

        Raises:
            InputError: something does not fit; nothing changes.
        """
        self._versions.change(Update(plain(ids), vectors, None if texts is None else list(texts)))

    def compact(self) -> None:
        """Put all rows into the graph, and build it anew if documents were removed; changes no content."""
        self._versions.compact()

    def evaluate(
        self,
        queries: npt.ArrayLike,
        qrels: Judgments,
        *,
        query_ids: Iterable[Id] | None = None,
        ef_search: int | None = None,
        cold_bonus: float | None = None,
    ) -> Comparison:
        """Compare what serves now with the frozen index on judged queries, warm and cold ones apart.

        A query is warm when one of its relevant documents answered a query that the lift was trained on.

        Args:
            queries: vectors of the same embedder as the documents', (Q, C).
            qrels: relevant documents by query id, grades whole numbers.
            query_ids: ids of the rows of ``queries``; 0 to Q - 1 where left out.
            ef_search: beam of both walks.
            cold_bonus: as in `search`.

        Raises:
            InputError: vectors do not fit, an id is unknown, nothing is judged relevant, or the bonus is not finite.
        """
        now = self._now
        bonus = _checked_bonus(now.lifted, cold_bonus)
        asked = judged(now.index, queries, query_ids, qrels, "qrels")
        x, k = asked.memory.queries.numpy(), min(10, len(now.index))
        beam = ef_search if now.lifted is None else now.lifted.beam(ef_search)  # the same for both
        names = [str(name) for name in now.index.ids.array]
        found = [now.index.search_rows(x, k, beam)[1]]
        found.append(found[0] if now.lifted is None else now.lifted.search_rows(x, k, beam, bonus)[1])
        rankings = [[[names[row] for row in hits] for hits in rows.tolist()] for rows in found]
        frozen, lifted = (run_from_rankings(asked.ids, ranking) for ranking in rankings)
        warm = [] if now.lifted is None else now.lifted.memory.warm_rows.tolist()
        return compare(asked.named_qrels(names), frozen, lifted, {names[row] for row in warm})

    def save(self, path: str | Path) -> None:
        """Write a store, or a new version of the store that is there; a killed process leaves the old version.

        Raises:
            StoreLockedError: the store is open for writing, here or elsewhere.
            StoreError: the path holds something else, or cannot be written.
        """
        self._versions.save(Path(path))

    def checkpoint(self) -> None:
        """Write all changes into a new version of the store that `open` attached this lift to.

        It happens by itself when the journal grows long. The version before it stays on the disk.

        Raises:
            StoreError: the lift is not attached to a store, or that cannot be written; nothing is lost then.
        """
        self._versions.checkpoint("checkpoint")

    def close(self) -> None:
        """Let others write the store; the lift goes on as a detached copy. Nothing is left to be written."""
        self._versions.close()

    def __enter__(self) -> Lift:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def load(path: str | Path) -> Lift:
    """Read a store; the lift is a copy, and what changes in it stays in memory until it is saved.

    Raises:
        StoreError: there is no store at the path, it is damaged, or a newer graphlift wrote it.

    Example:
        >>> import tempfile, numpy as np
        >>> store = tempfile.mkdtemp() + "/store"
        >>> Lift(HnswIndex.build(np.eye(4), ids=["a", "b", "c", "d"])).save(store)
        >>> load(store).search(np.eye(4)[:1], k=1).ids.tolist()
        [['a']]
    """
    return Lift._of(Versions.copied(Path(path)))


def open(path: str | Path) -> Lift:
    """Open a store for writing: every change of the lift is on the disk when the call that made it returns.

    A process that ends, however it ends, loses nothing that was acknowledged. Close the lift, or use it in a ``with``
    block, to let others write.

    Raises:
        StoreLockedError: the store is open for writing elsewhere.
        StoreError: there is no store at the path, it is damaged or cannot be written, or a newer graphlift wrote it.

    Example:
        >>> import tempfile, numpy as np
        >>> store = tempfile.mkdtemp() + "/store"
        >>> Lift(HnswIndex.build(np.eye(4), ids=["a", "b", "c", "d"])).save(store)
        >>> with open(store) as lift:
        ...     lift.remove(["a"])
        >>> len(load(store).index)
        3
    """
    return Lift._of(Versions.attached(Path(path)))


def _checked_bonus(lifted: LiftedIndex | None, cold_bonus: float | None) -> float:
    """What a search adds to cold documents: what was asked for, or else what the fit chose."""
    if cold_bonus is None:
        return 0.0 if lifted is None else lifted.cold_bonus
    if not isinstance(cold_bonus, int | float | np.number) or not math.isfinite(cold_bonus):
        raise InputError(f"`cold_bonus` must be a finite number, got {cold_bonus!r}.")
    return float(cold_bonus)
