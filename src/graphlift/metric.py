"""How near two vectors are: a name for each similarity, and the form that it wants vectors in."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphlift.errors import InputError

Vectors = npt.NDArray[np.float32]
LARGEST = 1e15
"""Entries beyond this overflow float32 when thousands of their squares are summed."""


class Metric(StrEnum):
    """Similarities that an index knows; large is near for each.

    ``COSINE`` stores unit vectors, ``INNER_PRODUCT`` and ``L2`` store vectors as they are; the similarity
    of ``L2`` is the negative squared distance.
    """

    COSINE = "cosine"
    INNER_PRODUCT = "ip"
    L2 = "l2"

    def prepare(self, vectors: npt.ArrayLike | Tensor, argument: str, channels: int | None = None) -> Vectors:
        """Vectors in the form that the index stores and searches: float32, contiguous, unit length for cosine.

        Args:
            vectors: anything that is an array (N, C) of finite numbers, or a tensor.
            argument: its name in the caller's signature, for messages.
            channels: C where it is known.

        Raises:
            InputError: wrong shape, wrong width, not finite, or a zero vector under cosine.
        """
        if isinstance(vectors, Tensor):
            vectors = vectors.detach().cpu().float().numpy()
        try:
            array: npt.NDArray[Any] = np.asarray(vectors)
        except ValueError as error:  # rows of different lengths
            raise InputError(f"`{argument}` must be numbers of shape (N, C): {error}") from error
        if array.ndim != 2 or array.dtype.kind not in "fiu":
            raise InputError(f"`{argument}` must be numbers of shape (N, C), got {array.dtype} of shape {array.shape}.")
        if channels is not None and array.shape[1] != channels:
            raise InputError(f"`{argument}` must have {channels} channels like the index, got {array.shape[1]}.")
        if array.shape[1] == 0:
            raise InputError(f"`{argument}` must have at least one channel, got shape {array.shape}.")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which is refused below
            array = np.ascontiguousarray(array, dtype=np.float32)
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            raise InputError(
                f"`{argument}` must be finite, got NaN or infinity in {len(bad)} rows, first in row {bad[0]}."
            )
        if self is not Metric.COSINE and len(array) and float(np.abs(array).max()) > LARGEST:
            raise InputError(
                f"`{argument}` must be at most {LARGEST:g} in size, so that squares stay finite, "
                f"got {float(np.abs(array).max()):g}."
            )
        if self is Metric.COSINE:
            largest = np.abs(array).max(axis=1, keepdims=True)
            zero = np.flatnonzero(largest == 0)
            if len(zero):
                raise InputError(
                    f"`{argument}` must not be zero under the cosine metric, "
                    f"got {len(zero)} zero rows, first in row {zero[0]}."
                )
            array = array / largest  # so that no square overflows or vanishes
            array /= np.linalg.norm(array, axis=1, keepdims=True)
        return array
