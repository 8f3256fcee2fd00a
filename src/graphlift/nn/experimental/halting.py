"""A layer that is applied as often as each node needs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.conv import RuvectorConv
from graphlift.nn.inputs import check_inputs


class Halted(NamedTuple):
    """Outputs (N, C), and how many steps each node took, with a gradient in its last share, (N,)."""

    x: Tensor
    ponder: Tensor


class AdaptiveDepthConv(nn.Module):
    r"""One `RuvectorConv`, repeated until each node has had enough (adaptive computation time).

    After step t a node halts with the probability :math:`p_t = \sigma(\mathbf{u}^{\top} \mathbf{h}_t + b)`. Once its
    probabilities sum to 1 or ``max_steps`` is reached, it halts, and its output is

    .. math::
        \mathbf{x}^{\prime} = \sum_{t=1}^{T} p_t \mathbf{h}_t \quad \text{with} \quad p_T = 1 - \sum_{t<T} p_t

    Nodes that halted are not computed any more; their neighbors go on to hear the state they halted in. Add the mean
    of `Halted.ponder` to the loss: its weight trades quality for computation. In a pair, sources stay as they are.

    Args:
        in_channels: width of the input.
        out_channels: width C of the state and the output, divisible by heads.
        heads: attention heads.
        edge_dim: width D of edge attributes; None for none.
        max_steps: of any node.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots;
          edge_weight (N, d), non-negative; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Graves, "Adaptive Computation Time for Recurrent Neural Networks", 2016; for graphs, Spinelli, Scardapane
    and Uncini, "Adaptive Propagation Graph Convolutional Network", 2021.

    Example:
        >>> conv = AdaptiveDepthConv(16, 8, heads=2)
        >>> table = NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))
        >>> conv(torch.randn(3, 16), table).shape
        torch.Size([3, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, heads: int = 4, edge_dim: int | None = None, max_steps: int = 4
    ) -> None:
        super().__init__()
        if max_steps < 1:
            raise InputError(f"`max_steps` must be at least 1, got {max_steps}.")
        self.edge_dim, self.max_steps = edge_dim, max_steps
        self.lin_in = nn.Linear(in_channels, out_channels)
        self.conv = RuvectorConv(out_channels, out_channels, heads, edge_dim=edge_dim)
        self.lin_halt = nn.Linear(out_channels, 1)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors; see `halt` for how many steps each took."""
        return self.halt(x, neighbors, edge_weight, edge_attr).x

    def halt(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Halted:
        """Like `forward`, with the steps that each node took.

        Raises:
            InputError: shapes do not fit each other, or an edge weight is negative or not finite.
        """
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.lin_in.in_features, edge_dim=self.edge_dim
        )
        state = self.lin_in(targets)
        fixed = self.lin_in(sources) if isinstance(x, tuple) else None
        out, left = torch.zeros_like(state), state.new_ones(len(state))
        ponder = state.new_zeros(len(state))
        running = torch.arange(len(state), device=state.device)
        for step in range(self.max_steps):
            table = NeighborTable(neighbors.ids[running], neighbors.num_sources)
            edges = (None if part is None else part[running] for part in (edge_weight, edge_attr))
            moved = self.conv((state if fixed is None else fixed, state[running]), table, *edges)
            state = state.index_copy(0, running, moved)
            chance = self.lin_halt(moved).squeeze(1).sigmoid()
            last = (chance >= left[running]) | (step == self.max_steps - 1)
            share = torch.where(last, left[running], chance)
            out = out.index_add(0, running, share.unsqueeze(1) * moved)
            # Graves's cost: whole steps, plus what was left at the last one, through which the gradient goes.
            ponder = ponder.index_add(0, running, torch.where(last, 1 + left[running], torch.ones_like(share)))
            left = left.index_add(0, running, -share)
            running = running[~last]
            if not len(running):
                break
        return Halted(out, ponder)
