"""The JSON form of the original Rust layer (``ruvector`` 0.1.4), to and from PyTorch weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor

from graphlift.errors import DataFormatError

# Original name -> ours. The GRU's matrices are stacked in ours, in this order.
_LINEARS = {
    "lin_msg": ["w_msg"],
    "lin_query": ["attention.q_linear"],
    "lin_key": ["attention.k_linear"],
    "lin_value": ["attention.v_linear"],
    "lin_out": ["attention.out_linear"],
    "lin_agg": ["w_agg"],
    "gru.lin_input": ["w_update.w_z", "w_update.w_r", "w_update.w_h"],
    "gru.lin_gates": ["w_update.u_z", "w_update.u_r"],
    "gru.lin_state": ["w_update.u_h"],
}
_PARTS = {"weight": "weights", "bias": "bias"}
_NORM = {"weight": "gamma", "bias": "beta"}


@dataclass(frozen=True)
class Sizes:
    """What the original stores beside its matrices."""

    in_channels: int
    out_channels: int
    heads: int
    dropout: float
    eps: float


def parse(text: str) -> tuple[Sizes, dict[str, Tensor]]:
    """Sizes and a state dict of `RuvectorConv` from ``ruvector.GnnLayer.to_json()``.

    Raises:
        DataFormatError: the text is not such a description, or its shapes disagree.
    """
    try:
        document = json.loads(text)
        layer = document["layer"]
        sizes = Sizes(
            index(document["input_dim"]),
            index(document["hidden_dim"]),
            index(document["heads"]),
            float(document["dropout"]),
            float(layer["norm"]["eps"]),
        )
        state = {
            f"{ours}.{part}": torch.cat([_read(_lookup(layer, name)[theirs]) for name in originals])
            for ours, originals in _LINEARS.items()
            for part, theirs in _PARTS.items()
        }
        state |= {f"norm.{part}": _read(layer["norm"][theirs]) for part, theirs in _NORM.items()}
        found, named = tuple(state["lin_msg.weight"].shape), (sizes.out_channels, sizes.in_channels)
        if found != named:  # before anything of the size that is named is allocated
            raise ValueError(f"w_msg has shape {found}, hidden_dim and input_dim ask for {named}")
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataFormatError(f"this is not the JSON of a `ruvector.GnnLayer`: {error}.") from error
    return sizes, state


def dump(sizes: Sizes, state: dict[str, Tensor]) -> str:
    """The JSON that ``ruvector.GnnLayer.from_json`` reads; the inverse of `parse`."""
    layer: dict[str, Any] = {
        "attention": {"num_heads": sizes.heads, "head_dim": sizes.out_channels // sizes.heads},
        "norm": {"eps": sizes.eps} | {theirs: _write(state[f"norm.{part}"]) for part, theirs in _NORM.items()},
        "dropout": sizes.dropout,
    }
    for ours, originals in _LINEARS.items():
        for part, theirs in _PARTS.items():
            pieces = state[f"{ours}.{part}"].split(sizes.out_channels)
            for name, piece in zip(originals, pieces, strict=True):
                _lookup(layer, name, create=True)[theirs] = _write(piece)
    return json.dumps(
        {
            "input_dim": sizes.in_channels,
            "hidden_dim": sizes.out_channels,
            "heads": sizes.heads,
            "dropout": sizes.dropout,
            "layer": layer,
        }
    )


def _lookup(layer: dict[str, Any], dotted: str, create: bool = False) -> dict[str, Any]:
    for key in dotted.split("."):
        layer = layer.setdefault(key, {}) if create else layer[key]
    return layer


def _read(array: dict[str, Any]) -> Tensor:
    return torch.tensor(array["data"], dtype=torch.float32).reshape(array["dim"])


def _write(tensor: Tensor) -> dict[str, Any]:
    return {"v": 1, "dim": list(tensor.shape), "data": tensor.detach().float().flatten().tolist()}
