"""The contrast of whole vectors and of their prefixes."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphlift import HnswIndex
from graphlift.errors import InputError
from graphlift.memory import Memory
from graphlift.model import LiftModel, ModelConfig
from graphlift.sampling import AllPairs
from graphlift.search.similarity import Similarity
from graphlift.training.config import LoopConfig
from graphlift.training.contrast import ContrastObjective
from graphlift.training.loop import train


@pytest.fixture
def world():
    """Documents, and queries whose answers only a map of the vectors finds."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 12)).astype(np.float32)
    index = HnswIndex.build(vectors)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0].astype(np.float32)
    queries = torch.from_numpy(index.metric.prepare(vectors[:150] @ (np.eye(12, dtype=np.float32) + turn), "queries"))
    return index, Memory.of(queries, [{row: 1.0} for row in range(150)])


def objective(world, nested=()):
    index, queries = world
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), ModelConfig())
    return ContrastObjective(
        model,
        index,
        queries,
        temperature=0.1,
        pairs=AllPairs(queries, per_query=4),
        min_pairs=150,
        random_negatives=20,
        hard_negatives=False,
        local_weight=0.0,
        nested=nested,
    )


def loss_of(found):
    found.start_epoch(torch.Generator().manual_seed(0))
    return found.loss(torch.arange(30), torch.Generator().manual_seed(1))


def test_nested_is_the_mean_over_cut_vectors(world):
    index, queries = world
    losses = []
    for width in (3, 7, 12):
        cut = HnswIndex.build(index.vectors[:, :width].copy())
        short = torch.nn.functional.normalize(queries.queries[:, :width], dim=1)
        of_width = objective((cut, Memory(short, queries.offsets, queries.rows, queries.grades)))
        losses.append(loss_of(of_width))
    assert_close(loss_of(objective(world, (3, 7))), torch.stack(losses).mean())


def found_by_prefix(world, nested):
    index, queries = world
    trained = objective(world, nested)
    train(trained.model, trained, LoopConfig(epochs=40, batch_size=50, lr=0.02), seed=0)
    with torch.no_grad():
        short = [
            torch.nn.functional.normalize(part[:, :4], dim=1)
            for part in (
                trained.model.lift_queries(queries.queries, index.x, trained.descent),
                trained.model.lift_documents(index.x),
            )
        ]
    return float(((short[0] @ short[1].T).argmax(dim=1) == queries.rows).float().mean())


def test_a_trained_prefix_finds_more(world):
    assert found_by_prefix(world, (4,)) > found_by_prefix(world, ()) + 0.1


@pytest.mark.parametrize("nested", [(0,), (12,), (4, 40)])
def test_a_prefix_is_shorter_than_the_vector(world, nested):
    with pytest.raises(InputError, match="`nested`"):
        objective(world, nested)
