"""Sketches: vectors along a few axes, which tell nearly as well who is near whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from graphlift.growing import grown

CHUNK = 4096
"""Documents that are sketched at a time."""


@dataclass(frozen=True, eq=False)
class Sketches:
    """Documents along the axes, frozen and lifted.

    Attributes:
        axes: orthonormal columns, as of `graphlift.search.axes.principal_axes`, (C, D).
        documents: frozen and lifted, (N, C).

    Example:
        >>> x = torch.tensor([[3.0, 4.0]])
        >>> Sketches(torch.eye(2)[:, :1], (x, -x)).all
        tensor([[ 3., -3.]])
    """

    axes: Tensor
    documents: tuple[Tensor, Tensor]

    def along(self, x: Tensor) -> Tensor:
        """Vectors (..., C) along the axes, (..., D)."""
        return x @ self.axes

    @cached_property
    def all(self) -> Tensor:
        """Of all documents, frozen and lifted side by side, (N, 2 D); made when first asked for."""
        return self._sketched(0)

    def extended(self, documents: tuple[Tensor, Tensor]) -> Sketches:
        """The same for documents of which the first are those of this one."""
        other = Sketches(self.axes, documents)
        if "all" in vars(self):  # only the new ones are sketched
            vars(other)["all"] = grown(self.all, other._sketched(len(self.all)))
        return other

    @torch.inference_mode()
    def _sketched(self, first: int) -> Tensor:
        """Sketches of the documents from a row on."""
        frozen, lifted = (documents[first:] for documents in self.documents)
        width = self.axes.shape[1]
        with torch.inference_mode(False):
            sketched = frozen.new_empty(len(frozen), 2 * width)
        for start in range(0, len(frozen), CHUNK):
            rows = slice(start, start + CHUNK)
            sketched[rows, :width], sketched[rows, width:] = self.along(frozen[rows]), self.along(lifted[rows])
        return sketched
