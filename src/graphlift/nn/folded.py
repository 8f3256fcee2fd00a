"""The update of `RuvectorConv` where no gradient is needed: fewer products, and in place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphlift.nn import fast
from graphlift.nn.gru import GatedUpdate


class FoldedUpdate:
    r"""Next states from what was heard, with weights that were multiplied ahead.

    The GRU reads its input :math:`\mathbf{W}_{agg} \mathbf{x}` through :math:`\mathbf{W}_{in}` alone, so
    :math:`\mathbf{W}_{in} \mathbf{W}_{agg}` does in one product what took two, and all biases become one. It stands for
    the weights as they were when it was made.

    Args:
        value_bias: bias of the values (C,), which attention leaves as it is.
        lin_out: output projection of the attention.
        lin_agg: the paper's aggregation.
        gru: the gate.
        norm: the normalisation after it.
        keep: factor of the dropout at inference.
    """

    def __init__(
        self,
        value_bias: Tensor,
        lin_out: nn.Linear,
        lin_agg: nn.Linear,
        gru: GatedUpdate,
        norm: nn.LayerNorm,
        keep: float,
    ) -> None:
        self.norm, self.keep = norm, keep
        self.out = lin_out.weight.T
        self.input = (gru.lin_input.weight @ lin_agg.weight).T  # (C, 3 C): update, reset, candidate
        self.gates, self.state = gru.lin_gates.weight.T, gru.lin_state.weight.T
        constant = gru.lin_input(lin_agg(lin_out(value_bias)))
        self.bias = constant + torch.cat([gru.lin_gates.bias, gru.lin_state.bias])

    def __call__(self, states: Tensor, attended: Tensor, mean: Tensor, linked: Tensor) -> Tensor:
        """As ``conv._update``: states, attended and mean (n, C), linked (n, 1)."""
        channels = states.shape[1]
        heard = torch.addmm(mean, attended, self.out)
        gates = torch.addmm(self.bias, heard, self.input)
        gates[:, : 2 * channels].addmm_(states, self.gates)
        kernels = fast.kernels(self.state.numel() * len(states), states)
        if kernels is None:
            update, reset = gates[:, : 2 * channels].sigmoid_().chunk(2, dim=-1)
            candidate = gates[:, 2 * channels :].addmm_(reset * states, self.state).tanh_()
            updated = torch.lerp(states, candidate, update) * self.keep
            return self.norm(torch.where(linked, updated, states))
        new = torch.empty_like(states)
        fast.run(kernels.reset, len(states), gates, states, new)
        gates[:, 2 * channels :].addmm_(new, self.state)
        norm = (self.norm.weight, self.norm.bias, self.norm.eps)
        fast.run(kernels.update, len(states), gates, states, linked.flatten(), self.keep, *norm, new)
        return new
