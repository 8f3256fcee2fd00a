"""The lift of queries as one product."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.model import LiftModel


class QueryLift:
    """`LiftModel.lift_queries` of a linear encoder, with the weights as they are now multiplied ahead.

    Args:
        model: on the CPU, with ``query_encoder="linear"``.

    Example:
        >>> from graphlift.metric import Metric
        >>> from graphlift.model import ModelConfig
        >>> from graphlift.search.similarity import Similarity
        >>> lift = QueryLift(LiftModel(2, Similarity(Metric.COSINE), ModelConfig()))
        >>> lift(torch.tensor([[0.6, 0.8]]))
        tensor([[0.6000, 0.8000]])
    """

    def __init__(self, model: LiftModel) -> None:
        lin = model.query_map.lin
        with torch.no_grad():
            self.matrix = (torch.eye(model.channels) + lin.weight).T.contiguous()
            self.shift = lin.bias * model.similarity.unit
        self.finish = model.similarity.finish

    def __call__(self, queries: Tensor) -> Tensor:
        """Lifted queries (B, C)."""
        return self.finish(torch.addmm(self.shift, queries, self.matrix))
