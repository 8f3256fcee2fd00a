"""What all tests share: seeds, a hypothesis profile, small random graphs and spaces."""

import os
import random

import faiss
import numpy as np
import pytest
import torch
from hypothesis import settings

from graphlift.graph import EMPTY, NeighborTable
from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.search.axes import principal_axes
from graphlift.search.hubness import Hubness
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Space

settings.register_profile("graphlift", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("graphlift")
torch.set_num_threads(1)
faiss.omp_set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for programs that tests start: workers share the cores
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton asks when it is imported, and then runs kernels without a device


@pytest.fixture(autouse=True)
def _seed():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - for libraries that draw from the global generator
    torch.manual_seed(0)


@pytest.fixture
def threads():
    """Sets how many threads torch uses, for one test."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _make_table(nodes, slots, sources=None):
    """A random table: distinct neighbors, gaps anywhere, node 0 isolated and the last row full."""
    ids = torch.stack([torch.randperm(sources or nodes)[:slots] for _ in range(nodes)])
    ids[torch.rand(nodes, slots) < 0.4] = EMPTY
    ids[-1] = torch.randperm(sources or nodes)[:slots]
    ids[0] = EMPTY
    return NeighborTable(ids, sources)


@pytest.fixture(scope="session")
def make_table():
    return _make_table


def _make_space(metric=Metric.COSINE, documents=23, past=11, channels=5):
    """Documents and past queries with up to four answers each; past query 0 was never answered. All were asked."""
    similarity = Similarity.of(metric, torch.randn(documents, channels))
    frozen, lifted = (similarity.finish(torch.randn(documents, channels)) for _ in range(2))
    past_frozen, past_lifted = (similarity.finish(torch.randn(past, channels)) for _ in range(2))
    answers = [
        {int(row): float(1 + row % 3) for row in torch.randperm(documents)[: query % 5]} for query in range(past)
    ]
    links = _make_table(documents, 6).ids.int()
    memory = Memory.of(past_frozen, answers)
    hubness = Hubness.of(similarity, (frozen, lifted), (past_frozen, past_lifted))
    axes = principal_axes(frozen, (channels + 1) // 2)
    return Space.of(similarity, frozen, lifted, memory, past_lifted, links, hubness, axes)


@pytest.fixture(scope="session")
def make_space():
    return _make_space
