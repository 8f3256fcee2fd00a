"""Training the first stage of a fit, the lift, as `graphlift.fit` does it."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.ranking.measure import dev_score
from graphlift import FitConfig, HnswIndex, Memory
from graphlift.model import LiftModel
from graphlift.sampling import AllPairs
from graphlift.search.descent import Descent
from graphlift.training.stages import Stages


def train_lift(
    model: LiftModel, index: HnswIndex, queries: Memory, seed: int, epochs: int, nested: tuple[int, ...] = ()
) -> None:
    """Contrast of training queries and their documents, with the defaults of a fit."""
    defaults = FitConfig()
    config = FitConfig(seed=seed, nested=nested, lift=defaults.lift.model_copy(update={"epochs": epochs}))
    pairs = AllPairs(queries, config.answers_per_query)
    Stages(index, config, "cpu", None, None).train_lift("lift", model, queries, pairs, config.lift)


@torch.inference_mode()
def lifted(model: LiftModel, index: HnswIndex, queries: Memory) -> tuple[Tensor, Tensor]:
    """Lifted queries (Q, C) and documents (N, C)."""
    descent, parts = Descent(index.graph), queries.queries.split(512)
    return torch.cat([model.lift_queries(part, index.x, descent) for part in parts]), model.lift_documents(index.x)


def ndcg(queries: Tensor, documents: Tensor, relevant: Memory) -> float:
    """Mean nDCG@10 of an exact scan by cosine."""
    unit = torch.nn.functional.normalize
    scores = unit(queries, dim=1) @ unit(documents, dim=1).T
    return dev_score(scores.topk(10).indices, relevant)
