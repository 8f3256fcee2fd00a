"""Whether a new model may serve: only if held-out queries gain."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.evaluation.bootstrap import paired_interval
from graphlift.evaluation.metrics import evaluate
from graphlift.evaluation.runs import run_from_rankings
from graphlift.index.storage import Rows
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.metric import Vectors
from graphlift.search.subgraph import Subgraphs

Scores = npt.NDArray[np.float64]


class Searcher(Protocol):
    """Anything that ranks documents: a frozen index, a lifted one."""

    def __len__(self) -> int:
        """Number of documents."""
        ...

    def search_rows(self, queries: Vectors, k: int, ef_search: int | None = None) -> tuple[Vectors, Rows]:
        """Scores and rows of the k best documents, both (Q, k)."""
        ...


def ndcg(searcher: Searcher, queries: Memory, ef_search: int, vectors: Tensor | None = None) -> Scores:
    """nDCG@10 of every query, (Q,); ``vectors`` (Q, C) are searched for in place of the queries' own."""
    x = queries.queries if vectors is None else vectors
    return ndcg_of_rows(searcher.search_rows(x.numpy(), min(10, len(searcher)), ef_search)[1], queries)


def ndcg_of_lift(lifted: LiftedIndex, queries: Memory) -> Scores:
    """nDCG@10 of every query, (Q,), by the walk through lifted documents, which nobody ranks anew."""
    return ndcg(lifted.walk_index, queries, lifted.beam(), lifted.lift_queries(queries.queries))


def ndcg_of_rows(rows: Rows, queries: Memory) -> Scores:
    """nDCG@10 of rankings that exist already, rows (Q, k) best first."""
    names = [str(number) for number in range(len(queries))]
    qrels = {
        name: {str(row): grade for row, grade in graded.items()}
        for name, graded in zip(names, queries.graded(), strict=True)
    }
    per_query = evaluate(qrels, run_from_rankings(names, rows.astype(str).tolist()), metrics=("nDCG@10",))
    return per_query.values["nDCG@10"]


def ndcg_of_scores(scores: Tensor, subgraphs: Subgraphs, queries: Memory) -> Scores:
    """nDCG@10 of every query, (Q,), by the order that scores (Q, n) give to the candidates of its subgraph."""
    shown = min(10, int(subgraphs.mask.sum(dim=1).min()))  # as many as every query has
    best = scores.masked_fill(~subgraphs.mask, -torch.inf).topk(shown).indices
    return ndcg_of_rows(subgraphs.rows.gather(1, best).numpy(), queries)


def gain_is_sure(before: Scores, after: Scores, confidence: float) -> tuple[bool, tuple[float, float]]:
    """Whether the mean rose, sure to ``confidence`` by paired bootstrap, and the 95 % interval of the rise."""
    low, _ = paired_interval(before, after, confidence=2 * confidence - 1)  # one-sided
    return bool(after.mean() > before.mean() and low > 0), paired_interval(before, after)
