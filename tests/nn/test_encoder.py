"""A stack is its layers, and a path is a path."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import NeighborTable
from graphlift.nn import RuvectorConv
from graphlift.nn.encoder import GraphEncoder

NODES, IN, WIDTH = 7, 5, 6


@pytest.fixture
def parts(make_table):
    convs = [RuvectorConv(WIDTH, WIDTH, heads=2) for _ in range(3)]
    return convs, nn.Linear(IN, WIDTH), torch.randn(NODES, IN), make_table(NODES, 3)


def test_no_path(parts):
    convs, project, x, table = parts
    state = project(x).relu()
    by_hand = convs[2](convs[1](convs[0](state, table).relu(), table).relu(), table)
    assert_close(GraphEncoder(convs, project)(x, table), by_hand)
    assert_close(GraphEncoder(convs)(state, table), by_hand)


@pytest.mark.parametrize("skip", ["residual", "initial", "jumping"])
def test_paths(parts, skip):
    convs, project, x, table = parts
    first = project(x).tanh()
    if skip == "jumping":
        one = convs[0](first, table).tanh()
        two = convs[1](one, table).tanh()
        by_hand = torch.stack([one, two, convs[2](two, table)]).max(dim=0).values
    else:
        one = first + convs[0](first, table).tanh()
        two = (one if skip == "residual" else first) + convs[1](one, table).tanh()
        by_hand = (two if skip == "residual" else first) + convs[2](two, table)
    assert_close(GraphEncoder(convs, project, activation=torch.tanh, skip=skip)(x, table), by_hand)


@pytest.mark.parametrize("skip", ["residual", "initial"])
def test_where_layers_are_silent_the_path_is_all(parts, skip):
    convs, project, x, table = parts
    for conv in convs:
        nn.init.zeros_(conv.norm.weight)
    assert_close(GraphEncoder(convs, project, skip=skip)(x, table), project(x).relu())


@pytest.mark.filterwarnings("ignore:Sparse (CSR tensor support|invariant checks)")
def test_sparse_is_dense(parts):
    convs, project, x, table = parts
    x = x.relu()
    encoder = GraphEncoder(convs, project, dropout=0.5).eval()
    assert_close(encoder(x.to_sparse_csr(), table), encoder(x, table))
    seen = []
    project.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].to_dense()))
    encoder.train()(x.to_sparse_csr(), table)
    assert ((seen[0] == 0) | torch.isclose(seen[0], 2 * x)).all()
    assert (seen[0][x > 0] == 0).any()


def test_what_links_carry_reaches_every_layer(make_table):
    convs = [RuvectorConv(WIDTH, WIDTH, heads=2, edge_dim=3) for _ in range(2)]
    x, table = torch.randn(NODES, WIDTH), make_table(NODES, 3)
    edges = torch.rand(NODES, 3), torch.randn(NODES, 3, 3)
    by_hand = convs[1](convs[0](x, table, *edges).relu(), table, *edges)
    assert_close(GraphEncoder(convs)(x, table, *edges), by_hand)


def test_dropout_is_for_training(parts):
    convs, project, x, table = parts
    encoder = GraphEncoder(convs, project, dropout=0.5)
    assert (encoder(x, table) - encoder(x, table)).abs().max() > 0.1
    encoder.eval()
    assert torch.equal(encoder(x, table), encoder(x, table))


def test_bad_options(parts):
    convs, project, *_ = parts
    with pytest.raises(InputError, match="`skip` must be none, residual, initial or jumping, got 'dense'"):
        GraphEncoder(convs, project, skip="dense")
    with pytest.raises(InputError, match="`project` must be given"):
        GraphEncoder(convs, skip="residual")
    with pytest.raises(InputError, match="`dropout`"):
        GraphEncoder(convs, dropout=1.5)


class Mean(nn.Module):
    """The plainest layer: every node becomes the mean of what it hears."""

    def forward(self, x, neighbors, *_):
        return x[neighbors.ids].mean(dim=1)


def test_a_deep_plain_stack_forgets_and_a_path_remembers():
    """Through many means all nodes of a connected graph come to look alike, unless there is a way around."""
    ring = torch.arange(NODES)
    table = NeighborTable(torch.stack([ring, ring.roll(1), ring.roll(-1)], dim=1))
    x = torch.randn(NODES, IN)

    def apart(skip):
        out = GraphEncoder([Mean()] * 32, nn.Identity(), activation=lambda x: x, skip=skip)(x, table)
        return float((F.normalize(out) - F.normalize(out).mean(dim=0)).norm())

    assert apart("none") < 0.01
    assert apart("initial") > 0.1
