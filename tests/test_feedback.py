"""Of judgments of the same query and document the later counts, on either side."""

import torch

from graphlift.feedback import Feedback
from graphlift.memory import Memory

QUERIES = torch.eye(4)


def said(relevant, irrelevant):
    """Feedback on queries by their numbers."""
    sides = [
        Memory.of(QUERIES[list(side)], [dict.fromkeys(rows, 1.0) for rows in side.values()])
        for side in (relevant, irrelevant)
    ]
    return Feedback(*sides)


def plain(memory):
    return {int(query.argmax()): set(graded) for query, graded in zip(memory.queries, memory.graded(), strict=True)}


def test_later_word_counts():
    first = said({0: [1, 2], 1: [3]}, {0: [5], 2: [6]})
    both = first.updated(said({0: [5], 3: [9]}, {0: [1], 1: [3]}))
    assert plain(both.relevant) == {0: {2, 5}, 3: {9}}
    assert plain(both.irrelevant) == {0: {1}, 1: {3}, 2: {6}}
    assert len(both) == 6
    assert plain(first.relevant) == {0: {1, 2}, 1: {3}}, "the earlier feedback changed"


def test_rows_move_and_go():
    rows = torch.tensor([-1, 7, -1, 2])
    moved = said({0: [0, 1], 1: [2]}, {3: [3]}).moved(rows)
    assert plain(moved.relevant) == {0: {7}}
    assert plain(moved.irrelevant) == {3: {2}}
