"""The hierarchical encoder is born as identity, learns in every part, and takes any number of levels."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import HnswGraph, Level
from graphlift.index import HnswIndex
from graphlift.nn import HierarchicalEncoder
from graphlift.nn.family import CONVS
from graphlift.search.descent import Descent
from graphlift.search.soft_top_k import dftopk_top_k, lapsum_top_k, soft_top_k

CHANNELS = 7


def index_of(nodes, M, rng):
    return HnswIndex.build(rng.normal(size=(nodes, CHANNELS)), M=M)


@pytest.fixture(params=["many levels", "one level", "two nodes"])
def index(request, rng):
    nodes, M = {"many levels": (400, 3), "one level": (20, 32), "two nodes": (2, 2)}[request.param]
    return index_of(nodes, M, rng)


def awake(encoder):
    """The same encoder with a way up that is no longer zero."""
    with torch.no_grad():
        encoder.lin_up.weight.normal_(std=0.3)
        encoder.lin_up.bias.normal_(std=0.3)
    return encoder


def encoder_of(**options):
    return HierarchicalEncoder(CHANNELS, hidden_channels=6, heads=2, **{"k": 5} | options)


@pytest.mark.parametrize("conv", CONVS)
def test_identity_at_birth(index, conv):
    queries = torch.randn(3, CHANNELS)
    assert torch.equal(encoder_of(conv=conv)(queries, torch.tensor(index.vectors), Descent(index.graph)), queries)


def test_gradient_reaches_every_part(index):
    encoder, queries = awake(encoder_of()), torch.randn(3, CHANNELS, requires_grad=True)
    x = torch.tensor(index.vectors, requires_grad=True)
    encoder(queries, x, Descent(index.graph)).square().sum().backward()
    assert queries.grad.isfinite().all()
    assert queries.grad.any(dim=1).all()
    assert x.grad.isfinite().all()
    assert x.grad.any()
    for name, parameter in encoder.named_parameters():
        if name != "conv.lin_key.bias":  # it cancels in the softmax
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


def test_gradcheck(rng):
    index = index_of(60, 3, rng)
    assert index.graph.num_levels > 1
    encoder, x = awake(encoder_of(k=3)).double(), torch.tensor(index.vectors, dtype=torch.float64)
    queries, descent = torch.randn(2, CHANNELS, dtype=torch.float64, requires_grad=True), Descent(index.graph)
    inputs = (queries, x.requires_grad_(), *encoder.parameters())
    assert torch.autograd.gradcheck(lambda q, x, *_: encoder(q, x, descent), inputs, fast_mode=True)


@torch.no_grad()
def naive(encoder, query, x, graph):
    """The walk of one query: lists of nodes, one level after the other."""
    state, nodes = query, graph.levels[-1].nodes.tolist()
    for number in range(graph.num_levels - 1, -1, -1):
        cosine = F.cosine_similarity(state, x[nodes], dim=-1)
        best = sorted(range(len(nodes)), key=lambda i: -float(cosine[i]))[: encoder.k]
        kept = [nodes[i] for i in best]
        weights = (cosine[best] / encoder.log_temperature.exp()).softmax(dim=0)
        mixed = (state + weights @ x[kept]) / 2
        level = torch.tensor([1 / (1 + number), float(number == 0)], dtype=x.dtype).expand(len(kept), -1)
        attr = torch.cat([cosine[best].unsqueeze(1), level], dim=1)
        mask = torch.ones(1, 1, len(kept), dtype=torch.bool)
        out = encoder.conv.forward_dense(
            (x[kept][None], mixed[None, None]), mask, weights[None, None], attr[None, None]
        )
        state = state + encoder.lin_up(out[0, 0])
        if number:
            below = graph.levels[number - 1]
            rows = below.neighbors[np.searchsorted(below.nodes, kept)].ravel().tolist()
            nodes = sorted({*kept, *rows} - {-1})
    return state


@pytest.mark.parametrize("k", [1, 5, 30])
def test_equals_the_walk_of_one_query_at_a_time(index, k):
    encoder, x = awake(encoder_of(k=k)).double(), torch.tensor(index.vectors, dtype=torch.float64)
    queries = torch.randn(5, CHANNELS, dtype=torch.float64)
    expected = torch.stack([naive(encoder, query, x, index.graph) for query in queries])
    assert_close(encoder(queries, x, Descent(index.graph)), expected)


def grown(graph):
    """The same graph with one level more, of its entry point alone."""
    alone = np.array([graph.entry_point], dtype=np.int32)
    width = graph.levels[-1].neighbors.shape[1]
    return HnswGraph((*graph.levels, Level(alone, np.full((1, width), -1, dtype=np.int32))), graph.entry_point)


def test_the_same_encoder_works_when_the_index_has_grown_a_level(index):
    encoder, x, queries = awake(encoder_of()), torch.tensor(index.vectors), torch.randn(3, CHANNELS)
    higher = grown(index.graph)
    higher.validate()
    before, after = (encoder(queries, x, Descent(graph)) for graph in (index.graph, higher))
    assert after.shape == before.shape
    assert after.isfinite().all()
    expected = torch.stack([naive(encoder, query, x, higher) for query in queries])
    assert_close(after, expected, rtol=1e-4, atol=1e-4)


def test_a_batch_of_one_is_a_row_of_the_batch(index):
    encoder, x, queries = awake(encoder_of()), torch.tensor(index.vectors), torch.randn(3, CHANNELS)
    descent = Descent(index.graph)
    out = encoder(queries, x, descent)
    for b in range(3):
        assert_close(encoder(queries[b : b + 1], x, descent), out[b : b + 1])


def test_no_query(index):
    out = encoder_of()(torch.empty(0, CHANNELS), torch.tensor(index.vectors), Descent(index.graph))
    assert out.shape == (0, CHANNELS)


@pytest.mark.parametrize(("options", "name"), [({"k": 0}, "k"), ({"temperature": 0.0}, "temperature")])
def test_bad_options(options, name):
    with pytest.raises(InputError, match=f"`{name}`"):
        encoder_of(**options)


@pytest.mark.parametrize("selection", [lapsum_top_k, dftopk_top_k])
def test_other_soft_top_k(selection):
    """Born as identity, too; once trained it is another function of the query, with a gradient to the temperature."""
    index, queries = HnswIndex.build(torch.randn(300, 16).numpy(), M=4), torch.randn(3, 16)
    descent, encoder = Descent(index.graph), HierarchicalEncoder(16, hidden_channels=8, heads=2, selection=selection)
    assert torch.equal(encoder(queries, index.x, descent), queries)
    torch.nn.init.normal_(encoder.lin_up.weight)
    out = encoder(queries, index.x, descent)
    out.square().sum().backward()
    assert encoder.log_temperature.grad.isfinite()
    assert encoder.log_temperature.grad != 0
    encoder.selection = soft_top_k
    assert (encoder(queries, index.x, descent) - out).abs().max() > 1e-4
