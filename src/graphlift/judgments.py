"""What people say of results: judgments of many queries, and feedback on a few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graphlift.errors import InputError, UnknownIdError
from graphlift.evaluation.metrics import MAX_GRADE
from graphlift.feedback import Feedback
from graphlift.index.hnsw import HnswIndex
from graphlift.index.ids import Id, Ids
from graphlift.memory import Memory

Judgments = Mapping[Any, Mapping[Any, float] | Iterable[Any]]
"""For each query id its relevant documents: grades by id (not relevant at 0 or below), or just ids."""


@dataclass(frozen=True)
class Judged:
    """Judged queries with at least one relevant document: their ids, and vectors and answers as rows."""

    ids: list[str]
    memory: Memory

    def named_qrels(self, names: list[str]) -> dict[str, dict[str, float]]:
        """The judgments by the ids of queries and documents."""
        return {
            query: {names[row]: grade for row, grade in graded.items()}
            for query, graded in zip(self.ids, self.memory.graded(), strict=True)
        }


def listed(
    queries: npt.ArrayLike, relevant: Iterable[Any], irrelevant: Iterable[Any] | None
) -> tuple[npt.NDArray[Any], list[list[Id]], list[list[Id]]]:
    """Feedback on one query, or on several, as feedback on several: vectors, and two lists of ids a query.

    Raises:
        InputError: there is not one list of ids a query.
    """
    vectors = np.asarray(queries)
    single = vectors.ndim == 1
    count = 1 if single else len(vectors)

    def lists(given: Iterable[Any] | None, argument: str) -> list[list[Id]]:
        if isinstance(given, str | bytes) or not isinstance(given, Iterable | None):
            raise InputError(f"`{argument}` must be a list of ids, got {given!r}.")
        found = [[]] * count if given is None else [given] if single else list(given)
        if len(found) != count or any(isinstance(ids, str | bytes) or not isinstance(ids, Iterable) for ids in found):
            raise InputError(f"`{argument}` must be one list of ids a query ({count}), got {given!r}.")
        return [plain(ids) for ids in found]

    x = vectors[None] if single else vectors
    return x, lists(relevant, "relevant_ids"), lists(irrelevant, "irrelevant_ids")


def plain(ids: Iterable[Any]) -> list[Id]:
    """Ids as Python's own numbers and strings where they are NumPy's."""
    return [value.item() if isinstance(value, np.generic) else value for value in ids]


def told(index: HnswIndex, queries: npt.ArrayLike, relevant: list[list[Id]], irrelevant: list[list[Id]]) -> Feedback:
    """Check feedback, in the form of `listed`, and turn ids into rows.

    Raises:
        InputError: vectors do not fit, an id is unknown, a document is both relevant and irrelevant to a query, or
            nothing is said of a query.
    """
    x = torch.from_numpy(index.metric.prepare(queries, "queries", index.channels))

    def rows(lists: list[list[Id]], argument: str) -> list[dict[int, float]]:
        return [dict.fromkeys(index.ids.rows(ids, argument).tolist(), 1.0) for ids in lists]

    yes, no = rows(relevant, "relevant_ids"), rows(irrelevant, "irrelevant_ids")
    silent = next(
        (number for number, (good, bad) in enumerate(zip(yes, no, strict=True)) if not good and not bad), None
    )
    if silent is not None:
        raise InputError(f"`relevant_ids` or `irrelevant_ids` must name a document, got none for query {silent}.")
    feedback = Feedback(*(Memory.of(x, answers).answered().merged() for answers in (yes, no)))
    number = feedback.relevant.numbers(feedback.irrelevant.queries)[feedback.irrelevant.query_of_answer]
    both = feedback.irrelevant.rows[
        (number >= 0) & feedback.relevant.holds(number.clamp(min=0), feedback.irrelevant.rows)
    ]
    if len(both):
        raise InputError(f"`irrelevant_ids` must not name what is relevant, got {index.ids.array[both[0]]!r} in both.")
    return feedback


def judged(
    index: HnswIndex, queries: npt.ArrayLike, query_ids: Iterable[Id] | None, qrels: Judgments, argument: str
) -> Judged:
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
    return Judged([str(query) for query in relevant], memory)


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
