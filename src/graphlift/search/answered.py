"""What each document answered in all the past."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphlift.memory import Memory

LATEST = 32
"""So many of the past queries that a document answered are kept with it."""


@dataclass(frozen=True, eq=False)
class Answered:
    """How many past queries each document answered, which of them came last, and the sum of their lifted vectors.

    Only documents that answered something have a line, so the size follows the memory and not the index.

    Attributes:
        place: the line of each document in the others, 0 for those that never answered, int32 (N,).
        sums: (1 + warm documents, C); line 0 is zero.
        counts: float (1 + warm documents,).
        latest: numbers of the past queries, the latest first, -1 behind them, int32 (1 + warm documents, `LATEST`).

    Example:
        >>> memory = Memory.of(torch.eye(2), [{1: 1.0}, {1: 1.0, 2: 1.0}])
        >>> answered = Answered.of(memory, memory.queries, 4)
        >>> answered.times(torch.arange(4)).tolist()
        [0.0, 2.0, 1.0, 0.0]
        >>> answered.sums[answered.place][1].tolist()
        [1.0, 1.0]
        >>> answered.latest[answered.place][1, :3].tolist()
        [1, 0, -1]
    """

    place: Tensor
    sums: Tensor
    counts: Tensor
    latest: Tensor

    @classmethod
    def of(cls, memory: Memory, past_lifted: Tensor, num_documents: int) -> Answered:
        """The record of a memory whose queries are lifted to (Q, C)."""
        place = torch.zeros(num_documents, dtype=torch.int32)
        nothing = cls(place, torch.zeros(1, past_lifted.shape[1]), torch.zeros(1), _nobody(1))
        return nothing.updated(memory, past_lifted, memory.warm_rows)

    def updated(self, memory: Memory, past_lifted: Tensor, rows: Tensor) -> Answered:
        """The record after the memory changed for some documents; only their lines are computed, anew."""
        new = rows[self.place[rows] == 0]
        place = self.place.clone()
        place[new] = torch.arange(len(self.counts), len(self.counts) + len(new), dtype=torch.int32)
        sums = torch.cat([self.sums, self.sums.new_zeros(len(new), self.sums.shape[1])])
        counts = torch.cat([self.counts, self.counts.new_zeros(len(new))])
        latest = torch.cat([self.latest, _nobody(len(new))])
        sums[place[rows]], counts[place[rows]], latest[place[rows]] = 0, 0, -1
        entries = torch.isin(memory.rows, rows).nonzero().flatten()
        lines, queries = place[memory.rows[entries]], memory.query_of_answer[entries]
        sums.index_add_(0, lines, past_lifted[queries])
        counts.index_add_(0, lines, torch.ones(len(lines)))
        lines, order = lines.sort(stable=True)  # queries ascend within a line
        later = torch.searchsorted(lines, lines, right=True) - 1 - torch.arange(len(lines))
        kept = later < LATEST
        latest[lines[kept], later[kept]] = queries[order[kept]].int()
        return Answered(place, sums, counts, latest)

    def times(self, rows: Tensor) -> Tensor:
        """How many past queries each of some documents answered, in the shape of ``rows``."""
        return self.counts[self.place[rows]]

    def extended(self, count: int) -> Answered:
        """The record with so many more documents, which answered nothing yet."""
        return replace(self, place=torch.cat([self.place, self.place.new_zeros(count)]))


def _nobody(count: int) -> Tensor:
    """Lines of documents that answered nothing."""
    return torch.full((count, LATEST), -1, dtype=torch.int32)
