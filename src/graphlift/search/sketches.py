"""Sketches: vectors along a few axes, which tell nearly as well who is near whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from graphlift.growing import grown


@dataclass(frozen=True, eq=False)
class Sketches:
    """Documents along the axes, frozen and lifted.

    Attributes:
        axes: orthonormal columns, as of `graphlift.search.axes.principal_axes`, (C, D); with D = C the channels
            themselves.
        documents: frozen and lifted, (N, C).

    Example:
        >>> import torch
        >>> x = torch.tensor([[3.0, 4.0]])
        >>> Sketches(torch.eye(2)[:, :1], (x, -x)).all
        (tensor([[3.]]), tensor([[-3.]]))
    """

    axes: Tensor
    documents: tuple[Tensor, Tensor]

    def along(self, x: Tensor) -> Tensor:
        """Vectors (..., C) along the axes, (..., D)."""
        return x if self._is_whole else x @ self.axes

    @cached_property
    def all(self) -> tuple[Tensor, Tensor]:
        """Of all documents, frozen and lifted, (N, D) each; made when first asked for."""
        frozen, lifted = map(self.along, self.documents)
        return frozen, lifted

    def extended(self, documents: tuple[Tensor, Tensor]) -> Sketches:
        """The same for documents of which the first are those of this one; only the others are sketched."""
        other = Sketches(self.axes, documents)
        if "all" in vars(self) and not self._is_whole:
            known = zip(self.all, documents, strict=True)
            vars(other)["all"] = tuple(grown(sketched, self.along(x[len(sketched) :])) for sketched, x in known)
        return other

    @property
    def _is_whole(self) -> bool:
        """Whether a sketch is the vector itself, and takes no memory of its own."""
        return self.axes.shape[0] == self.axes.shape[1]
