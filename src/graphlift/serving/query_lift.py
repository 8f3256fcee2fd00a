"""The lift of queries as one product."""

from __future__ import annotations

import numpy as np
import torch

from graphlift.metric import Metric, Vectors
from graphlift.model import LiftModel
from graphlift.nn import fast

FEW = 20
"""From so many queries on, a product of matrices beats loops."""
TINY = np.float32(1e-12)
"""Shorter vectors are not stretched to unit length, as in torch."""


class QueryLift:
    """All that is linear in a query, for arrays: `LiftModel.lift_queries` of a linear encoder, and its past vectors.

    The weights are multiplied ahead, as they are now.

    Args:
        model: on the CPU, with ``query_encoder="linear"``.

    Example:
        >>> from graphlift.model import ModelConfig
        >>> from graphlift.search.similarity import Similarity
        >>> lift = QueryLift(LiftModel(2, Similarity(Metric.COSINE), ModelConfig()))
        >>> lifted, past_vectors = lift(np.array([[0.6, 0.8]], dtype=np.float32))
        >>> past_vectors
        array([[0.6, 0.8, 0.6, 0.8]], dtype=float32)
    """

    def __init__(self, model: LiftModel) -> None:
        lin, similarity, axes = model.query_map.lin, model.similarity, model.past_axes
        with torch.no_grad():
            matrix = torch.eye(model.channels) + lin.weight.T
            shift = lin.bias * similarity.unit
            self.weights = torch.cat([matrix, axes, matrix @ axes], dim=1)
            self.bias = torch.cat([shift, torch.zeros(axes.shape[1]), shift @ axes])
        self.matrix, self.shift = self.weights.numpy(), self.bias.numpy()
        self.channels, self.behind = model.channels, model.channels + axes.shape[1]
        self.normalised = similarity.metric is Metric.COSINE

    def __call__(self, queries: Vectors) -> tuple[Vectors, Vectors]:
        """Lifted queries (B, C), and what `LiftModel.past_vectors` makes of both, (B, 2 D)."""
        kernels = fast.loops("graphlift.serving.kernels") if len(queries) < FEW else None
        if kernels is not None:
            product = np.empty((len(queries), len(self.shift)), dtype=np.float32)
            kernels.lift(queries, self.matrix, self.shift, self.channels, self.behind, self.normalised, product)
        else:
            # Not by NumPy: its threads spin for some 20 ms after a product, which is when the scorer needs the cores.
            product = torch.addmm(self.bias, torch.from_numpy(queries), self.weights).numpy()
            if self.normalised:
                length = np.maximum(np.linalg.norm(product[:, : self.channels], axis=1, keepdims=True), TINY)
                product[:, : self.channels] /= length
                product[:, self.behind :] /= length
        return np.ascontiguousarray(product[:, : self.channels]), np.ascontiguousarray(product[:, self.channels :])
