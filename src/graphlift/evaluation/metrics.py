"""Retrieval metrics for every query, computed by ir_measures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphlift.data.qrels import MAX_GRADE as MAX_GRADE
from graphlift.errors import InputError
from graphlift.evaluation.runs import Run

if TYPE_CHECKING:
    from ir_measures import Measure

METRICS = ("nDCG@10", "R@10", "RR@10")
"""What is measured unless told otherwise: quality of the order, recall, and the rank of the first answer."""


@dataclass(frozen=True, eq=False)
class PerQuery:
    """Metrics of every query.

    Attributes:
        query_ids: the Q queries that have a relevant document.
        values: metric -> its values, shape (Q,), in the order of `query_ids`.
    """

    query_ids: list[str]
    values: dict[str, NDArray[np.float64]]

    def mean(self) -> dict[str, float]:
        """Mean over the queries of each metric."""
        return {metric: float(values.mean()) for metric, values in self.values.items()}


def evaluate(qrels: Mapping[str, Mapping[str, float]], run: Run, metrics: Sequence[str] = METRICS) -> PerQuery:
    """Measure a run against judgments.

    Every query with a relevant document counts, and is worth 0 where the run lacks it. nDCG takes the grade
    itself as gain, as trec_eval does; a grade of zero or below is not relevant.

    Args:
        qrels: query id -> document id -> grade, a whole number up to `MAX_GRADE`.
        run: query id -> document id -> score; equal scores rank in the order they are listed in.
        metrics: any of `nDCG@k`, `R@k` and `RR@k`, with a number for k.

    Raises:
        InputError: no query has a relevant document, there is no metric or one that is none of these, a
            grade is not a whole number in range, or a score is NaN.

    Example:
        >>> result = evaluate({"q1": {"d7": 1}, "q2": {"d3": 2}}, {"q1": {"d5": 0.9, "d7": 0.8}})
        >>> result.query_ids, result.values["RR@10"].tolist()
        (['q1', 'q2'], [0.5, 0.0])
        >>> result.mean()
        {'nDCG@10': 0.315, 'R@10': 0.5, 'RR@10': 0.25}
    """
    import ir_measures  # only measuring needs it: a process that only searches starts sooner

    if not metrics:
        raise InputError("`metrics` must name at least one metric, got none.")
    measures = {_parse(metric): metric for metric in metrics}
    depth = max(measure["cutoff"] for measure in measures)  # what lies deeper changes nothing
    relevant = _relevant(qrels)
    ranked = {query: _ranked(query, run[query], depth) for query in relevant if query in run}
    row = {query: number for number, query in enumerate(relevant)}
    values = {metric: np.zeros(len(row)) for metric in metrics}
    for result in ir_measures.iter_calc(list(measures), relevant, ranked):
        values[measures[result.measure]][row[result.query_id]] = result.value
    return PerQuery(list(relevant), values)


def _parse(metric: str) -> Measure:
    from ir_measures import parse_measure

    if not re.fullmatch(r"(nDCG|R|RR)@[1-9][0-9]*", metric):
        raise InputError(f"`metrics` must be nDCG@k, R@k or RR@k with a number for k, got {metric!r}.")
    return parse_measure(metric)


def _relevant(qrels: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, int]]:
    """The relevant documents of every query that has some, with the whole grades that trec_eval takes."""
    relevant: dict[str, dict[str, int]] = {}
    for query, judged in qrels.items():
        for document, grade in judged.items():
            if not (grade <= MAX_GRADE and float(grade).is_integer()):
                raise InputError(
                    f"`qrels` must have whole grades up to {MAX_GRADE}, got {grade} for query {query!r} and "
                    f"document {document!r}; multiply all grades by one number, nDCG stays the same."
                )
            if grade > 0:
                relevant.setdefault(query, {})[document] = int(grade)
    if not relevant:
        raise InputError("`qrels` must have a query with a relevant document (grade above 0), got none.")
    return relevant


def _ranked(query: str, scores: Mapping[str, float], depth: int) -> dict[str, float]:
    """The best documents with ranks for scores, since each evaluation tool breaks ties in its own way."""
    if any(score != score for score in scores.values()):
        raise InputError(f"`run` must have scores that can be ordered, got NaN for query {query!r}.")
    best_first = sorted(scores, key=scores.__getitem__, reverse=True)[:depth]
    return {document: float(-rank) for rank, document in enumerate(best_first)}
