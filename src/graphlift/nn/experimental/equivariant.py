"""Message passing among points in space that does not care how space is turned."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.inputs import check_inputs


class EquivariantConv(nn.Module):
    r"""E(n)-equivariant message passing: features hear distances only, and coordinates move along differences.

    The last ``coordinates`` channels of input and output are positions :math:`\mathbf{p}`, the others features
    :math:`\mathbf{h}`.

    .. math::
        \mathbf{m}_{ij} &= \phi_e\big(\mathbf{h}_i, \mathbf{h}_j, \lVert \mathbf{p}_i - \mathbf{p}_j \rVert^2,
        \mathbf{e}_{ij}\big) \qquad
        \mathbf{h}^{\prime}_i = \phi_h\Big(\mathbf{h}_i, \sum_j w_{ij} \mathbf{m}_{ij}\Big) \\
        \mathbf{p}^{\prime}_i &= \mathbf{p}_i + \frac{1}{|\mathcal{N}(i)|} \sum_j w_{ij}
        \frac{\mathbf{p}_i - \mathbf{p}_j}{1 + \lVert \mathbf{p}_i - \mathbf{p}_j \rVert} \phi_p(\mathbf{m}_{ij})

    Turn, mirror or shift the positions, and the new positions turn, mirror or shift alike while the features stay as
    they are: by construction, not by training. The division by 1 + distance keeps far neighbors from throwing a node
    out of the picture.

    Args:
        in_channels: width of the input, positions included.
        out_channels: width C of the output, positions included.
        coordinates: dimensions of space.
        edge_dim: width D of edge attributes; None for none.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots;
          edge_weight (N, d), non-negative; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Satorras, Hoogeboom and Welling, "E(n) Equivariant Graph Neural Networks", 2021.

    Example:
        >>> conv = EquivariantConv(16, 8)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, coordinates: int = 3, edge_dim: int | None = None) -> None:
        super().__init__()
        if not 1 <= coordinates < min(in_channels, out_channels):
            raise InputError(
                f"`coordinates` must be at least 1 and leave a feature, got coordinates={coordinates} with "
                f"in_channels={in_channels} and out_channels={out_channels}."
            )
        self.in_channels, self.coordinates, self.edge_dim = in_channels, coordinates, edge_dim
        features, hidden = in_channels - coordinates, out_channels
        self.lin_target = nn.Linear(features, hidden)
        self.lin_source = nn.Linear(features, hidden, bias=False)
        self.lin_pair = nn.Linear(1 + (edge_dim or 0), hidden, bias=False)
        self.lin_message = nn.Linear(hidden, hidden)
        self.mlp_position = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1, bias=False))
        self.mlp_feature = nn.Sequential(
            nn.Linear(features + hidden, hidden), nn.SiLU(), nn.Linear(hidden, out_channels - coordinates)
        )

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors."""
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.in_channels, edge_dim=self.edge_dim
        )
        split = [self.in_channels - self.coordinates, self.coordinates]
        (h_source, p_source), (h, p) = sources.split(split, dim=1), targets.split(split, dim=1)
        ids = neighbors.ids.clamp(min=0)
        apart = p.unsqueeze(1) - F.embedding(ids, p_source)  # (N, d, dimensions)
        square = apart.square().sum(dim=-1, keepdim=True)
        pair = square if edge_attr is None else torch.cat([square, edge_attr], dim=-1)
        hidden = self.lin_target(h).unsqueeze(1) + F.embedding(ids, self.lin_source(h_source)) + self.lin_pair(pair)
        message = F.silu(self.lin_message(F.silu(hidden)))  # (N, d, C)
        weight = neighbors.mask.to(message) if edge_weight is None else edge_weight.masked_fill(~neighbors.mask, 0)
        weight = weight.unsqueeze(-1)
        length = square.clamp(min=torch.finfo(square.dtype).tiny).sqrt()
        moves = weight * apart / (1 + length) * self.mlp_position(message)
        position = p + moves.sum(dim=1) / neighbors.degree.clamp(min=1).unsqueeze(1)
        feature = self.mlp_feature(torch.cat([h, (weight * message).sum(dim=1)], dim=1))
        return torch.cat([feature, position], dim=1)
