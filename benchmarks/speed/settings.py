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
    """

    threads: tuple[int, ...] = (1, 2)
    quick: bool = False
    data: Path | None = None

    @property
    def words(self) -> tuple[int, ...]:
        """Sizes of the GloVe indexes that several parts share."""
        return (4000, 8000) if self.quick else (10_000, 100_000, 400_000)
