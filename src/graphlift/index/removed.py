"""Which rows of an index are removed: they stay where they are, and no search returns them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Removed:
    """Tombstones.

    Attributes:
        mask: True where a row is removed, (N,).

    Example:
        >>> removed = Removed.none(3).plus(1).marked([1, 3])
        >>> removed.count, removed.kept.tolist()
        (2, [0, 2])
    """

    mask: npt.NDArray[np.bool_]

    @classmethod
    def none(cls, count: int) -> Removed:
        """No row of ``count`` is removed."""
        return cls(np.zeros(count, dtype=bool))

    @cached_property
    def count(self) -> int:
        """How many rows are removed."""
        return int(self.mask.sum())

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """The rows that are not removed, ascending."""
        return np.flatnonzero(~self.mask)

    def plus(self, count: int) -> Removed:
        """The same with so many more rows behind."""
        return Removed(np.concatenate([self.mask, np.zeros(count, dtype=bool)]))

    def marked(self, rows: npt.ArrayLike) -> Removed:
        """The same with further rows removed."""
        mask = self.mask.copy()
        mask[np.asarray(rows, dtype=np.int64)] = True
        return Removed(mask)

    @cached_property
    def selector(self) -> Any:
        """What tells FAISS which rows it may return; None for all."""
        return faiss.IDSelectorBitmap(np.packbits(~self.mask, bitorder="little")) if self.count else None
