"""GCN and GraphSAGE are PyG's."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.pyg import GCNConv, SAGEConv

NODES, SLOTS, IN, OUT, EDGE = 9, 4, 5, 6, 3


@pytest.fixture
def world(make_table):
    """Nodes, links and their weights; no node lists itself."""
    ids = make_table(NODES, SLOTS).ids
    table = NeighborTable(ids.masked_fill(ids == torch.arange(NODES).unsqueeze(1), EMPTY))
    return torch.randn(NODES, IN), table, torch.rand(NODES, SLOTS)


def test_gcn(world):
    x, table, weight = world
    conv = GCNConv(IN, OUT)
    assert_close(conv(x, table, weight), conv.conv(x, table.edge_index, weight[table.mask]))
    assert_close(conv(x, table), conv.conv(x, table.edge_index))


def test_gcn_on_a_regular_graph_is_the_mean_of_a_pair():
    """Where all degrees are equal, both normalisations are."""
    ring = NeighborTable(torch.stack([torch.arange(NODES).roll(1), torch.arange(NODES).roll(-1)], dim=1))
    x, conv = torch.randn(NODES, IN), GCNConv(IN, OUT)
    assert_close(conv((x, x), ring), conv(x, ring))


@pytest.mark.parametrize("aggr", ["mean", "max"])
def test_sage(world, aggr):
    x, table, _ = world
    conv = SAGEConv(IN, OUT, aggr)
    assert_close(conv(x, table), conv.conv(x, table.edge_index))


def test_the_lstm_reads_a_node_s_own_neighbors(world):
    """As read one by one, whatever other nodes there are."""
    x, table, _ = world
    conv = SAGEConv(IN, OUT, "lstm")
    for node, row in enumerate(table.ids):
        heard = x[row[row != EMPTY]]
        last = conv.lstm(heard)[0][-1] if len(heard) else torch.zeros(IN)
        assert_close(conv(x, table)[node], conv.conv.lin_l(last) + conv.conv.lin_r(x[node]))


def test_bad_options():
    with pytest.raises(InputError, match="`aggr` must be mean, max or lstm, got 'sum'"):
        SAGEConv(IN, OUT, "sum")
    with pytest.raises(InputError, match="`edge_attr` must match `edge_dim`"):
        SAGEConv(IN, OUT)(torch.randn(1, IN), NeighborTable(torch.tensor([[0]])), None, torch.randn(1, 1, EDGE))
