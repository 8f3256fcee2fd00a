"""A mixture of layers: each node is sent to the few that suit it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.conv import RuvectorConv
from graphlift.nn.inputs import check_inputs


class Routing(NamedTuple):
    """Where N nodes are sent: k experts each (N, k), their weights (N, k), and the router's view of all (N, E)."""

    experts: Tensor
    weights: Tensor
    probabilities: Tensor


class ExpertsConv(nn.Module):
    r"""Several `RuvectorConv` of which each node uses k, chosen by what the node is.

    .. math::
        \mathbf{p}_i = \mathrm{softmax}(\mathbf{W}_r \mathbf{x}_i + \mathbf{b}_r) \qquad
        \mathbf{x}^{\prime}_i = \sum_{e \in \mathrm{top}_k(\mathbf{p}_i)}
        \frac{p_{ie}}{\sum_{f \in \mathrm{top}_k} p_{if}} \, \mathrm{RuvectorConv}_e(\mathbf{x}_i, \mathcal{N}(i))

    With k = 1 the weight is :math:`p_{ie}` itself, or the router would not learn. An expert computes only the nodes
    that are sent to it, so that k, not the number of experts, sets the cost. With one expert it is `RuvectorConv`
    itself. Add `balance_loss` of the routing to what is trained, or few experts get all.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads of each expert.
        edge_dim: width D of edge attributes; None for none.
        num_experts: how many there are, E.
        k: how many of them a node uses.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots;
          edge_weight (N, d), non-negative; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", 2017; on
    graphs, Wang et al., "Graph Mixture of Experts", 2023.

    Example:
        >>> conv = ExpertsConv(16, 8, heads=2)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        edge_dim: int | None = None,
        num_experts: int = 4,
        k: int = 2,
    ) -> None:
        super().__init__()
        if not 1 <= k <= num_experts:
            raise InputError(f"`k` must lie in [1, {num_experts}] (the number of experts), got {k}.")
        self.in_channels, self.out_channels, self.edge_dim, self.k = in_channels, out_channels, edge_dim, k
        self.router = nn.Linear(in_channels, num_experts)
        self.experts = nn.ModuleList(
            RuvectorConv(in_channels, out_channels, heads, edge_dim=edge_dim) for _ in range(num_experts)
        )

    def route(self, x: Tensor) -> Routing:
        """Where nodes (N, C_in) are sent."""
        probabilities = self.router(x).softmax(dim=1)
        weights, experts = probabilities.topk(self.k, dim=1)
        return Routing(experts, weights / weights.sum(dim=1, keepdim=True) if self.k > 1 else weights, probabilities)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) by its experts.

        Raises:
            InputError: shapes do not fit each other, or an edge weight is negative or not finite.
        """
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=self.edge_dim
        )
        routing = self.route(targets)
        out = targets.new_zeros(len(targets), self.out_channels)
        for number, expert in enumerate(self.experts):
            rows, place = (routing.experts == number).nonzero(as_tuple=True)
            table = NeighborTable(neighbors.ids[rows], neighbors.num_sources)
            edges = (None if part is None else part[rows] for part in (edge_weight, edge_attr))
            updated = expert((sources, targets[rows]), table, *edges)
            out = out.index_add(0, rows, routing.weights[rows, place].unsqueeze(1) * updated)
        return out


def balance_loss(routing: Routing) -> Tensor:
    r"""How unevenly nodes are spread over experts: 1 when evenly, the number of experts when all go to one.

    .. math::
        E \sum_e f_e \bar{p}_e

    with the share :math:`f_e` of choices that fell on expert e, and its mean probability :math:`\bar{p}_e`, which
    carries the gradient.

    Source: Fedus, Zoph and Shazeer, "Switch Transformers", 2022.

    Example:
        >>> even = torch.full((4, 2), 0.5)
        >>> balance_loss(Routing(torch.tensor([[0], [1], [0], [1]]), torch.ones(4, 1), even))
        tensor(1.)
    """
    count = routing.probabilities.shape[1]
    chosen = torch.bincount(routing.experts.flatten(), minlength=count) / max(routing.experts.numel(), 1)
    return count * (chosen * routing.probabilities.mean(dim=0)).sum()
