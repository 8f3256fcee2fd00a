"""Classes and links, on top of any encoder."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn.encoder import GraphEncoder
from graphlift.nn.family import member
from graphlift.nn.tasks import LinkPredictor, NodeClassifier

NODES, IN, WIDTH = 40, 5, 8


def two_rings():
    """Nodes 0 to 19 and 20 to 39 form a ring each; what a node carries says nothing of its ring."""
    ring = torch.arange(NODES // 2)
    one = torch.stack([ring.roll(step) for step in (-2, -1, 1, 2)], dim=1)
    return NeighborTable(torch.cat([one, one + NODES // 2]))


MIXING = (
    "ruvector",
    "gcn",
    "gat",
    "gatv2",
    "transformer-conv",
    "sage-mean",
    "sage-max",
    "adaptive-heads",
    "local-global",
)
"""Layers that mix into a node what neighbors carry from the first step on. The others may answer from a node's own
mark, which all labelled nodes have, and learn nothing about links here."""


@pytest.mark.parametrize("name", MIXING)
def test_classes_travel_along_links(name):
    """Three nodes of each ring carry its mark, and only these are labelled; the others hear of it in two layers."""
    y = (torch.arange(NODES) >= NODES // 2).long()
    labelled = torch.tensor([0, 7, 13, 20, 27, 33])
    x = 0.1 * torch.randn(NODES, IN)
    x[labelled, y[labelled]] += 3
    heard = (torch.arange(NODES).unsqueeze(1) - labelled).abs().amin(dim=1) <= 2
    encoder = GraphEncoder([member(name).build(IN, WIDTH, heads=2), member(name).build(WIDTH, WIDTH, heads=2)])
    model = NodeClassifier(encoder, nn.Linear(WIDTH, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(x, two_rings())[labelled], y[labelled]).backward()
        optimizer.step()
    guessed = model.classify(x, two_rings()).argmax(dim=1)
    assert float((guessed == y)[heard].float().mean()) > 0.8


def test_probabilities(make_table):
    x, table = torch.randn(7, IN), make_table(7, 3)
    encoder = GraphEncoder([member("ruvector").build(IN, WIDTH)], dropout=0.5)
    model = NodeClassifier(encoder, nn.Linear(WIDTH, 3)).train()
    classes = model.classify(x, table)
    assert_close(classes.sum(dim=1), torch.ones(7))
    assert torch.equal(classes, model.classify(x, table))  # no dropout
    assert model.training
    assert not classes.requires_grad
    assert_close(model.eval()(x, table).softmax(dim=1), classes)
    assert_close(NodeClassifier(model.encoder)(x, table), model.encoder(x, table))


def test_links_are_dot_products(make_table):
    x, table = torch.randn(7, IN), make_table(7, 3)
    model = LinkPredictor(member("ruvector").build(IN, WIDTH))
    links = torch.tensor([[0, 3, 6], [3, 0, 6]])
    found = model.predict_links(x, table, links)
    states = model.encoder(x, table)
    assert_close(found, (states @ states.T)[links[0], links[1]].sigmoid())
    assert_close(found[0], found[1])  # a link has no direction


def test_links_are_learned():
    table, x = two_rings(), torch.randn(NODES, IN)
    model = LinkPredictor(member("sage-mean").build(IN, WIDTH))
    there, nowhere = table.edge_index, torch.stack([torch.randperm(NODES).repeat(4) for _ in range(2)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    both, y = torch.cat([there, nowhere], dim=1), torch.cat([torch.ones(4 * NODES), torch.zeros(4 * NODES)])
    for _ in range(60):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(x, table, both), y).backward()
        optimizer.step()
    assert model.predict_links(x, table, there).mean() > model.predict_links(x, table, nowhere).mean() + 0.2


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.int64), r"must be integers \(2, P\), got torch.int64 of shape \(3, 2\)"),
        (torch.zeros(2, 3), r"must be integers \(2, P\), got torch.float32"),
        (torch.tensor([[0], [7]]), r"must name nodes in \[0, 7\), got 0 to 7"),
        (torch.tensor([[-1], [2]]), r"must name nodes in \[0, 7\), got -1 to 2"),
    ],
)
def test_bad_links(make_table, links, message):
    model = LinkPredictor(member("ruvector").build(IN, WIDTH))
    with pytest.raises(InputError, match="`links` " + message):
        model.predict_links(torch.randn(7, IN), make_table(7, 3), links)
