"""Links of all levels, and what they carry."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import EMPTY, HnswGraph, Level
from graphlift.index import HnswIndex
from graphlift.metric import Metric
from graphlift.nn import RuvectorConv
from graphlift.search.hnsw_links import LINK_ATTRS, hnsw_links
from graphlift.search.similarity import Similarity


@pytest.fixture(params=list(Metric))
def index(request, rng):
    return HnswIndex.build(rng.normal(size=(120, 6)).astype(np.float32), M=3, metric=request.param)


def test_as_read_link_by_link(index):
    similarity = Similarity.of(index.metric, index.x)
    table, attr = hnsw_links(index.graph, index.x, similarity)
    assert index.graph.num_levels > 1
    for node in range(len(index)):
        links = [
            (int(other), number, level)
            for number, level in enumerate(index.graph.levels)
            for row in np.flatnonzero(level.nodes == node)
            for other in level.neighbors[row]
            if other != EMPTY
        ]
        row = table.mask[node]
        assert table.ids[node][row].tolist() == [other for other, *_ in links]
        near = [float(similarity.pairwise(index.x[node : node + 1], index.x[other : other + 1])) for other, *_ in links]
        found = dict(zip(LINK_ATTRS, attr[node][row].T, strict=True))
        assert_close(found["similarity"], torch.tensor(near))
        order = np.argsort(-found["similarity"].numpy(), kind="stable")
        assert found["reciprocal rank"].tolist() == pytest.approx(1 / (1 + np.argsort(order)))
        assert_close(found["upper level"], torch.tensor([n / index.graph.num_levels for _, n, _ in links]))
        back = [node in level.neighbors[np.flatnonzero(level.nodes == other)[0]] for other, _, level in links]
        assert found["mutual"].bool().tolist() == back
    assert not attr[~table.mask].any()


def test_every_attribute_reaches_the_layer(index):
    """Through the scores: the gradient of each of the four is there."""
    table, attr = hnsw_links(index.graph, index.x, Similarity.of(index.metric, index.x))
    conv = RuvectorConv(6, 8, heads=2, edge_dim=len(LINK_ATTRS))
    out = conv(index.x, table, None, attr.requires_grad_())
    (out * torch.randn_like(out)).sum().backward()
    assert (attr.grad[table.mask].abs().amax(dim=0) > 1e-5).all()
    assert (conv.lin_edge.weight.grad.abs() > 1e-5).all()


def test_flat_graph():
    bottom = Level(np.arange(3, dtype=np.int32), np.array([[1, EMPTY], [0, 2], [EMPTY, EMPTY]], dtype=np.int32))
    x = torch.eye(3)
    table, attr = hnsw_links(HnswGraph((bottom,), 0), x, Similarity.of(Metric.COSINE, x))
    assert table.ids.tolist() == bottom.neighbors.tolist()
    assert attr[..., 3].tolist() == [[1, 0], [1, 0], [0, 0]]
    assert not attr[..., 2].any()


def test_one_vector_a_node():
    bottom = Level(np.arange(3, dtype=np.int32), np.full((3, 1), EMPTY, dtype=np.int32))
    with pytest.raises(InputError, match="`x` must hold a vector for each of the 3 nodes, got 2"):
        hnsw_links(HnswGraph((bottom,), 0), torch.eye(2), Similarity.of(Metric.COSINE, torch.eye(2)))
