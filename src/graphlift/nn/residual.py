"""A map that starts as identity."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualLinear(nn.Module):
    """``x + W x + b`` with W and b born zero: a fresh map changes nothing, so a fresh model ranks as before.

    Shapes:
        - **input, output:** (..., C)

    Source: "layer skip connections", section 12.1 of the RuVector paper.

    Example:
        >>> import torch
        >>> x = torch.randn(2, 4)
        >>> bool((ResidualLinear(4)(x) == x).all())
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lin = nn.Linear(channels, channels)
        nn.init.zeros_(self.lin.weight)
        nn.init.zeros_(self.lin.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The moved vectors."""
        return x + self.lin(x)
