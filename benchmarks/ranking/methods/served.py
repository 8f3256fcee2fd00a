"""What a method leaves behind: something that ranks documents, and that would serve."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.ranking.measure import top_rows
from graphlift import HnswIndex

EF_SEARCH = 128
"""Beam of every walk."""


class Served(Protocol):
    """A method after training."""

    def rank(self, queries: Tensor, k: int = 100) -> Tensor:
        """Rows of the k best documents of each query (Q, C), for quality, (Q, k)."""
        ...

    def search(self, query: Tensor) -> object:
        """The ten best of one query (1, C), as it would be served, for speed."""
        ...


class Moved:
    """Queries and documents that were moved: scanned for quality, walked for speed.

    Args:
        encode: where a query (Q, C) goes.
        documents: the moved documents, (N, C); the inner product compares.
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], documents: Tensor) -> None:
        self.encode, self.documents = encode, documents

    @torch.inference_mode()
    def rank(self, queries: Tensor, k: int = 100) -> Tensor:
        """The best by an exact scan."""
        return top_rows(self.encode(queries), self.documents, k)

    @torch.inference_mode()
    def search(self, query: Tensor) -> object:
        """The best by a walk over the moved documents."""
        return self._index.search_rows(self.encode(query).numpy(), 10, EF_SEARCH)

    @cached_property
    def _index(self) -> HnswIndex:
        return HnswIndex.build(self.documents.numpy(), metric="ip")


class Walked:
    """An index that searches itself, frozen or lifted."""

    def __init__(self, searcher: HnswIndex) -> None:
        self.searcher = searcher

    def rank(self, queries: Tensor, k: int = 100) -> Tensor:
        """The best by its own search."""
        found = self.searcher.search_rows(queries.numpy(), min(k, len(self.searcher)), EF_SEARCH)
        return torch.from_numpy(found[1])

    def search(self, query: Tensor) -> object:
        """The same for ten."""
        return self.searcher.search_rows(query.numpy(), 10, EF_SEARCH)
