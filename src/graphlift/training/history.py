"""What happened in one stage of training."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """Mean loss of every epoch, and scores of held-out queries where they were measured.

    Attributes:
        losses: one an epoch.
        scores: one an epoch, large is good; empty where nothing was held out.
        best_epoch: the epoch whose weights were kept, from 0.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_epoch: int = 0
