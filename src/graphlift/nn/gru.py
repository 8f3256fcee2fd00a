"""The gated update of a node's state."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GatedUpdate(nn.Module):
    r"""GRU cell in its first form (Cho et al., 2014), which the RuVector paper uses.

    .. math::
        \mathbf{z} &= \sigma(\mathbf{W}_z \mathbf{x} + \mathbf{U}_z \mathbf{h}) \qquad
        \mathbf{r} = \sigma(\mathbf{W}_r \mathbf{x} + \mathbf{U}_r \mathbf{h}) \\
        \tilde{\mathbf{h}} &= \tanh(\mathbf{W}_h \mathbf{x} + \mathbf{U}_h (\mathbf{r} \odot \mathbf{h})) \\
        \mathbf{h}^{\prime} &= (1 - \mathbf{z}) \odot \mathbf{h} + \mathbf{z} \odot \tilde{\mathbf{h}}

    ``torch.nn.GRUCell`` differs twice: it resets after the product with :math:`\mathbf{U}_h`, and its
    :math:`\mathbf{z}` keeps the old state instead of the new one.

    Shapes:
        - **input:** x (..., C), state (..., C)
        - **output:** (..., C)

    Example:
        >>> update = GatedUpdate(8)
        >>> update(torch.zeros(3, 8), torch.ones(3, 8)).shape
        torch.Size([3, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lin_input = nn.Linear(channels, 3 * channels)  # W_z, W_r, W_h
        self.lin_gates = nn.Linear(channels, 2 * channels)  # U_z, U_r
        self.lin_state = nn.Linear(channels, channels)  # U_h

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """The next state."""
        x_gates, x_candidate = self.lin_input(x).split([2 * state.shape[-1], state.shape[-1]], dim=-1)
        update, reset = torch.sigmoid(x_gates + self.lin_gates(state)).chunk(2, dim=-1)
        candidate = torch.tanh(x_candidate + self.lin_state(reset * state))
        return torch.lerp(state, candidate, update)
