"""All that is linear in a query as one product: its lift, and its sketches, which past queries are looked for with."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from graphlift.metric import Metric
from graphlift.model import LiftModel
from graphlift.nn.kernels.elementary import F4, Array, compiled
from graphlift.serving.kernels.products import add_product, dot

TINY = F4(1e-12)
"""Shorter vectors are not stretched to unit length, as in torch."""


class Maps(NamedTuple):
    """The maps of a model with a linear encoder, multiplied ahead; E of them, as `LiftModel.query_maps`.

    Columns are the lifted query, then the sketches of the frozen and of the lifted one, of D channels each.

    Attributes:
        matrix: (E, C, C + 2 D).
        shift: (E, C + 2 D).
        normalised: whether lifted queries have unit length.
    """

    matrix: Array
    shift: Array
    normalised: bool


@torch.no_grad()
def maps_of(model: LiftModel) -> Maps:
    """The maps as they are now, on the CPU."""
    similarity, axes = model.similarity, model.axes
    matrices, shifts = [], []
    for query_map in model.query_maps:
        lin = query_map.lin
        matrix, shift = torch.eye(model.channels) + lin.weight.T, lin.bias * similarity.unit
        matrices.append(torch.cat([matrix, axes, matrix @ axes], dim=1))
        shifts.append(torch.cat([shift, torch.zeros(axes.shape[1]), shift @ axes]))
    return Maps(torch.stack(matrices).numpy(), torch.stack(shifts).numpy(), similarity.metric is Metric.COSINE)


@compiled
def lift(queries: Array, maps: Maps, turn: int) -> tuple[Array, Array]:
    """Queries (B, C) lifted by one of the maps, and what `LiftModel.sketch_queries` makes of both, (B, 2 D)."""
    count, channels = queries.shape
    matrix, shift = maps.matrix[turn], maps.shift[turn]
    width = len(shift) - channels
    product = np.empty((count, len(shift)), F4)
    lifted, past = np.empty((count, channels), F4), np.empty((count, width), F4)
    for query in range(count):
        for c in range(len(shift)):
            product[query, c] = shift[c]
    add_product(queries, matrix, product)
    for query in range(count):
        row, factor = product[query], F4(1)
        if maps.normalised:
            factor /= max(F4(math.sqrt(dot(row[:channels], row[:channels]))), TINY)
        for c in range(channels):
            lifted[query, c] = row[c] * factor
        for c in range(width):
            past[query, c] = row[channels + c] * (factor if 2 * c >= width else F4(1))
    return lifted, past


@compiled
def lift_in_turn(queries: Array, maps: Maps, turn: Array) -> tuple[Array, Array]:
    """The same, each by the map whose turn it is, (B,)."""
    if len(maps.matrix) == 1:
        return lift(queries, maps, 0)
    width = maps.shift.shape[1] - queries.shape[1]
    lifted, past = np.empty_like(queries), np.empty((len(queries), width), F4)
    for query in range(len(queries)):
        one, near = lift(queries[query : query + 1], maps, turn[query])
        for c in range(lifted.shape[1]):
            lifted[query, c] = one[0, c]
        for c in range(width):
            past[query, c] = near[0, c]
    return lifted, past
