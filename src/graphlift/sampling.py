"""Samples of queries, and the pairs and negatives that a training step sees."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from graphlift.continual.reservoir import Reservoir
from graphlift.memory import Memory


def some(numbers: Tensor, count: int, seed: int) -> Tensor:
    """A random sample of numbers (n,), ascending; all where there are no more than ``count``.

    Example:
        >>> some(torch.tensor([5, 3, 9]), 3, seed=0)
        tensor([3, 5, 9])
    """
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    return numbers[order[:count]].sort().values


def fold_of(queries: Tensor, folds: int) -> Tensor:
    """The fold of each query (Q, C), by its vector alone, (Q,).

    So a query is in the same fold whenever it is met, and no later fit teaches a fold's lift what it must not know.

    Example:
        >>> fold_of(torch.eye(4), folds=2).bincount(minlength=2).sum().item()
        4
    """
    return torch.tensor([zlib.crc32(query.tobytes()) % folds for query in queries.numpy()], dtype=torch.int64)


def sample_pairs(memory: Memory, per_query: int, generator: torch.Generator) -> Tensor:
    """Shuffled (query, row) pairs of an epoch, at most ``per_query`` random answers of each query, (P, 2).

    The cap keeps queries with many answers from drowning the others.

    Example:
        >>> memory = Memory.of(torch.eye(2), [{0: 1.0, 1: 1.0, 2: 1.0}, {2: 1.0}])
        >>> sample_pairs(memory, per_query=2, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
    """
    draw = torch.rand(len(memory.rows), generator=generator, dtype=torch.float64)
    order = torch.argsort(memory.query_of_answer + draw)  # shuffles within each query, keeps queries together
    owner = memory.query_of_answer[order]
    rank = torch.arange(len(order)) - memory.offsets[owner]
    kept = order[rank < per_query]
    kept = kept[torch.randperm(len(kept), generator=generator)]
    return torch.stack([memory.query_of_answer[kept], memory.rows[kept]], dim=1)


class Pairs(Protocol):
    """Where a pass over the training queries takes its pairs from."""

    def __len__(self) -> int:
        """Pairs a pass."""
        ...

    def draw(self, generator: torch.Generator) -> Tensor:
        """Shuffled (query, row) pairs of one pass, (P, 2)."""
        ...


class AllPairs:
    """Every query, with at most ``per_query`` of its answers.

    Example:
        >>> memory = Memory.of(torch.eye(2), [{0: 1.0, 1: 1.0, 2: 1.0}, {2: 1.0}])
        >>> len(AllPairs(memory, per_query=2))
        3
    """

    def __init__(self, memory: Memory, per_query: int) -> None:
        self.memory, self.per_query = memory, per_query

    def __len__(self) -> int:
        return int(self.memory.counts.clamp(max=self.per_query).sum())

    def draw(self, generator: torch.Generator) -> Tensor:
        """See `sample_pairs`."""
        return sample_pairs(self.memory, self.per_query, generator)


class ReplayedPairs:
    """Pairs of new queries, and for each of them one that was learned before.

    Args:
        memory: old and new queries.
        new: numbers of the new ones.
        per_query: at most so many answers of a query a pass.
        past: samples of old (query, row) pairs, which are drawn from alike; those that are empty are left out.

    Example:
        >>> memory = Memory.of(torch.eye(3), [{0: 1.0}, {1: 1.0}, {2: 1.0}])
        >>> past = Reservoir(5, torch.Generator())
        >>> past.add(torch.tensor([[0, 0]]))
        >>> pairs = ReplayedPairs(memory, torch.tensor([2]), 4, [past])
        >>> sorted(pairs.draw(torch.Generator()).tolist())
        [[0, 0], [2, 2]]
    """

    def __init__(self, memory: Memory, new: Tensor, per_query: int, past: Sequence[Reservoir]) -> None:
        self.new, self.past = new, [sample for sample in past if len(sample)]
        self.fresh = AllPairs(memory.select(new), per_query)

    def __len__(self) -> int:
        return len(self.fresh) * (2 if self.past else 1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """New pairs and as many old ones, shuffled."""
        query, row = self.fresh.draw(generator).unbind(dim=1)
        pairs = torch.stack([self.new[query], row], dim=1)
        if self.past:
            share = -(-len(pairs) // len(self.past))  # rounded up
            old = torch.cat([sample.draw(share, generator) for sample in self.past])
            some_old = old[torch.randperm(len(old), generator=generator)[: len(pairs)]]
            pairs = torch.cat([pairs, some_old])
        return pairs[torch.randperm(len(pairs), generator=generator)]


class Negatives(Protocol):
    """Chooses rows that stand against the positives of a batch of queries."""

    def sample(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Rows (n,) for all queries (B,) of a batch together; false negatives are masked by the loss."""
        ...


class RandomNegatives:
    """Any documents.

    Args:
        count: how many a batch.
        num_documents: N.

    Example:
        >>> RandomNegatives(3, num_documents=9).sample(torch.arange(2), torch.Generator()).shape
        torch.Size([3])
    """

    def __init__(self, count: int, num_documents: int) -> None:
        self.count, self.num_documents = count, num_documents

    def sample(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Rows (count,)."""
        return torch.randint(self.num_documents, (self.count,), generator=generator)


class HardNegatives:
    """One document for each query out of those that the search now returns for it.

    Args:
        found: rows that a search returned for every query of the memory, (Q, m).

    Example:
        >>> hard = HardNegatives(torch.tensor([[5], [7]]))
        >>> hard.sample(torch.tensor([1, 0]), torch.Generator()).tolist()
        [7, 5]
    """

    def __init__(self, found: Tensor) -> None:
        self.found = found

    def sample(self, queries: Tensor, generator: torch.Generator) -> Tensor:
        """Rows (B,), one a query."""
        column = torch.randint(self.found.shape[1], (len(queries),), generator=generator)
        return self.found[queries, column]
