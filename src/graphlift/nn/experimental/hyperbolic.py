"""Message passing on the Poincaré ball."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.experimental import ball
from graphlift.nn.inputs import check_inputs

REACH = 2.0
"""Tangent vectors are cut to this length (in units of the radius): beyond it float32 runs out of digits, and gradients
of points, which fall with the squared distance to the border, all but vanish."""


class HyperbolicConv(nn.Module):
    r"""Attention by hyperbolic distance, and a weighted midpoint on the Poincaré ball.

    .. math::
        \mathbf{m}_i &= \exp_0(\mathbf{W} \mathbf{x}_i) \oplus_c \exp_0(\mathbf{b}) \qquad
        \alpha_{ij} \propto w_{ij} \exp\big(-\beta\, d_c(\mathbf{m}_i, \mathbf{m}_j)\big),
        \quad j \in \mathcal{N}(i) \cup \{i\} \\
        \mathbf{x}^{\prime}_i &= \log_0 \Big( \mathrm{midpoint}_c \big( \{\mathbf{m}_j\}, \alpha_{i \cdot} \big) \Big)

    The node itself is among those it hears, with weight 1. Input and output are tangent vectors at the origin, which
    are ordinary vectors: so the layer stands wherever another one does, and the ball is inside. The curvature -c and
    the sharpness :math:`\beta` are learned. As c falls to 0 the layer becomes a weighted mean of
    :math:`\mathbf{W}\mathbf{x}_j + \mathbf{b}`. Vectors :math:`\mathbf{W}\mathbf{x}_i` longer than `REACH` are cut.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output.
        curvature: first value of c, positive.
        edge_dim: width D of edge attributes, which add a learned bias to the scores; None for none.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots;
          edge_weight (N, d), non-negative; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Chami et al., "Hyperbolic Graph Convolutional Neural Networks", 2019; attention by distance and the
    midpoint after Gulcehre et al., "Hyperbolic Attention Networks", 2019; the cut of long vectors after Guo et al.,
    "Clipped Hyperbolic Classifiers Are Super-Hyperbolic Classifiers", 2022.

    Example:
        >>> conv = HyperbolicConv(16, 8)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, curvature: float = 1.0, edge_dim: int | None = None
    ) -> None:
        super().__init__()
        if curvature <= 0:
            raise InputError(f"`curvature` must be positive (c of curvature -c), got {curvature}.")
        self.edge_dim = edge_dim
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.log_curvature = nn.Parameter(torch.tensor(curvature).log())
        self.log_sharpness = nn.Parameter(torch.tensor(0.0))
        self.lin_edge = None if edge_dim is None else nn.Linear(edge_dim, 1, bias=False)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors and itself."""
        sources, targets = check_inputs(
            x, neighbors, edge_weight, edge_attr, in_channels=self.lin.in_features, edge_dim=self.edge_dim
        )
        c = self.log_curvature.exp()
        messages = self._points(sources, c)
        states = (self._points(targets, c) if isinstance(x, tuple) else messages).unsqueeze(1)  # (N, 1, C)
        gathered = F.embedding(neighbors.ids.clamp(min=0), messages)
        # Distances and midpoints move with their points: with the node at the origin they keep the most digits.
        heard = torch.cat([torch.zeros_like(states), ball.mobius_add(-states, gathered, c)], dim=1)
        scores = -self.log_sharpness.exp() * ball.dist(heard, torch.zeros_like(heard), c)  # (N, 1 + d), itself first
        if edge_attr is not None and self.lin_edge is not None:
            scores = scores + F.pad(self.lin_edge(edge_attr).squeeze(-1), (1, 0))
        scores = scores.masked_fill(~F.pad(neighbors.mask, (1, 0), value=True), -torch.inf)
        weight = neighbors.mask.to(scores) if edge_weight is None else edge_weight.masked_fill(~neighbors.mask, 0)
        shift = scores.detach().amax(dim=1, keepdim=True)  # which leaves the midpoint as it is, and exp in its range
        alpha = F.pad(weight, (1, 0), value=1.0) * (scores - shift).exp()
        return ball.logmap0(ball.mobius_add(states.squeeze(1), ball.midpoint(heard, alpha, c), c), c)

    def _points(self, x: Tensor, c: Tensor) -> Tensor:
        """Points of the ball, (N, C)."""
        tangent = self.lin(x)
        length = tangent.norm(dim=-1, keepdim=True) * c.sqrt()
        tangent = tangent * (REACH / length.clamp(min=REACH))  # which has a gradient at length 0, too
        return ball.mobius_add(ball.expmap0(tangent, c), ball.expmap0(self.bias, c), c)
