"""Queries whose results are shown before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphlift.errors import InputError
from graphlift.evaluation.comparison import Comparison
from graphlift.evaluation.runs import Run


@dataclass(frozen=True)
class Example:
    """One query with its results before and after, all as texts.

    Attributes:
        query: what was asked.
        relevant: texts of its relevant documents.
        frozen: what the frozen index returned, best first.
        lifted: what the lifted index returned, best first.
        frozen_ndcg: nDCG@10 of the former.
        lifted_ndcg: nDCG@10 of the latter.

    Raises:
        InputError: an nDCG is not in [0, 1].

    Example:
        >>> Example("pet", frozenset({"Cat"}), ["Car"], ["Cat", "Car"], 0.0, 1.0).gain
        1.0
    """

    query: str
    relevant: frozenset[str]
    frozen: list[str]
    lifted: list[str]
    frozen_ndcg: float
    lifted_ndcg: float

    def __post_init__(self) -> None:
        for name in ("frozen_ndcg", "lifted_ndcg"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` must be in [0, 1], got {getattr(self, name)!r}.")

    @property
    def gain(self) -> float:
        """How much nDCG@10 rose."""
        return self.lifted_ndcg - self.frozen_ndcg


def pick_examples(
    comparison: Comparison,
    qrels: Mapping[str, Mapping[str, float]],
    frozen_run: Run,
    lifted_run: Run,
    *,
    query_texts: Mapping[str, str],
    document_texts: Mapping[str, str],
    n: int = 5,
) -> list[Example]:
    """The n best gains and the n worst regressions of a comparison, with texts in place of ids.

    Args:
        comparison: of the two runs.
        qrels: what it was made with: query id -> document id -> grade.
        frozen_run: query id -> document id -> score.
        lifted_run: the same after the lift.
        query_texts: query id -> text; an id without a text stands for itself.
        document_texts: document id -> text, likewise.
        n: at most so many of either kind.
    """

    def ranked(run: Run, query: str) -> list[str]:
        scores = run.get(query, {})
        best_first = sorted(scores, key=scores.__getitem__, reverse=True)
        return [document_texts.get(document, document) for document in best_first]

    return [
        Example(
            query=query_texts.get(query, query),
            relevant=frozenset(document_texts.get(d, d) for d, grade in qrels[query].items() if grade > 0),
            frozen=ranked(frozen_run, query),
            lifted=ranked(lifted_run, query),
            frozen_ndcg=frozen,
            lifted_ndcg=lifted,
        )
        for query, frozen, lifted in [*comparison.best(n), *comparison.worst(n)]
    ]
