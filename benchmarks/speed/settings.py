"""What the command line asks of every part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        threads: thread counts; parts that compare only one take the last.
        quick: small sizes and few rounds, to see that everything runs; its numbers mean nothing.
        data: folders in BEIR layout with vectors, where a part can use them.
        device: where layers and training steps are computed.
    """

    threads: tuple[int, ...] = (1, 2)
    quick: bool = False
    data: Path | None = None
    device: str = "cpu"
