"""A run: what a system returned for every query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from graphlift.errors import InputError

Run: TypeAlias = Mapping[str, Mapping[str, float]]
"""Query id -> document id -> score, large is good; equal scores rank in the order they are listed in."""


def run_from_rankings(query_ids: Sequence[str], doc_ids: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Make a run from ranked documents, best first, with scores that fall by one from rank to rank.

    The scores that a search gives may tie, or differ by less than an evaluation tool sees; ranks do neither.

    Args:
        query_ids: Q distinct ids.
        doc_ids: for each query its ranked document ids, distinct.

    Shapes:
        - **input:** Q ids, and an array (Q, k) or Q lists of ids

    Raises:
        InputError: the two differ in length, a query comes twice, or a document comes twice in a ranking.

    Example:
        >>> run_from_rankings(["q1"], [["d7", "d3"]])
        {'q1': {'d7': 2.0, 'd3': 1.0}}
    """
    if len(query_ids) != len(doc_ids):
        raise InputError(
            f"`doc_ids` must have a row for each query, got {len(doc_ids)} rows and {len(query_ids)} queries."
        )
    run: dict[str, dict[str, float]] = {}
    for query, documents in zip(query_ids, doc_ids, strict=True):
        if query in run:
            raise InputError(f"`query_ids` must be distinct, got {query!r} twice.")
        k = len(documents)
        run[str(query)] = {str(document): float(k - rank) for rank, document in enumerate(documents)}
        if len(run[str(query)]) != k:
            raise InputError(f"`doc_ids` must be distinct in each row, got one twice for query {query!r}.")
    return run
