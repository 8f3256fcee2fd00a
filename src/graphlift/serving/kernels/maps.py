"""All that is linear in a query as one product: its lift, and the vectors that past queries are looked for with."""

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
    """The maps of a model with a linear encoder, multiplied ahead.

    Columns are the lifted query, then the frozen one along the D axes of past queries, then the lifted one along them.

    Attributes:
        matrix: (C, C + 2 D).
        shift: (C + 2 D,).
        normalised: whether lifted queries have unit length.
    """

    matrix: Array
    shift: Array
    normalised: bool


@torch.no_grad()
def maps_of(model: LiftModel) -> Maps:
    """The maps as they are now, on the CPU."""
    lin, similarity, axes = model.query_map.lin, model.similarity, model.past_axes
    matrix, shift = torch.eye(model.channels) + lin.weight.T, lin.bias * similarity.unit
    matrix = torch.cat([matrix, axes, matrix @ axes], dim=1)
    shift = torch.cat([shift, torch.zeros(axes.shape[1]), shift @ axes])
    return Maps(matrix.numpy(), shift.numpy(), similarity.metric is Metric.COSINE)


@compiled
def lift(queries: Array, maps: Maps) -> tuple[Array, Array]:
    """Queries (B, C) lifted, and what `LiftModel.past_vectors` makes of both, (B, 2 D)."""
    count, channels = queries.shape
    width = len(maps.shift) - channels
    product = np.empty((count, len(maps.shift)), F4)
    lifted, past = np.empty((count, channels), F4), np.empty((count, width), F4)
    product[:] = maps.shift
    add_product(queries, maps.matrix, product)
    for query in range(count):
        row, factor = product[query], F4(1)
        if maps.normalised:
            factor /= max(F4(math.sqrt(dot(row[:channels], row[:channels]))), TINY)
        for c in range(channels):
            lifted[query, c] = row[c] * factor
        for c in range(width):
            past[query, c] = row[channels + c] * (factor if 2 * c >= width else F4(1))
    return lifted, past
