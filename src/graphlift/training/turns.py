"""Which maps and which ranker serve queries and documents like old ones, after a fit went on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.training.discriminant import discriminant
from graphlift.training.gate import Scores
from graphlift.training.legacy import batch_of

SURE = 2.0
"""So many standard errors a new turn must be ahead to take over."""
MAX_EARLIER = 7
"""So many earlier turns are kept, each with its maps and its ranker."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Before which fit queries and documents came.

    Attributes:
        serving: which turn each batch has in the model that serves.
        ends: how many of the queries that were learned came in a batch or before it, the new one last.
        documents: that answered them, once for each batch, (A, C).
        of_document: whose these are, (A,).
        of_judge: whose the old queries that judge are, (G,).
    """

    serving: list[int]
    ends: Tensor
    documents: Tensor
    of_document: Tensor
    of_judge: npt.NDArray[np.int64]

    @classmethod
    def of(cls, current: LiftedIndex, arrived: tuple[int, ...], learned: Memory, judges: Tensor) -> Self:
        """The batches of what was learned, and of queries of it that judge, (G, C); ``arrived`` as in
        `graphlift.training.legacy.Legacy`."""
        serving = current.model.turn_of_past(torch.tensor(arrived, dtype=torch.int64) - 1)
        batch = batch_of(current.memory, arrived, learned.queries)
        pairs = torch.stack([batch[learned.query_of_answer], learned.rows], dim=1).unique(dim=0)
        return cls(
            serving.tolist(),
            batch.bincount(minlength=len(arrived) + 1).cumsum(0),
            current.index.x[pairs[:, 1]],
            pairs[:, 0],
            batch[learned.numbers(judges)].numpy(),
        )


def share_turns(
    before: Sequence[LiftModel],
    after: Sequence[LiftModel],
    batches: Batches,
    old_scores: Callable[[], Scores],
    new_score: Callable[[], float],
) -> None:
    """Leave batches of old queries to what served them, unless the new maps and ranker are better for them.

    Maps and a ranker that learned from many kinds of queries are a compromise. Those that learned with a batch mostly
    stay the better ones for queries like those. Documents like those that answered them stay with their map, too, where
    old and new queries gain by that in sum: kinds of queries may ask for documents of their own, or all for the same.

    Args:
        before: the model that served, and those of its folds.
        after: the same after more training, all with the new ranker; they get turns.
        batches: of queries and documents.
        old_scores: nDCG@10 of every old query that judges, by ``after`` as it is.
        new_score: mean nDCG@10 of the new queries that judge, likewise.
    """
    by_new, newest = old_scores(), len(before[0].earlier) + 1
    tried = []
    for documents in (False, True):
        _take_turns(before, after, batches, batches.serving, documents)
        chosen = choose_turns(old_scores(), by_new, batches.of_judge, batches.serving, newest)
        _take_turns(before, after, batches, chosen, documents)
        tried.append((float(old_scores().mean()) + new_score(), chosen, documents))
    _, chosen, documents = max(tried, key=lambda each: each[0])  # of equals the first
    _take_turns(before, after, batches, chosen, documents)


def _take_turns(
    before: Sequence[LiftModel], after: Sequence[LiftModel], batches: Batches, chosen: Sequence[int], documents: bool
) -> None:
    """Give every batch to one of what ``before`` has, or to the new one."""
    kept = sorted({number for number in chosen if number <= len(before[0].earlier)})
    places = torch.tensor([kept.index(number) if number in kept else len(kept) for number in chosen] + [len(kept)])
    turns = torch.stack([batches.ends, places], dim=1)
    boundary = discriminant(batches.documents, places[batches.of_document], len(kept) + 1)
    if not documents or not kept:
        boundary = boundary[:0]
    for old, new in zip(before, after, strict=True):
        all_of_old = [*old.earlier, old.served]
        new.take_turns([all_of_old[number] for number in kept], turns.clone(), boundary.clone())


def choose_turns(
    by_own: Scores, by_new: Scores, batch: npt.NDArray[np.int64], serving: Sequence[int], newest: int
) -> list[int]:
    """Whose turn each batch of old queries is: of what served it, or the newest's.

    The new one takes over where it is better by more than two standard errors; nothing is to change by chance.

    Args:
        by_own, by_new: of every old query that judges, by what served its batch and by the new one, (G,).
        batch: before which fit these came, (G,).
        serving: what served each batch. Where too many would be kept, those are that help most.
        newest: number of the new one.

    Example:
        >>> own, new = np.array([0.9, 0.9, 0.2, 0.3]), np.array([0.7, 0.8, 0.6, 0.5])
        >>> choose_turns(own, new, np.array([0, 0, 1, 1]), serving=[0, 0], newest=1)
        [0, 1]
    """
    chosen, help_of = [newest] * len(serving), dict.fromkeys(serving, -np.inf)
    for number, served in enumerate(serving):
        ahead = (by_own - by_new)[batch == number]
        if len(ahead) and ahead.mean() + SURE * ahead.std() / len(ahead) ** 0.5 > 0:
            chosen[number] = served
            help_of[served] = max(help_of[served], float(ahead.mean()))
    kept = sorted(help_of, key=lambda served: -help_of[served])[:MAX_EARLIER]
    return [turn if turn in kept else newest for turn in chosen]
