"""Layers without a dense form, on dense graphs: every node listens along its strongest links."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.family import Member

LINKS = 16
"""A node listens to at most so many others: enough for what matters, few enough to gather."""


class StrongestLinks(nn.Module):
    r"""Any layer of the family, called as `RuvectorConv.forward_dense` is.

    The strength of a link is the sum of its attributes, which should be scaled alike. A target listens to the 16
    strongest; a layer that knows weights gets :math:`\mathrm{softmax}(\text{strength} / \tau)`, and one that knows
    attributes gets these.

    Args:
        kind: the layer.
        channels: its width, in and out.
        heads: its attention heads, where it has some.
        edge_dim: number of attributes.
        temperature: :math:`\tau`.

    Shapes:
        - **input:** x a pair (sources (G, S, C), targets (G, T, C)); mask (G, T, S) or (G, 1, S), True at [g, i, j]
          where target i may listen to source j; edge_attr (G, T, S, D)
        - **output:** (G, T, C)

    Example:
        >>> from graphlift.nn.family import member
        >>> layer = StrongestLinks(member("ruvector"), channels=8, heads=2, edge_dim=3, temperature=1.0)
        >>> x, mask = (torch.randn(2, 40, 8), torch.randn(2, 5, 8)), torch.ones(2, 1, 40, dtype=torch.bool)
        >>> layer.forward_dense(x, mask, torch.randn(2, 5, 40, 3)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, kind: Member, channels: int, heads: int, edge_dim: int, temperature: float) -> None:
        super().__init__()
        self.attributed, self.temperature = kind.attributed, temperature
        self.conv = kind.build(channels, channels, heads, edge_dim if kind.attributed else None)

    def forward_dense(self, x: tuple[Tensor, Tensor], mask: Tensor, edge_attr: Tensor) -> Tensor:
        """Update every target from its strongest sources."""
        sources, targets = x
        strength, column = edge_attr.sum(dim=3).masked_fill(~mask, -torch.inf).topk(min(LINKS, mask.shape[2]), dim=2)
        real = strength > -torch.inf
        weight = (strength / self.temperature).softmax(dim=2).masked_fill(~real, 0)
        graph = torch.arange(len(sources), device=column.device).view(-1, 1, 1)
        ids = (column + graph * sources.shape[1]).masked_fill(~real, EMPTY)
        table = NeighborTable(ids.flatten(0, 1), num_sources=sources.shape[0] * sources.shape[1])
        attr = None
        if self.attributed:
            attr = edge_attr.gather(2, column.unsqueeze(3).expand(-1, -1, -1, edge_attr.shape[3])).flatten(0, 1)
        flat = sources.flatten(0, 1), targets.flatten(0, 1)
        return cast(Tensor, self.conv(flat, table, weight.flatten(0, 1), attr)).unflatten(0, targets.shape[:2])
