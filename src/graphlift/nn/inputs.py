"""What every layer takes, checked in one place."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.graph import NeighborTable


def check_inputs(
    x: Tensor | tuple[Tensor, Tensor],
    neighbors: NeighborTable,
    edge_weight: Tensor | None,
    edge_attr: Tensor | None,
    *,
    in_channels: int,
    edge_dim: int | None,
) -> tuple[Tensor, Tensor]:
    """Sources (S, C_in) and targets (N, C_in) of a call, the same tensor twice where x is one.

    Args:
        x, neighbors, edge_weight, edge_attr: what the layer was called with.
        in_channels: the width that the layer was built for.
        edge_dim: the width of edge attributes that it was built for, None for none.

    Raises:
        InputError: shapes do not fit each other, or an edge weight is negative or not finite.
    """
    sources, targets = x if isinstance(x, tuple) else (x, x)
    expected = [
        ("x", targets, (len(neighbors), in_channels)),
        ("x", sources, (neighbors.num_sources, in_channels)),
        ("edge_weight", edge_weight, tuple(neighbors.ids.shape)),
    ]
    check_edge_dim(edge_attr, edge_dim)
    if edge_dim is not None:
        expected.append(("edge_attr", edge_attr, (*neighbors.ids.shape, edge_dim)))
    for name, tensor, shape in expected:
        if tensor is not None and tuple(tensor.shape) != shape:
            raise InputError(f"`{name}` must have shape {shape}, got {tuple(tensor.shape)}.")
    if edge_weight is not None:
        used = edge_weight.detach()[neighbors.mask]
        if not (torch.isfinite(used) & (used >= 0)).all():
            raise InputError("`edge_weight` must be finite and non-negative wherever there is a neighbor.")
    return sources, targets


def check_edge_dim(edge_attr: Tensor | None, edge_dim: int | None) -> None:
    """Edge attributes come exactly where a layer was built for them.

    Raises:
        InputError: they are missing, or nobody listens to them.
    """
    if (edge_attr is None) != (edge_dim is None):
        wanted = "no edge attributes" if edge_dim is None else f"{edge_dim} a link"
        raise InputError(f"`edge_attr` must match `edge_dim`: the layer was built for {wanted}.")


def check_heads(out_channels: int, heads: int) -> None:
    """Heads share the channels of a layer evenly.

    Raises:
        InputError: they do not.
    """
    if heads < 1 or out_channels % heads:
        raise InputError(
            f"`out_channels` must be divisible by `heads`, got out_channels={out_channels} and heads={heads}."
        )


def check_dropout(dropout: float) -> None:
    """A share that is dropped.

    Raises:
        InputError: it does not lie in [0, 1).
    """
    if not 0 <= dropout < 1:
        raise InputError(f"`dropout` must lie in [0, 1), got {dropout}.")
