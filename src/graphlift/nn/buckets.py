"""One table for many degrees is mostly empty; some tables for few degrees each are not."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphlift.graph import NeighborTable

FIRST_WIDTH, GROWTH = 4, 4


class DegreeBuckets(nn.Module):
    """The same layer, computed for nodes of like degree at a time.

    HNSW rows have a fixed capacity, so a padded table wastes little. In other graphs a few nodes have most links: the
    papers of Cora have 4 on average and 168 at most, and a padded table is 98 % empty. Here nodes with up to 4, 16, 64,
    ... links go through the layer as targets of a table of that width.

    Args:
        conv: any layer of the family that treats a pair (sources, targets) as it treats one graph, which is all that
            are not `whole` in `graphlift.nn.family`.

    Shapes:
        - as of the layer, with x one tensor

    Example:
        >>> from graphlift.nn import RuvectorConv
        >>> conv, x = RuvectorConv(16, 8), torch.randn(3, 16)
        >>> neighbors = NeighborTable(torch.tensor([[1, 2, 1, 2, 1, 2], [0] + 5 * [-1], 6 * [-1]]))
        >>> torch.allclose(DegreeBuckets(conv)(x, neighbors), conv(x, neighbors), atol=1e-6)
        True
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(
        self,
        x: Tensor,
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node from its neighbors."""
        buckets = _buckets(neighbors)
        out = [
            self.conv((x, x[b.rows]), b.table, *(None if e is None else e[b.slots] for e in (edge_weight, edge_attr)))
            for b in buckets
        ]
        return torch.cat(out)[torch.argsort(torch.cat([b.rows for b in buckets]))]


class _Bucket(NamedTuple):
    """Nodes of like degree: their rows, their links with the filled slots first, and where these stood before."""

    rows: Tensor
    table: NeighborTable
    slots: tuple[Tensor, Tensor]


@lru_cache(maxsize=8)  # tables compare by identity, and a training run uses few
def _buckets(neighbors: NeighborTable) -> list[_Bucket]:
    degree, capacity = neighbors.degree, neighbors.ids.shape[1]
    filled_first = torch.argsort((~neighbors.mask).int(), dim=1, stable=True)
    found: list[_Bucket] = []
    low, width = -1, FIRST_WIDTH
    while low < capacity:
        rows = ((degree > low) & (degree <= width)).nonzero().squeeze(1)
        if len(rows) or not found:
            slots = rows.unsqueeze(1), filled_first[rows, :width]
            found.append(_Bucket(rows, NeighborTable(neighbors.ids[slots], neighbors.num_sources), slots))
        low, width = width, width * GROWTH
    return found
