"""Which ranker scores queries near to old ones, after a fit went on."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.model import LiftModel
from graphlift.nn.ranker import SubgraphRanker
from graphlift.nn.turns import ranker_of_past
from graphlift.search.subgraph import Subgraphs
from graphlift.training.gate import Scores
from graphlift.training.legacy import batch_of
from graphlift.training.ranking import RankingObjective
from graphlift.training.stages import Stages, ranked_ndcg

MAX_EARLIER = 7
"""So many rankers are kept beside the new one."""
MIN_TAUGHT = 20
"""A batch of which fewer queries are drawn teaches no ranker of its own."""


def share_turns(
    stages: Stages,
    current: LiftedIndex,
    arrived: tuple[int, ...],
    model: LiftModel,
    learned: Memory,
    taught: tuple[Subgraphs, Tensor],
    judging: tuple[Subgraphs, Memory],
) -> None:
    """Leave batches of old queries to rankers of their own, where these are better for them than the new one.

    A ranker that learned from many kinds of queries is a compromise. One that learned with a batch mostly stays the
    better one for queries like those, though the lift under it moved on. So a batch has the choice of the ranker that
    served it, the same after more training on that batch alone, and the new one.

    Args:
        stages: train, and keep what happened.
        current: what served.
        arrived: as in `graphlift.training.legacy.Legacy`.
        model: with the new lift and the new ranker; its turns are set, by numbers in ``learned``.
        learned: old and new queries that teach.
        taught: subgraphs of some of those, by lifts that have not seen them, and their numbers.
        judging: the same of old queries that no ranker was taught by, and these queries.
    """
    rankers = current.model.rankers
    serving = ranker_of_past(current.model.turns, len(rankers), torch.tensor(arrived, dtype=torch.int64) - 1).tolist()
    came, judged = (batch_of(current.memory, arrived, memory.queries) for memory in (learned, judging[1]))
    candidates = []
    for batch, ranker in enumerate(serving):
        teach, judge = came[taught[1]] == batch, (judged == batch).nonzero().flatten()
        candidates.append([ranker])
        if int(teach.sum()) >= MIN_TAUGHT and len(judge):
            candidates[-1].append(len(rankers))
            judges = judging[0][judge], judging[1].select(judge)
            rankers.append(
                _taught_more(stages, rankers[ranker], f"ranker, batch {batch + 1}", learned, taught, teach, judges)
            )
    rankers.append(model.ranker)
    chosen = choose_rankers([ranked_ndcg(ranker, *judging) for ranker in rankers], judged.numpy(), candidates)
    kept = sorted({*chosen} - {len(rankers) - 1})
    places = torch.tensor([kept.index(ranker) if ranker in kept else len(kept) for ranker in chosen], dtype=torch.int64)
    last = came.bincount(minlength=len(arrived) + 1).cumsum(0)[:-1]
    model.take_turns([rankers[number] for number in kept], torch.stack([last, places], dim=1))


def _taught_more(
    stages: Stages,
    ranker: SubgraphRanker,
    name: str,
    learned: Memory,
    taught: tuple[Subgraphs, Tensor],
    teach: Tensor,
    judges: tuple[Subgraphs, Memory],
) -> SubgraphRanker:
    """A ranker after more training on some of the subgraphs, at the epoch that is best for those that judge."""
    subgraphs, owners = taught[0][teach], taught[1][teach]
    ranker = deepcopy(ranker).requires_grad_(True).to(stages.device)
    relevance = learned.grade(owners.unsqueeze(1), subgraphs.rows)
    objective = RankingObjective(ranker, subgraphs, relevance, measured=True)

    def evaluate() -> float:
        return float(ranked_ndcg(ranker, *judges).mean())

    if len(objective):
        stages.run(name, ranker, objective, stages.config.more.ranker, (learned,), evaluate)
    return ranker.cpu()


def choose_rankers(
    scores: Sequence[Scores], batch: npt.NDArray[np.int64], candidates: Sequence[Sequence[int]]
) -> list[int]:
    """The ranker of each batch of old queries: the best for it of its own candidates and the new one.

    Args:
        scores: of every old query that judges, by every ranker, the new one last; (G,) each.
        batch: before which fit these came, (G,).
        candidates: of each batch, numbers of rankers. Where too many batches would keep one, those keep theirs that
            would lose most by the new one.

    Example:
        >>> old, new = np.array([0.9, 0.5]), np.array([0.8, 0.6])
        >>> choose_rankers([old, new], np.array([0, 1]), candidates=[[0], [0]])
        [0, 1]
    """
    newest = len(scores) - 1
    chosen, lead = [newest] * len(candidates), dict.fromkeys(range(newest), 0.0)
    for number, rankers in enumerate(candidates):
        inside = batch == number
        if inside.any():
            ahead = {ranker: float((scores[ranker] - scores[newest])[inside].mean()) for ranker in rankers}
            best = max(ahead, key=lambda ranker: ahead[ranker])
            if ahead[best] > 0:
                chosen[number] = best
                lead[best] = max(lead[best], ahead[best])
    kept = sorted(lead, key=lambda ranker: -lead[ranker])[:MAX_EARLIER]
    return [ranker if ranker in kept else newest for ranker in chosen]
