"""Layers one after another."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.inputs import check_dropout

Skip = Literal["none", "residual", "initial", "jumping"]


class GraphEncoder(nn.Module):
    r"""A stack of layers, with direct paths between what goes in and what comes out.

    With :math:`\mathbf{h}_0` the (projected) input and :math:`f_l` a layer behind dropout and activation,

    .. math::
        \text{none: } \mathbf{h}_l &= f_l(\mathbf{h}_{l-1}) \qquad
        \text{residual: } \mathbf{h}_l = \mathbf{h}_{l-1} + f_l(\mathbf{h}_{l-1}) \\
        \text{initial: } \mathbf{h}_l &= \mathbf{h}_0 + f_l(\mathbf{h}_{l-1}) \qquad
        \text{jumping: } \mathbf{h} = \max_l \mathbf{h}_l \text{ of the plain stack}

    Plain stacks of many layers fail: all nodes come to look alike, and gradients fade. A direct path keeps both what a
    node was and the gradient to it.

    Args:
        convs: layers of the family whose widths fit.
        project: a map of the input to the width of the first layer, where that is wanted; with a sparse x it is the
            only part that sees it.
        activation: after every layer but the last.
        dropout: share of the input of each layer that is dropped in training.
        skip: the direct paths. All but ``"none"`` need a projection and layers of one width.

    Shapes:
        - **input:** x (N, C_in), dense or sparse CSR; neighbors of N rows and d slots; edge_weight (N, d) and
          edge_attr (N, d, D), the same for all layers, as these take them
        - **output:** (N, C)

    Source: "layer skip connections", section 12.1 of the RuVector paper; He et al. (2016) for residual, Chen et al.,
    "Simple and deep graph convolutional networks" (2020), for initial, Xu et al., "Representation learning on graphs
    with jumping knowledge networks" (2018), for jumping.

    Example:
        >>> from graphlift.nn import RuvectorConv
        >>> encoder = GraphEncoder([RuvectorConv(16, 8), RuvectorConv(8, 4)], dropout=0.5)
        >>> encoder(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        convs: Iterable[nn.Module],
        project: nn.Module | None = None,
        activation: Callable[[Tensor], Tensor] = F.relu,
        dropout: float = 0.0,
        skip: Skip = "none",
    ) -> None:
        super().__init__()
        check_dropout(dropout)
        if skip not in ("none", "residual", "initial", "jumping"):
            raise InputError(f"`skip` must be none, residual, initial or jumping, got {skip!r}.")
        if skip != "none" and project is None:
            raise InputError(f"`project` must be given for skip={skip!r}: a path needs equal widths at both ends.")
        self.convs, self.project = nn.ModuleList(convs), project
        self.activation, self.dropout, self.skip = activation, dropout, skip

    def forward(
        self,
        x: Tensor,
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """The last states of all nodes."""
        if self.project is not None:
            x = self.activation(self.project(self._drop(x)))
        first, states = x, []
        for number, conv in enumerate(self.convs):
            heard = conv(self._drop(x), neighbors, edge_weight, edge_attr)
            if number < len(self.convs) - 1:
                heard = self.activation(heard)
            path = {"residual": x, "initial": first}.get(self.skip)
            x = heard if path is None else path + heard
            states.append(x)
        return torch.stack(states).amax(dim=0) if self.skip == "jumping" else x

    def _drop(self, x: Tensor) -> Tensor:
        """Dropout, which for a sparse x looks at what is there only."""
        if x.layout != torch.sparse_csr:
            return F.dropout(x, self.dropout, self.training)
        values = F.dropout(x.values(), self.dropout, self.training)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
            return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), values, x.shape)
