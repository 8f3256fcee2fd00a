"""Which ranker scores queries near to old ones, after a fit went on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.nn.turns import ranker_of_past
from graphlift.search.subgraph import Subgraphs
from graphlift.training.gate import Scores
from graphlift.training.legacy import batch_of
from graphlift.training.stages import ranked_ndcg

MAX_EARLIER = 7
"""So many rankers are kept beside the new one."""


def share_turns(
    current: LiftedIndex,
    arrived: tuple[int, ...],
    model: LiftModel,
    learned: Memory,
    judging: tuple[Subgraphs, Memory],
) -> None:
    """Leave batches of old queries to the rankers that served them, unless the new one is better for them.

    A ranker that learned from many kinds of queries is a compromise. One that learned with a batch mostly stays the
    better one for queries like those, though the lift under it moved on.

    Args:
        current: what served.
        arrived: as in `graphlift.training.legacy.Legacy`.
        model: with the new lift and the new ranker; its turns are set, by numbers in ``learned``.
        learned: old and new queries that teach.
        judging: subgraphs of old queries that no ranker was taught by, by lifts that have not seen them, and these
            queries.
    """
    rankers = [*current.model.rankers, model.ranker]
    last = torch.tensor(arrived, dtype=torch.int64) - 1
    serving = ranker_of_past(current.model.turns, len(rankers) - 1, last).tolist()
    came, judged = (batch_of(current.memory, arrived, memory.queries) for memory in (learned, judging[1]))
    chosen = choose_rankers([ranked_ndcg(ranker, *judging) for ranker in rankers], judged.numpy(), serving)
    kept = sorted({*chosen} - {len(rankers) - 1})
    places = [kept.index(ranker) if ranker in kept else len(kept) for ranker in chosen]
    ends = came.bincount(minlength=len(arrived) + 1).cumsum(0)[:-1]
    turns = torch.stack([ends, torch.tensor(places, dtype=torch.int64)], dim=1)
    model.take_turns([rankers[number] for number in kept], turns)


def choose_rankers(scores: Sequence[Scores], batch: npt.NDArray[np.int64], serving: Sequence[int]) -> list[int]:
    """The ranker of each batch of old queries: the one that served it, or the new one.

    The new one takes over where it is better by more than the standard error; nothing is to change by chance.

    Args:
        scores: of every old query that judges, by every ranker, the new one last; (G,) each.
        batch: before which fit these came, (G,).
        serving: the ranker that served each batch. Where too many would be kept, those are that help most.

    Example:
        >>> old, new = np.array([0.9, 0.9, 0.2, 0.3]), np.array([0.7, 0.8, 0.6, 0.5])
        >>> choose_rankers([old, new], np.array([0, 0, 1, 1]), serving=[0, 0])
        [0, 1]
    """
    newest = len(scores) - 1
    chosen, help_of = [newest] * len(serving), dict.fromkeys(range(newest), -np.inf)
    for number, ranker in enumerate(serving):
        ahead = (scores[ranker] - scores[newest])[batch == number]
        if len(ahead) and ahead.mean() + ahead.std() / len(ahead) ** 0.5 > 0:
            chosen[number] = ranker
            help_of[ranker] = max(help_of[ranker], float(ahead.mean()))
    kept = sorted(help_of, key=lambda ranker: -help_of[ranker])[:MAX_EARLIER]
    return [ranker if ranker in kept else newest for ranker in chosen]
