"""Weights of rankers multiplied ahead."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from graphlift.nn.conv import RuvectorConv
from graphlift.nn.kernels.elementary import F4, Array
from graphlift.nn.ranker import EDGE_SCALE, SubgraphRanker
from graphlift.serving.kernels.ranker import Weights

EVERYONE = 2**31
"""More candidates than there are."""


class _Affine:
    """A linear map as a matrix and a shift in double precision, to be followed by others."""

    def __init__(self, matrix: Tensor, shift: Tensor) -> None:
        self.matrix, self.shift = matrix, shift

    @classmethod
    def of(cls, linear: nn.Module) -> _Affine:
        linear = cast("nn.Linear", linear)
        return cls(linear.weight.double(), linear.bias.double())

    def then(self, linear: nn.Module) -> _Affine:
        after = _Affine.of(linear)
        return _Affine(after.matrix @ self.matrix, after.matrix @ self.shift + after.shift)

    def times(self, matrix: Tensor) -> _Affine:
        return _Affine(matrix @ self.matrix, matrix @ self.shift)

    def scaled(self, factor: float) -> _Affine:
        return _Affine(self.matrix * factor, self.shift * factor)


@torch.no_grad()
def fold(ranker: SubgraphRanker) -> Weights:
    """The weights of a ranker as they stand now."""
    convs = [cast("RuvectorConv", conv) for conv in ranker.convs]
    layers = [_layer(ranker, conv, first=number == 0) for number, conv in enumerate(convs)]
    node, past = (_Affine.of(part[0]) for part in (ranker.embed_node, ranker.embed_past))
    embedded, lin = _Affine.of(ranker.embed_node[2]), ranker.lin_alone
    alone = torch.zeros_like(ranker.lin_state.weight).double() if lin is None else lin.weight.double()
    return Weights(
        node_mean=_array(ranker.norm_node.mean),
        node_deviation=_array(ranker.norm_node.deviation),
        past_mean=_array(ranker.norm_past.mean),
        past_deviation=_array(ranker.norm_past.deviation),
        node_in=_array(node.matrix),
        node_bias=_array(node.shift),
        past_in=_array(past.matrix.T),
        past_bias=_array(past.shift),
        **{name: _array(torch.stack([layer[name] for layer in layers])) for name in layers[0]},
        alone_state=_array((alone @ embedded.matrix).flatten()),
        alone_attr=_array(ranker.lin_attr.weight.flatten()),
        alone_bias=F4((alone @ embedded.shift).item()),
        scale=F4(ranker.scale.item()),
        out_state=_array(ranker.lin_state.weight.flatten()),
        out_bias=F4(ranker.lin_state.bias.item()),
        num_shortlisted=ranker.num_shortlisted or EVERYONE,
    )


def _layer(ranker: SubgraphRanker, conv: RuvectorConv, first: bool) -> dict[str, Tensor]:
    """One layer's part of `Weights`."""
    channels = conv.out_channels
    keys, values = (linear.weight.double() for linear in (conv.lin_key, conv.lin_value))
    told = _Affine.of(ranker.embed_past[2]).then(conv.lin_msg)
    embedded = _Affine.of(ranker.embed_node[2])
    message = embedded.then(conv.lin_msg) if first else _Affine.of(conv.lin_msg)
    query = message.then(conv.lin_query).scaled(1 / math.sqrt(channels // conv.heads))
    listen = [message.then(conv.gru.lin_gates), query, message, *(message.times(w) for w in (keys, values))]
    tell = [told, *(told.times(w) for w in (keys, values))]
    agg = _Affine.of(conv.lin_agg).then(conv.gru.lin_input)
    # What is added to all keys alike cancels in the softmax. Attention sums to one, so values get their bias after it.
    value_bias = conv.lin_out.weight.double() @ conv.lin_value.bias.double() + conv.lin_out.bias
    heard_bias = agg.matrix @ value_bias + agg.shift
    heard_bias[2 * channels :] += conv.gru.lin_state.bias
    edge = cast("nn.Linear", conv.lin_edge).weight
    return {
        "listen": torch.cat([part.matrix for part in listen]),
        "listen_bias": torch.cat([part.shift for part in listen]),
        "tell": torch.cat([part.matrix for part in tell]).T,
        "tell_bias": torch.cat([part.shift for part in tell]),
        "heard": agg.matrix @ conv.lin_out.weight.double(),
        "heard_bias": heard_bias,
        "mean": agg.matrix,
        "state": conv.gru.lin_state.weight,
        "edge": edge * EDGE_SCALE / ranker.norm_edge.deviation,
        "gain": conv.norm.weight,
        "offset": conv.norm.bias,
        "eps": torch.tensor(conv.norm.eps),
        "keep": torch.tensor(1 - conv.dropout),
    }


def _array(tensor: Any) -> Array:
    return tensor.detach().float().contiguous().numpy()
