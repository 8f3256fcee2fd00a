"""The lift's objective: what counts more is learned more."""

from __future__ import annotations

import pytest
import torch

from graphlift import HnswIndex, Memory, ModelConfig
from graphlift.metric import Metric
from graphlift.model import LiftModel
from graphlift.sampling import AllPairs
from graphlift.search.similarity import Similarity
from graphlift.training.config import LoopConfig
from graphlift.training.contrast import ContrastObjective
from graphlift.training.loop import train


@pytest.mark.parametrize("favored", [0, 1])
def test_of_answers_that_contradict_each_other_the_heavier_wins(favored):
    """Queries of one kind name two documents equally often; one of the two with a larger grade."""
    documents = torch.nn.functional.normalize(torch.randn(50, 6), dim=1)
    queries = torch.nn.functional.normalize(torch.randn(6) + 0.1 * torch.randn(40, 6), dim=1)
    answers = [{number % 2: 6.0 if number % 2 == favored else 1.0} for number in range(40)]
    memory = Memory.of(queries, answers)
    model = LiftModel(6, Similarity(Metric.COSINE), ModelConfig())
    objective = ContrastObjective(
        model,
        HnswIndex.build(documents.numpy()),
        memory,
        temperature=0.1,
        pairs=AllPairs(memory, per_query=1),
        min_pairs=40,
        random_negatives=16,
        hard_negatives=False,
        local_weight=0.0,
    )
    train(model, objective, LoopConfig(epochs=30, batch_size=20, lr=0.02), seed=0)
    scores = model.lift_queries(queries, documents, objective.descent) @ model.lift_documents(documents[:2]).T
    assert bool((scores[:, favored] > scores[:, 1 - favored]).all())
