"""Frozen against lifted, query by query, for warm and cold queries apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphlift.evaluation.bootstrap import paired_interval
from graphlift.evaluation.metrics import PerQuery, evaluate
from graphlift.evaluation.runs import Run

Scores: TypeAlias = dict[str, float | int]
"""Metric -> mean, and `queries` -> how many."""


@dataclass(frozen=True)
class Slice:
    """Frozen against lifted over some of the queries.

    Attributes:
        queries: how many.
        frozen: metric -> mean of the frozen run.
        lifted: metric -> mean of the lifted run.
        better: queries whose nDCG@10 rose.
        worse: queries whose nDCG@10 fell.
        same: queries whose nDCG@10 is what it was.
        interval: 95 % paired bootstrap interval of the mean rise of nDCG@10.
    """

    queries: int
    frozen: dict[str, float]
    lifted: dict[str, float]
    better: int
    worse: int
    same: int
    interval: tuple[float, float]

    @property
    def frozen_scores(self) -> Scores:
        """`frozen` and `queries` in one."""
        return {**self.frozen, "queries": self.queries}

    @property
    def lifted_scores(self) -> Scores:
        """`lifted` and `queries` in one."""
        return {**self.lifted, "queries": self.queries}


class QueryChange(NamedTuple):
    """The nDCG@10 of one query before and after."""

    query_id: str
    frozen: float
    lifted: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Frozen against lifted.

    Attributes:
        all: over all Q queries.
        warm: over the queries with an answer that was an answer in training, or None if there are none.
        cold: over the others, or None if there are none.
        query_ids: the Q queries.
        frozen_ndcg: nDCG@10 of the frozen run, shape (Q,).
        lifted_ndcg: nDCG@10 of the lifted run, shape (Q,).
    """

    all: Slice
    warm: Slice | None
    cold: Slice | None
    query_ids: list[str]
    frozen_ndcg: NDArray[np.float64]
    lifted_ndcg: NDArray[np.float64]

    def best(self, n: int) -> list[QueryChange]:
        """At most n queries whose nDCG@10 rose, the largest rise first."""
        return self._changes(self.lifted_ndcg - self.frozen_ndcg, n)

    def worst(self, n: int) -> list[QueryChange]:
        """At most n queries whose nDCG@10 fell, the largest fall first."""
        return self._changes(self.frozen_ndcg - self.lifted_ndcg, n)

    def to_dict(self) -> dict[str, dict[str, Scores | None]]:
        """The means as plain numbers, ready for JSON: system -> slice -> metric."""
        slices = {"all": self.all, "warm": self.warm, "cold": self.cold}
        return {
            "frozen": {name: None if part is None else part.frozen_scores for name, part in slices.items()},
            "lifted": {name: None if part is None else part.lifted_scores for name, part in slices.items()},
        }

    def _changes(self, amount: NDArray[np.float64], n: int) -> list[QueryChange]:
        order = np.argsort(-amount, kind="stable")[:n]
        return [
            QueryChange(self.query_ids[i], float(self.frozen_ndcg[i]), float(self.lifted_ndcg[i]))
            for i in order[amount[order] > 0]
        ]


def compare(
    qrels: Mapping[str, Mapping[str, float]],
    frozen_run: Run,
    lifted_run: Run,
    warm_documents: Collection[str],
) -> Comparison:
    """Compare two runs on the same judgments.

    A query is cold when none of its relevant documents was an answer in training: there the lift has only
    what generalises, and may lose what the frozen index had.

    Args:
        qrels: query id -> document id -> grade.
        frozen_run: what the frozen index returned, query id -> document id -> score.
        lifted_run: what the lifted index returned.
        warm_documents: documents that are an answer to a training query.

    Raises:
        InputError: as in `evaluate`.

    Example:
        >>> qrels = {"q1": {"d7": 1}, "q2": {"d3": 1}}
        >>> frozen = {"q1": {"d5": 2, "d7": 1}, "q2": {"d3": 2, "d5": 1}}
        >>> lifted = {"q1": {"d7": 2, "d5": 1}, "q2": {"d3": 2, "d5": 1}}
        >>> comparison = compare(qrels, frozen, lifted, warm_documents={"d7"})
        >>> comparison.best(5)
        [QueryChange(query_id='q1', frozen=0.63, lifted=1.0)]
        >>> comparison.to_dict()["lifted"]["cold"]
        {'nDCG@10': 1.0, 'R@10': 1.0, 'RR@10': 1.0, 'queries': 1}
    """
    frozen, lifted = evaluate(qrels, frozen_run), evaluate(qrels, lifted_run)
    warm_documents = set(warm_documents)
    is_warm = np.array(
        [
            any(grade > 0 and document in warm_documents for document, grade in qrels[query].items())
            for query in frozen.query_ids
        ]
    )
    return Comparison(
        all=_slice(frozen, lifted, np.ones_like(is_warm)),
        warm=_slice(frozen, lifted, is_warm) if is_warm.any() else None,
        cold=_slice(frozen, lifted, ~is_warm) if not is_warm.all() else None,
        query_ids=frozen.query_ids,
        frozen_ndcg=frozen.values["nDCG@10"],
        lifted_ndcg=lifted.values["nDCG@10"],
    )


def _slice(frozen: PerQuery, lifted: PerQuery, rows: NDArray[np.bool_]) -> Slice:
    before, after = frozen.values["nDCG@10"][rows], lifted.values["nDCG@10"][rows]
    return Slice(
        queries=int(rows.sum()),
        frozen={metric: float(values[rows].mean()) for metric, values in frozen.values.items()},
        lifted={metric: float(values[rows].mean()) for metric, values in lifted.values.items()},
        better=int((after > before).sum()),
        worse=int((after < before).sum()),
        same=int((after == before).sum()),
        interval=paired_interval(before, after),
    )
