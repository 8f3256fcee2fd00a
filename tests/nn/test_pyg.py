"""The baselines are PyG's."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.pyg import GATConv, GATv2Conv, GCNConv, SAGEConv, TransformerConv

NODES, SLOTS, IN, OUT, EDGE = 9, 4, 5, 6, 3


@pytest.fixture
def world(make_table):
    """Nodes, links and what they carry, as a table and as PyG's lists; no node lists itself."""
    ids = make_table(NODES, SLOTS).ids
    table = NeighborTable(ids.masked_fill(ids == torch.arange(NODES).unsqueeze(1), EMPTY))
    weight, attr = torch.rand(NODES, SLOTS), torch.randn(NODES, SLOTS, EDGE)
    return torch.randn(NODES, IN), table, weight, attr


def test_gcn(world):
    x, table, weight, _ = world
    conv = GCNConv(IN, OUT)
    assert_close(conv(x, table, weight), conv.conv(x, table.edge_index, weight[table.mask]))
    assert_close(conv(x, table), conv.conv(x, table.edge_index))


def test_gcn_on_a_regular_graph_is_the_mean_of_a_pair():
    """Where all degrees are equal, both normalisations are."""
    ring = NeighborTable(torch.stack([torch.arange(NODES).roll(1), torch.arange(NODES).roll(-1)], dim=1))
    x, conv = torch.randn(NODES, IN), GCNConv(IN, OUT)
    assert_close(conv((x, x), ring), conv(x, ring))


@pytest.mark.parametrize("conv", [GATConv, GATv2Conv])
@pytest.mark.parametrize("edge_dim", [None, EDGE])
def test_attention(world, conv, edge_dim, monkeypatch):
    x, table, _, attr = world
    ours = conv(IN, OUT, heads=2, edge_dim=edge_dim)
    attr = attr if edge_dim else None
    out = ours(x, table, None, attr)
    monkeypatch.setattr(ours.conv, "add_self_loops", True)
    assert_close(out, ours.conv(x, table.edge_index, None if attr is None else attr[table.mask]))


@pytest.mark.parametrize("edge_dim", [None, EDGE])
def test_transformer(world, edge_dim):
    x, table, _, attr = world
    conv = TransformerConv(IN, OUT, heads=2, edge_dim=edge_dim)
    attr = attr if edge_dim else None
    listed = None if attr is None else attr[table.mask]
    assert_close(conv(x, table, None, attr), conv.conv(x, table.edge_index, listed))


def test_attributes_are_a_part_of_what_is_heard():
    """With one neighbor attention is 1, whatever the link carries: only a message can tell."""
    table, x, attr = NeighborTable(torch.tensor([[1], [0]])), torch.randn(2, IN), torch.randn(2, 1, EDGE)
    conv = TransformerConv(IN, OUT, heads=2, edge_dim=EDGE)
    assert (conv(x, table, None, attr) - conv(x, table, None, -attr)).abs().max() > 0.01
    conv.conv.lin_edge.weight.data.zero_()
    assert_close(conv(x, table, None, attr), conv(x, table, None, -attr))


@pytest.mark.parametrize("aggr", ["mean", "max"])
def test_sage(world, aggr):
    x, table, *_ = world
    conv = SAGEConv(IN, OUT, aggr)
    assert_close(conv(x, table), conv.conv(x, table.edge_index))


def test_the_lstm_reads_a_node_s_own_neighbors(world):
    """As read one by one, whatever other nodes there are."""
    x, table, *_ = world
    conv = SAGEConv(IN, OUT, "lstm")
    for node, row in enumerate(table.ids):
        heard = x[row[row != EMPTY]]
        last = conv.lstm(heard)[0][-1] if len(heard) else torch.zeros(IN)
        assert_close(conv(x, table)[node], conv.conv.lin_l(last) + conv.conv.lin_r(x[node]))


def test_bad_options():
    with pytest.raises(InputError, match="`aggr` must be mean, max or lstm, got 'sum'"):
        SAGEConv(IN, OUT, "sum")
    with pytest.raises(InputError, match="`out_channels` must be divisible by `heads`"):
        GATConv(IN, 7, heads=2)
    with pytest.raises(InputError, match="`dropout`"):
        GATv2Conv(IN, OUT, heads=2, dropout=1.0)
    with pytest.raises(InputError, match="`edge_attr` must match `edge_dim`"):
        SAGEConv(IN, OUT)(torch.randn(1, IN), NeighborTable(torch.tensor([[0]])), None, torch.randn(1, 1, EDGE))
