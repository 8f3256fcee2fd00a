"""Whether a walk finds its way among lifted documents, and new links where it does not."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from graphlift.lifted import LiftedIndex

MIN_RECALL = 0.95
"""Links are kept while the walk finds this share of what it found before the lift."""
SAMPLED = 200
"""Queries on which recall is sampled."""


class Navigable(NamedTuple):
    """A lifted index that can be walked.

    Attributes:
        lifted: with new links where the old ones lost too much.
        recall: share of the true 10 nearest that its walk finds, by sample.
        relinked: whether its links are new.
    """

    lifted: LiftedIndex
    recall: float
    relinked: bool


def navigable(lifted: LiftedIndex, queries: Tensor) -> Navigable:
    """Check the links on a sample of queries (Q, C) of the frozen space, and link anew where they lead astray."""
    sample, index = queries[:SAMPLED], lifted.index
    before = index.sampled_recall(sample.numpy())
    moved = lifted.lift_queries(sample).numpy()
    recall = lifted.walk_index.sampled_recall(moved)
    if recall >= MIN_RECALL * before:
        return Navigable(lifted, recall, False)
    walk = lifted.walk_index.rebuilt()
    return Navigable(lifted.with_links(index, walk), walk.sampled_recall(moved), True)
