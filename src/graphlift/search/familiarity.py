"""Whether a query is of the kind that a lift was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from graphlift.index.hnsw import HnswIndex
from graphlift.index.storage import Rows
from graphlift.memory import Memory
from graphlift.metric import Vectors

AROUND = 48
"""So many documents around a query say whether it is strange."""
UNCHECKED = (-torch.inf, -1.0)
"""Bounds that no query is beyond: all count as familiar."""


def looked_around(index: HnswIndex) -> tuple[int, int]:
    """How many documents around a query are looked at, and the beam of the walk to them.

    It is no wider than that, unless there are removed rows: more of them may lie around one query than around others.
    """
    count = min(AROUND, len(index))
    return count, max(count, index.ef_search if index.removed.count else 1)


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What a lift has learned of: past queries, and the documents that answered them.

    A lift that was trained on one kind of queries can lead others astray, to documents that it knows. A query is
    strange if no past query is near it, and if few of the documents near it have answered any.

    Attributes:
        learned: which past queries the lift was trained on, (Q,).
        warm: which documents answered one of those, (N,).

    Example:
        >>> memory = Memory.of(torch.eye(2), [{0: 1.0}, {1: 1.0}])
        >>> known = Familiarity.of(memory, Memory.empty(2), num_documents=4)
        >>> near, past = np.array([[0.9, 0.1], [0.2, 0.1]], dtype=np.float32), np.array([[0, 1], [1, 0]])
        >>> known.nearest(near, past)
        array([0.9, 0.2], dtype=float32)
        >>> known.num_warm(np.array([[0, 1], [2, 3]])).tolist()
        [2, 0]
    """

    learned: npt.NDArray[np.bool_]
    warm: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, memory: Memory, told: Memory, num_documents: int) -> Self:
        """The familiarity of a memory, part of which was told and has not been learned yet."""
        learned = ~memory.known_to(told) if len(told) else torch.ones(len(memory), dtype=torch.bool)
        warm = torch.zeros(num_documents, dtype=torch.bool)
        warm[memory.rows[learned[memory.query_of_answer]]] = True
        return cls(learned.numpy(), warm.numpy())

    def nearest(self, near: Vectors, past: Rows) -> Vectors:
        """Similarity to the nearest past query that was learned, of what was found: similarities and whose, (B, P)."""
        return np.where(self.learned[past], near, np.float32(-np.inf)).max(axis=1)

    def num_warm(self, rows: Rows) -> npt.NDArray[np.int64]:
        """How many of the documents of each query, rows (B, m), answered a past query, (B,)."""
        return self.warm[rows].sum(axis=1)
