"""Who teaches and who judges when a fit goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.sampling import some
from graphlift.training.config import FitConfig
from graphlift.training.fit import MIN_QUERIES
from graphlift.training.hold_out import hold_out
from graphlift.training.legacy import batch_of

MIN_HELD = 50
"""So many new queries judge, or half of them where they are few."""
GUARDS = 300
"""So many old queries judge."""


@dataclass(frozen=True)
class Parts:
    """Who teaches and who judges.

    Attributes:
        learned: old queries and the new ones that teach.
        new: numbers in ``learned`` of those that teach.
        old: numbers of all that were learned before, apart by the fit before which they came, so that none is drowned
            by what came later.
        guards: numbers of old queries that judge; the ranker is not taught by them.
        held: new queries that judge; they are not in ``learned``.
    """

    learned: Memory
    new: Tensor
    old: list[Tensor]
    guards: Tensor
    held: Memory

    @classmethod
    def of(cls, current: LiftedIndex, config: FitConfig, arrived: tuple[int, ...]) -> Parts:
        """A split by the configuration's seed; ``arrived`` as in `graphlift.training.legacy.Legacy`."""
        memory, told = current.memory, current.told.relevant
        new = memory.known_to(told)
        count = int(new.sum())
        if count < MIN_QUERIES:
            raise InputError(
                f"`feedback` must tell answers of at least {MIN_QUERIES} queries since the last fit, got {count}."
            )
        share = max(config.dev_fraction, min(0.5, MIN_HELD / count))
        learned, held = hold_out(memory, share * count / len(memory), config.seed, new)
        new = learned.known_to(told)
        old = (~new & (learned.counts > 0)).nonzero().flatten()  # their documents may all have gone
        batch = batch_of(memory, arrived, learned.queries[old])
        batches = [old[batch == place] for place in batch.unique().tolist()]
        guards = spread(batches, min(GUARDS, len(old) // 4), config.seed)
        return cls(learned, new.nonzero().flatten(), batches, guards, held)


def spread(batches: Sequence[Tensor], count: int, seed: int) -> Tensor:
    """A random sample of numbers, ascending: of every batch an equal share of ``count``, or all where it has fewer."""
    shares = [some(batch, min(count // len(batches), len(batch)), seed) for batch in batches]
    return torch.cat([torch.empty(0, dtype=torch.int64), *shares]).sort().values
