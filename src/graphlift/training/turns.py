"""Which query map and which ranker serve queries near to old ones, after a fit went on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.model import LiftModel
from graphlift.training.gate import Scores

MAX_EARLIER = 7
"""So many earlier query maps, each with its ranker, are kept."""


def share_turns(
    before: Sequence[LiftModel],
    after: Sequence[LiftModel],
    arrived: tuple[int, ...],
    learned: Tensor,
    judged: Tensor,
    score: Callable[[], Scores],
) -> None:
    """Leave batches of old queries to what served them, unless the new query map and ranker are better for them.

    A map and a ranker that learned from many kinds of queries are a compromise. Those that learned with a batch mostly
    stay the better ones for queries like those, though the documents' lift moved on.

    Args:
        before: the model that served, and those of its folds.
        after: the same after more training, all with the new ranker; they get turns.
        arrived: as in `graphlift.training.legacy.Legacy`.
        learned: before which fit each query of the memory came, ascending, (Q,).
        judged: the same of the old queries that judge, (G,).
        score: nDCG@10 of every old query that judges, by ``after`` as it is.
    """
    ends = learned.bincount(minlength=len(arrived) + 1).cumsum(0)[:-1]
    by_new, newest = score(), len(before[0].earlier) + 1
    serving = before[0].turn_of_past(torch.tensor(arrived, dtype=torch.int64) - 1)
    _take_turns(before, after, ends, serving)
    chosen = choose_turns(score(), by_new, judged.numpy(), serving.tolist(), newest)
    _take_turns(before, after, ends, torch.tensor(chosen, dtype=torch.int64))


def _take_turns(before: Sequence[LiftModel], after: Sequence[LiftModel], ends: Tensor, chosen: Tensor) -> None:
    """Give every batch to one of what ``before`` has, or to the new one."""
    kept = [number for number in chosen.unique().tolist() if number <= len(before[0].earlier)]
    places = [kept.index(number) if number in kept else len(kept) for number in chosen.tolist()]
    turns = torch.stack([ends, torch.tensor(places, dtype=torch.int64)], dim=1)
    for old, new in zip(before, after, strict=True):
        all_of_old = [*old.earlier, old.served]
        new.take_turns([all_of_old[number] for number in kept], turns.clone())


def choose_turns(
    by_own: Scores, by_new: Scores, batch: npt.NDArray[np.int64], serving: Sequence[int], newest: int
) -> list[int]:
    """Whose turn each batch of old queries is: of what served it, or the newest's.

    The new one takes over where it is better by more than the standard error; nothing is to change by chance.

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
        if len(ahead) and ahead.mean() + ahead.std() / len(ahead) ** 0.5 > 0:
            chosen[number] = served
            help_of[served] = max(help_of[served], float(ahead.mean()))
    kept = sorted(help_of, key=lambda served: -help_of[served])[:MAX_EARLIER]
    return [turn if turn in kept else newest for turn in chosen]
