"""GAT, GATv2 and the transformer's layer are PyG's."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.errors import InputError
from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.pyg_attention import GATConv, GATv2Conv, TransformerConv

NODES, SLOTS, IN, OUT, EDGE = 9, 4, 5, 6, 3


@pytest.fixture
def world(make_table):
    """Nodes, links and their attributes; no node lists itself."""
    ids = make_table(NODES, SLOTS).ids
    table = NeighborTable(ids.masked_fill(ids == torch.arange(NODES).unsqueeze(1), EMPTY))
    return torch.randn(NODES, IN), table, torch.randn(NODES, SLOTS, EDGE)


@pytest.mark.parametrize("conv", [GATConv, GATv2Conv])
@pytest.mark.parametrize("edge_dim", [None, EDGE])
def test_attention(world, conv, edge_dim, monkeypatch):
    x, table, attr = world
    ours = conv(IN, OUT, heads=2, edge_dim=edge_dim)
    attr = attr if edge_dim else None
    out = ours(x, table, None, attr)
    monkeypatch.setattr(ours.conv, "add_self_loops", True)
    assert_close(out, ours.conv(x, table.edge_index, None if attr is None else attr[table.mask]))


@pytest.mark.parametrize("edge_dim", [None, EDGE])
def test_transformer(world, edge_dim):
    x, table, attr = world
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


def test_bad_options():
    with pytest.raises(InputError, match="`out_channels` must be divisible by `heads`"):
        GATConv(IN, 7, heads=2)
    with pytest.raises(InputError, match="`dropout`"):
        GATv2Conv(IN, OUT, heads=2, dropout=1.0)
