"""Sparse attention: every node listens to its neighbors and to a few nodes that listen to all."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.conv import RuvectorConv


class LocalGlobalConv(nn.Module):
    r"""A `RuvectorConv` over neighbors, and attention over global tokens beside it.

    With the G tokens :math:`\mathcal{T}`, such as the nodes of an HNSW index's upper level,

    .. math::
        \mathbf{t}_k &= \mathrm{MultiHead}\big(\mathbf{W} \mathbf{x}_k, \{\mathbf{W} \mathbf{x}_j\}_{j = 1}^{N}\big),
        \quad k \in \mathcal{T} \\
        \mathbf{x}^{\prime}_i &= \mathrm{LayerNorm}\Big(\mathrm{RuvectorConv}(\mathbf{x}_i, \mathcal{N}(i)) +
        \mathbf{W}_{out}\, \mathrm{MultiHead}\big(\mathbf{W} \mathbf{x}_i, \{\mathbf{t}_k\}\big)\Big)

    Tokens listen to all nodes, and all nodes listen to the tokens: one layer carries a message from any node to any
    other, for :math:`O(N (d + G))` scores, where full attention takes :math:`O(N^2)`. The scores of tokens are never
    kept: torch's own attention computes them in blocks. Without tokens what is left is the local part.

    Args:
        in_channels: width of the input.
        out_channels: width C of the output, divisible by heads.
        heads: attention heads of each of the three attentions.
        edge_dim: width of attributes of the links to neighbors; None for none.

    Shapes:
        - as of `RuvectorConv`, and tokens int64 (G,), which name sources

    Source: "sparse attention: local and global patterns", section 12.1 of the RuVector paper; Zaheer et al., "Big Bird:
    transformers for longer sequences", 2020.

    Example:
        >>> import torch
        >>> conv = LocalGlobalConv(16, 8, heads=2)
        >>> neighbors = NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))
        >>> conv(torch.randn(3, 16), neighbors, tokens=torch.tensor([1])).shape
        torch.Size([3, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int = 4, edge_dim: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.local = RuvectorConv(in_channels, out_channels, heads, edge_dim=edge_dim)
        self.lin_listen = nn.Linear(in_channels, 3 * out_channels)
        self.lin_tell = nn.Linear(out_channels, 2 * out_channels)
        self.lin_ask = nn.Linear(in_channels, out_channels)
        self.lin_out = nn.Linear(out_channels, out_channels)
        self.norm = nn.LayerNorm(out_channels)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        tokens: Tensor | None = None,
    ) -> Tensor:
        """Update every node (target) from its neighbors and, where there are some, from the tokens.

        Raises:
            InputError: a token is not a source.
        """
        heard = self.local(x, neighbors, edge_weight, edge_attr)
        if tokens is None or not len(tokens):
            return self.norm(heard)
        if not 0 <= int(tokens.min()) <= int(tokens.max()) < neighbors.num_sources:
            raise InputError(
                f"`tokens` must name sources in [0, {neighbors.num_sources}), got {int(tokens.min())} to "
                f"{int(tokens.max())}."
            )
        sources, targets = x if isinstance(x, tuple) else (x, x)
        query, key, value = self.lin_listen(sources).chunk(3, dim=1)
        summary = self._attend(query[tokens], key, value)  # (G, C)
        told = self._attend(self.lin_ask(targets), *self.lin_tell(summary).chunk(2, dim=1))  # (N, C)
        return self.norm(heard + self.lin_out(told))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Scaled dot-product attention of (T, C) to (S, C), by heads."""
        # With a batch of one in front, torch takes the kernel that keeps no scores.
        split = (part.unflatten(1, (self.heads, -1)).transpose(0, 1).unsqueeze(0) for part in (query, key, value))
        return F.scaled_dot_product_attention(*split).squeeze(0).transpose(0, 1).flatten(1)
