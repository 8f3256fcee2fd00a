"""A layer of continuous depth: an ordinary differential equation in place of a stack."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphlift.errors import InputError, require
from graphlift.graph import NeighborTable
from graphlift.nn.conv import RuvectorConv
from graphlift.nn.inputs import check_inputs


class OdeConv(nn.Module):
    r"""Node states that flow towards what `RuvectorConv` makes of them.

    .. math::
        \mathbf{h}(0) = \mathbf{W} \mathbf{x} + \mathbf{b} \qquad
        \frac{d\mathbf{h}}{dt} = \mathrm{RuvectorConv}(\mathbf{h}) - \mathbf{h} \qquad
        \mathbf{x}^{\prime} = \mathbf{h}(T)

    An Euler step of length 1 is exactly one `RuvectorConv` layer, and T such steps are a stack of T layers that share
    their weights. The solver takes as many steps as the tolerances ask for. Neighbors flow along, so that messages
    travel further than one link. In a pair, sources stay where they are.

    Args:
        in_channels: width of the input.
        out_channels: width C of the state and the output, divisible by heads.
        heads: attention heads.
        edge_dim: width D of edge attributes; None for none.
        depth: the time T.
        method: a solver of torchdiffeq. ``"dopri5"`` chooses its steps by the tolerances; ``"euler"`` and ``"rk4"``
            take steps of length ``step``.
        tolerance: relative error that an adaptive solver allows itself in a step; a tenth of it is the absolute one.
        step: length of a fixed step.
        adjoint: gradients by solving a second equation backwards, with memory that does not grow with the number of
            steps, instead of backpropagation through them.

    Shapes:
        - **input:** x (N, C_in), or a pair (sources (S, C_in), targets (N, C_in)); neighbors of N rows and d slots;
          edge_weight (N, d), non-negative; edge_attr (N, d, D)
        - **output:** (N, C)

    Source: Chen et al., "Neural Ordinary Differential Equations", 2018; on graphs, Xhonneux et al., "Continuous Graph
    Neural Networks", 2020. Solved by torchdiffeq.

    Example:
        >>> conv = OdeConv(16, 8, heads=2)
        >>> conv(torch.randn(3, 16), NeighborTable(torch.tensor([[1, 2], [0, -1], [-1, -1]]))).shape
        torch.Size([3, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 4,
        edge_dim: int | None = None,
        *,
        depth: float = 1.0,
        method: str = "dopri5",
        tolerance: float = 1e-3,
        step: float = 0.25,
        adjoint: bool = False,
    ) -> None:
        super().__init__()
        for name, value in [("depth", depth), ("tolerance", tolerance), ("step", step)]:
            if not value > 0:
                raise InputError(f"`{name}` must be positive, got {value}.")
        diffeq = require("torchdiffeq", extra="ode")
        self.solve = diffeq.odeint_adjoint if adjoint else diffeq.odeint
        self.depth, self.method, self.tolerance, self.step = depth, method, tolerance, step
        self.adjoint, self.edge_dim = adjoint, edge_dim
        self.lin_in = nn.Linear(in_channels, out_channels)
        self.conv = RuvectorConv(out_channels, out_channels, heads, edge_dim=edge_dim)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        neighbors: NeighborTable,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """The states of all nodes (targets) at the time ``depth``.

        Raises:
            InputError: shapes do not fit each other, or an edge weight is negative or not finite.
        """
        check_inputs(x, neighbors, edge_weight, edge_attr, in_channels=self.lin_in.in_features, edge_dim=self.edge_dim)
        pair = isinstance(x, tuple)
        state = self.lin_in(x[1] if isinstance(x, tuple) else x)
        if not len(state):
            return state
        field = _Field(self.conv, neighbors, self.lin_in(x[0]) if pair else None, edge_weight, edge_attr)
        options = {} if self.method == "dopri5" else {"step_size": self.step}
        given = [tensor for tensor in (field.sources, edge_weight, edge_attr) if tensor is not None]
        moved = [tensor for tensor in given if tensor.requires_grad]  # the second equation must know them, too
        more = {"adjoint_params": (*self.conv.parameters(), *moved)} if self.adjoint else {}
        times = torch.tensor([0.0, self.depth], dtype=state.dtype, device=state.device)
        tolerances = {"rtol": self.tolerance, "atol": self.tolerance / 10}
        return self.solve(field, state, times, method=self.method, options=options, **tolerances, **more)[-1]


class _Field(nn.Module):
    """Where the states of a graph are drawn to."""

    def __init__(
        self,
        conv: RuvectorConv,
        neighbors: NeighborTable,
        sources: Tensor | None,
        edge_weight: Tensor | None,
        edge_attr: Tensor | None,
    ) -> None:
        super().__init__()
        self.conv, self.neighbors, self.sources = conv, neighbors, sources
        self.edges = edge_weight, edge_attr

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        x = state if self.sources is None else (self.sources, state)
        return self.conv(x, self.neighbors, *self.edges) - state
