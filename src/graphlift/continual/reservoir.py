"""A sample of fixed size of all that went by."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.errors import InputError


class Reservoir:
    """A uniform sample of a stream, whose length need not be known: every item seen is equally likely to be in it.

    Args:
        capacity: how many items are kept.
        generator: of the draws.

    Source: Vitter, Random sampling with a reservoir, 1985 (algorithm R); as replay: Rolnick et al., Experience replay
    for continual learning, 2019.

    Example:
        >>> reservoir = Reservoir(capacity=3, generator=torch.Generator().manual_seed(0))
        >>> reservoir.add(torch.arange(5).unsqueeze(1))
        >>> reservoir.add(torch.arange(5, 100).unsqueeze(1))
        >>> reservoir.seen, reservoir.items.shape
        (100, torch.Size([3, 1]))
    """

    def __init__(self, capacity: int, generator: torch.Generator) -> None:
        if capacity < 1:
            raise InputError(f"`capacity` must be at least 1, got {capacity}.")
        self.capacity, self.generator = capacity, generator
        self.items: Tensor | None = None
        self.seen = 0

    def __len__(self) -> int:
        return 0 if self.items is None else len(self.items)

    def add(self, items: Tensor) -> None:
        """Let items (n, ...) go by."""
        free = self.capacity - len(self)
        first, rest = items[:free], items[free:]
        self.items = first.clone() if self.items is None else torch.cat([self.items, first])
        # The item with number t, from 1, replaces a random one with probability capacity / t.
        numbers = torch.arange(len(rest)) + self.seen + len(first) + 1
        slots = (torch.rand(len(rest), generator=self.generator, dtype=torch.float64) * numbers).long()
        for place in (slots < self.capacity).nonzero().flatten().tolist():  # in order: a later item wins
            self.items[slots[place]] = rest[place]
        self.seen += len(items)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Some kept items (count, ...), with repetition.

        Raises:
            InputError: nothing has gone by yet.
        """
        if self.items is None or not len(self):
            raise InputError("`reservoir` must have seen an item before one is drawn, got none.")
        return self.items[torch.randint(len(self), (count,), generator=generator)]
