"""Folds: by the vector alone, and candidates by the lift that has not seen the query."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from graphlift import HnswIndex, Memory, ModelConfig
from graphlift.lifted import LiftedIndex
from graphlift.metric import Metric
from graphlift.model import LiftModel
from graphlift.sampling import fold_of
from graphlift.search.similarity import Similarity
from graphlift.training.folds import cross_fitted


def test_a_query_is_in_the_same_fold_whoever_is_beside_it():
    queries = torch.randn(200, 5)
    fold = fold_of(queries, 3)
    assert torch.equal(fold_of(queries[17:40].clone(), 3), fold[17:40])
    assert fold.bincount(minlength=3).min() > 40


def test_every_query_is_drawn_by_its_own_fold():
    documents = F.normalize(torch.randn(60, 6), dim=1)
    index = HnswIndex.build(documents.numpy())
    memory = Memory.of(F.normalize(torch.randn(40, 6), dim=1), [{row: 1.0} for row in range(40)])
    config = ModelConfig(num_walked=10, num_recalled=2, num_past=4, hidden_channels=8, num_layers=1)
    models = [LiftModel(6, Similarity(Metric.COSINE), config).eval() for _ in range(2)]
    with torch.no_grad():
        models[1].document_map.lin.weight.normal_()  # two lifts that find other candidates
    numbers = torch.tensor([31, 2, 9, 14, 25])
    subgraphs, owners = cross_fitted(index, models, memory, numbers)
    assert sorted(owners.tolist()) == sorted(numbers.tolist())
    fold = fold_of(memory.queries, 2)
    assert set(fold[numbers].tolist()) == {0, 1}
    for place, query in enumerate(owners.tolist()):
        own = torch.tensor([query])
        alone = LiftedIndex(index, models[fold[query]], memory).subgraphs(memory.queries[own], own=own)
        assert torch.equal(alone.rows[0], subgraphs.rows[place])
        torch.testing.assert_close(alone.node_attr[0], subgraphs.node_attr[place])
