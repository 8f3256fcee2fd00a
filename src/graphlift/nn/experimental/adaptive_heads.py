"""Heads that pay for themselves: gates learn how many a layer needs, and the others are cut out."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.conv import RuvectorConv

TEMPERATURE, LOW, HIGH = 2 / 3, -0.1, 1.1
"""Of the hard concrete distribution, as its authors set them."""
BIRTH = 2.0
"""A fresh gate is open with a probability of 0.97."""


class AdaptiveHeadsConv(nn.Module):
    r"""A `RuvectorConv` with a gate on every head, and a price on every open gate.

    .. math::
        \mathbf{a}_i = \mathbf{W}_{out} \big[\, g_1 \mathbf{a}_{i,1} \,\|\, \dots \,\|\, g_H \mathbf{a}_{i,H} \big],
        \qquad \mathcal{L} \leftarrow \mathcal{L} + \lambda \sum_h P(g_h > 0)

    In training :math:`g_h` is drawn from a hard concrete distribution: a stretched sigmoid of a learned number and
    noise, cut to [0, 1], so that it can be exactly 0 and still has a gradient. Otherwise it is what the learned number
    gives without noise. The price enters where the gradient of the gates passes, so any training loop will do, and no
    loss has to know of it. `pruned` gives the plain layer without the closed heads, which computes the same.

    Args:
        in_channels: width of the input.
        out_channels: width of the output, divisible by heads.
        heads: how many there are at first.
        edge_dim: width of edge attributes; None for none.
        price: :math:`\lambda`, what the loss must gain by a head that stays.

    Shapes:
        - as of `RuvectorConv`

    Source: Louizos, Welling and Kingma, "Learning sparse neural networks through L0 regularization", 2018, for the
    gates; Voita et al., "Analyzing multi-head self-attention", 2019, for gates on heads.

    Example:
        >>> conv = AdaptiveHeadsConv(16, 8, heads=4).eval()
        >>> x, neighbors = torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))
        >>> conv.open_heads, torch.allclose(conv.pruned()(x, neighbors), conv(x, neighbors), atol=1e-6)
        (4, True)
    """

    def __init__(
        self, in_channels: int, out_channels: int, heads: int = 8, edge_dim: int | None = None, price: float = 0.02
    ) -> None:
        super().__init__()
        if price < 0:
            raise InputError(f"`price` must not be negative, got {price}.")
        self.conv = RuvectorConv(in_channels, out_channels, heads, edge_dim=edge_dim)
        parametrize.register_parametrization(self.conv.lin_out, "weight", HeadGates(heads, price))

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors."""
        return self.conv(x, neighbors, edge_weight, edge_attr)

    @property
    def gates(self) -> HeadGates:
        """The gates of all heads."""
        return cast(HeadGates, cast(Any, self.conv.lin_out).parametrizations.weight[0])

    @property
    def open_heads(self) -> int:
        """How many heads are left."""
        return int(self.gates.kept.sum())

    @torch.no_grad()
    def pruned(self) -> RuvectorConv:
        """The plain layer of the open heads."""
        old, kept = self.conv, self.gates.kept
        width = old.lin_query.out_features // old.heads
        new = RuvectorConv(
            old.in_channels, old.out_channels, int(kept.sum()), old.dropout, old.edge_dim, width, old.chunk_size
        ).to(old.lin_msg.weight)
        channels = kept.repeat_interleave(width)
        state = {key: value for key, value in old.state_dict().items() if "parametrizations" not in key}
        state["lin_out.weight"] = self.gates.scale(cast(Any, old.lin_out).parametrizations.weight.original)[:, channels]
        for name in ("lin_query", "lin_key", "lin_value"):
            for part in ("weight", "bias"):
                state[f"{name}.{part}"] = state[f"{name}.{part}"][channels]
        if old.lin_edge is not None:
            state["lin_edge.weight"] = state["lin_edge.weight"][kept]
        new.load_state_dict(state)
        return new.train(self.training)


class HeadGates(nn.Module):
    """Gates of H heads, which scale the columns of an output projection.

    Args:
        heads: H.
        price: as of `AdaptiveHeadsConv`.

    Shapes:
        - **input, output:** weight (C, H * width of a head)
    """

    def __init__(self, heads: int, price: float) -> None:
        super().__init__()
        self.price = price
        self.log_alpha = nn.Parameter(torch.full((heads,), BIRTH))

    def forward(self, weight: Tensor) -> Tensor:
        """The columns as the gates let them through: with noise in training, without it otherwise."""
        if not self.training:
            return self.scale(weight)
        log_alpha = _Charged.apply(self.log_alpha, self.price)
        noise = torch.rand_like(log_alpha).clamp(1e-6, 1 - 1e-6)
        return self.scale(weight, (log_alpha + noise.logit()) / TEMPERATURE)

    def scale(self, weight: Tensor, opened: Tensor | None = None) -> Tensor:
        """The columns times the gates; without ``opened``, those that noise does not touch."""
        gates = self._settled if opened is None else _hard(opened)
        return (weight.unflatten(1, (len(gates), -1)) * gates.unsqueeze(1)).flatten(1)

    @property
    def kept(self) -> Tensor:
        """Heads that are open, at least one, (H,)."""
        kept = self._settled > 0
        kept[self.log_alpha.argmax()] = True
        return kept

    @property
    def _settled(self) -> Tensor:
        return _hard(self.log_alpha)


class _Charged(torch.autograd.Function):
    """Leaves the numbers behind the gates alone, and adds the price of open gates to their gradient."""

    @staticmethod
    def forward(ctx: Any, log_alpha: Tensor, price: float) -> Tensor:
        ctx.save_for_backward(log_alpha)
        ctx.price = price
        return log_alpha.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        [log_alpha] = ctx.saved_tensors
        is_open = (log_alpha - TEMPERATURE * math.log(-LOW / HIGH)).sigmoid()
        return gradient + ctx.price * is_open * (1 - is_open), None


def _hard(stretched: Tensor) -> Tensor:
    """Sigmoid, stretched beyond 0 and 1 and cut there."""
    return (stretched.sigmoid() * (HIGH - LOW) + LOW).clamp(0, 1)
