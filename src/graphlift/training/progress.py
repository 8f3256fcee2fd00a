"""How a fit tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a fit.

    Attributes:
        stage: for people, such as ``"lift"`` or ``"ranker"``.
        done, total: in the stage's own unit, mostly epochs.
        loss: mean loss of the last epoch, where there is one.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None


ProgressCallback = Callable[[Progress], None]
