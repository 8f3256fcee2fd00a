"""The layers by name: the one table that `graphlift fit --conv`, the model and the benchmarks look into."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from graphlift.errors import InputError


@dataclass(frozen=True)
class Member:
    """A layer of the family: where its class is, and what it takes beside nodes and neighbors.

    Every class is called as ``conv(x, neighbors, edge_weight=None, edge_attr=None)`` and is built from
    ``in_channels, out_channels``. A layer that is not weighted takes edge weights, too, and does not listen to them;
    edge attributes are refused by a layer that was not built for them.

    Attributes:
        path: module below ``graphlift.nn`` and class, imported when it is needed.
        heads: whether it is built with ``heads``.
        weighted: whether it listens to ``edge_weight``.
        attributed: whether it can be built with ``edge_dim``, and then listens to ``edge_attr``.
        whole: whether it asks for more of a graph than the links of the nodes in question, so that a pair (sources,
            targets) is not the same as the graph that it was cut from.
        options: what else it is built with, as pairs.
    """

    path: str
    heads: bool = False
    weighted: bool = False
    attributed: bool = False
    whole: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    def build(self, in_channels: int, out_channels: int, heads: int = 4, edge_dim: int | None = None) -> nn.Module:
        """A fresh layer.

        Args:
            in_channels: width of the input.
            out_channels: width of the output.
            heads: attention heads, for a layer that has some.
            edge_dim: width of edge attributes, for a layer that listens to some; None for none.

        Raises:
            InputError: the layer knows no edge attributes, or sizes do not fit.
            MissingExtraError: it needs an optional package that is not installed.
        """
        if edge_dim is not None and not self.attributed:
            raise InputError(f"`edge_dim` must be None for {self.path}, which knows no edge attributes.")
        options = dict(self.options)
        if self.heads:
            options["heads"] = heads
        if self.attributed:
            options["edge_dim"] = edge_dim
        module, _, name = self.path.rpartition(".")
        built: nn.Module = getattr(importlib.import_module(f"graphlift.nn.{module}"), name)(
            in_channels, out_channels, **options
        )
        return built


DEFAULT = "ruvector"
"""The paper's own layer."""

CONVS = MappingProxyType(
    {
        DEFAULT: Member("conv.RuvectorConv", heads=True, weighted=True, attributed=True),
        "gcn": Member("pyg.GCNConv", weighted=True, whole=True),
        "gat": Member("pyg_attention.GATConv", heads=True, attributed=True),
        "gatv2": Member("pyg_attention.GATv2Conv", heads=True, attributed=True),
        "transformer-conv": Member("pyg_attention.TransformerConv", heads=True, attributed=True),
        "sage-mean": Member("pyg.SAGEConv", options=(("aggr", "mean"),)),
        "sage-max": Member("pyg.SAGEConv", options=(("aggr", "max"),)),
        "sage-lstm": Member("pyg.SAGEConv", options=(("aggr", "lstm"),)),
        "adaptive-heads": Member(
            "experimental.adaptive_heads.AdaptiveHeadsConv", heads=True, weighted=True, attributed=True
        ),
        "local-global": Member("experimental.local_global.LocalGlobalConv", heads=True, weighted=True, attributed=True),
        "equivariant": Member("experimental.equivariant.EquivariantConv", weighted=True, attributed=True),
        "ode": Member("experimental.ode.OdeConv", heads=True, weighted=True, attributed=True, whole=True),
        "transformer": Member("experimental.transformer.GraphTransformerConv", heads=True, attributed=True, whole=True),
        "experts": Member("experimental.experts.ExpertsConv", heads=True, weighted=True, attributed=True),
        "adaptive-depth": Member(
            "experimental.halting.AdaptiveDepthConv", heads=True, weighted=True, attributed=True, whole=True
        ),
        "hyperbolic": Member("experimental.hyperbolic.HyperbolicConv", weighted=True, attributed=True),
    }
)
"""Name to layer."""


def member(name: str) -> Member:
    """The layer of that name.

    Raises:
        InputError: there is none; the message lists them.

    Example:
        >>> member("ruvector").build(16, 8, heads=2)
        RuvectorConv(
          16, 8, heads=2, ...
    """
    if name not in CONVS:
        raise InputError(f"`conv` must be one of {', '.join(CONVS)}, got {name!r}.")
    return CONVS[name]
