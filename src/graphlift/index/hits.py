"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Hits:
    """Results of Q queries, best first.

    Attributes:
        ids: the user's ids, (Q, k), of the type that the index was given (int64 or str objects).
        scores: similarity or model score, large is near, float32 (Q, k).
    """

    ids: npt.NDArray[np.generic]
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)
