"""Queries whose results are shown before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.errors import InputError
from graphlift.evaluation.comparison import Comparison, QueryChange
from graphlift.index.ids import Id
from graphlift.judgments import Judgments, relevant_of
from graphlift.lift import Lift
from graphlift.report.names import document_names


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
        row: place of the query among those that were asked.

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
    row: int = 0

    def __post_init__(self) -> None:
        for name in ("frozen_ndcg", "lifted_ndcg"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"`{name}` must be in [0, 1], got {getattr(self, name)!r}.")

    @property
    def gain(self) -> float:
        """How much nDCG@10 rose."""
        return self.lifted_ndcg - self.frozen_ndcg


def pick_examples(
    lift: Lift,
    comparison: Comparison,
    queries: npt.ArrayLike,
    qrels: Judgments,
    query_ids: Sequence[Id] | None = None,
    query_texts: Sequence[str] | None = None,
    n: int = 5,
) -> list[Example]:
    """The n queries that gained most and the n that lost most, the largest change of each kind first.

    Args:
        lift: what was compared with its frozen index.
        comparison: of the two.
        queries, qrels, query_ids: what `Lift.evaluate` was given.
        query_texts: one a query; a query without a text is named by its id.
        n: at most so many of either kind.
    """
    vectors = np.asarray(queries)
    ids = range(len(vectors)) if query_ids is None else query_ids
    place = {str(query): (row, query) for row, query in enumerate(ids)}
    names = document_names(lift)
    k = min(10, len(lift.index))

    def texts_of(documents: Sequence[Any]) -> list[str]:
        return [names[row] for row in lift.index.ids.rows(documents)]

    def example(change: QueryChange) -> Example:
        row, query = place[change.query_id]
        frozen, lifted = (found.search(vectors[[row]], k).ids[0].tolist() for found in (lift.index, lift))
        return Example(
            query=change.query_id if query_texts is None else query_texts[row],
            relevant=frozenset(texts_of(list(relevant_of(qrels[query])))),
            frozen=texts_of(frozen),
            lifted=texts_of(lifted),
            frozen_ndcg=change.frozen,
            lifted_ndcg=change.lifted,
            row=row,
        )

    return [example(change) for change in (*comparison.best(n), *comparison.worst(n))]
