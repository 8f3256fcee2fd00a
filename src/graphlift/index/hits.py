"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphlift.index.ids import Id


@dataclass(frozen=True)
class PastQuery:
    """A past query that moved a hit.

    Attributes:
        number: of the query in the memory.
        similarity: to the query asked, by the index's metric.
        answers: ids of its answers.
        effect: how much higher the hit's score is than if this query had never been asked; None where the hit would
            not have been a candidate then.
    """

    number: int
    similarity: float
    answers: tuple[Id, ...]
    effect: float | None


@dataclass(frozen=True)
class Neighbor:
    """Another candidate that moved a hit.

    Attributes:
        id: of the document.
        effect: how much higher the hit's score is than if it could not listen to this document.
    """

    id: Id
    effect: float


@dataclass(frozen=True)
class Explanation:
    """What moved a hit, largest effects first.

    Where the frozen index serves, nothing has moved: ``similarity`` is the score, and nothing else is left. A hit that
    stands behind all candidates of the ranker follows in the order of the walk; its ``learned`` is None. For all others
    the score is ``similarity + learned + cold_bonus + told``.

    Attributes:
        rank: place among the hits, 1 the best.
        frozen_rank: its place in the frozen index by a walk with the same beam; None if it is not among the first 100.
        similarity: to the query after the lift, scaled as the ranker scales it.
        learned: what the ranker adds.
        cold_bonus: what the search adds, because no past query was answered by it.
        told: what feedback adds outright, before any fit has learned from it.
        past: the past queries with the largest effects.
        neighbors: the other candidates with the largest effects.
    """

    rank: int
    frozen_rank: int | None
    similarity: float
    learned: float | None = 0.0
    cold_bonus: float = 0.0
    told: float = 0.0
    past: tuple[PastQuery, ...] = ()
    neighbors: tuple[Neighbor, ...] = ()


@dataclass(frozen=True, eq=False)
class Hits:
    """Results of Q queries, best first.

    Attributes:
        ids: the user's ids, (Q, k), of the type that the index was given (int64 or str objects).
        scores: similarity or model score, large is near, float32 (Q, k).
        explanations: for each query one of each hit, where they were asked for.
    """

    ids: npt.NDArray[np.generic]
    scores: npt.NDArray[np.float32]
    explanations: tuple[tuple[Explanation, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.ids)
