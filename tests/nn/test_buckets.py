"""Nodes of like degree together: the same result, less work."""

import pytest
import torch
from torch.testing import assert_close

from graphlift.graph import EMPTY, NeighborTable
from graphlift.nn.buckets import DegreeBuckets
from graphlift.nn.family import CONVS, member


def skewed(nodes, slots):
    """Degrees from none to all, gaps anywhere."""
    ids = torch.stack([torch.randperm(nodes)[:slots] for _ in range(nodes)])
    degree = torch.linspace(0, slots, nodes).round().long()
    ids[torch.arange(slots) >= degree.unsqueeze(1)] = EMPTY
    shuffled = torch.argsort(torch.rand(nodes, slots))
    return NeighborTable(ids.gather(1, shuffled)[torch.randperm(nodes)])


@pytest.mark.parametrize("name", [name for name in CONVS if not CONVS[name].whole])
@pytest.mark.parametrize(("nodes", "slots"), [(30, 20), (5, 0), (4, 2)])
def test_the_same_as_one_table(name, nodes, slots):
    conv, table, x = member(name).build(5, 6, heads=2).eval(), skewed(nodes, slots), torch.randn(nodes, 5)
    assert_close(DegreeBuckets(conv)(x, table), conv(x, table))


def test_what_links_carry_stays_with_them():
    conv, table, x = member("ruvector").build(5, 6, heads=2, edge_dim=3).eval(), skewed(30, 20), torch.randn(30, 5)
    weight, attr = torch.rand(30, 20), torch.randn(30, 20, 3)
    assert_close(DegreeBuckets(conv)(x, table, weight, attr), conv(x, table, weight, attr))


def test_no_table_is_much_wider_than_its_nodes_need():
    widths = []

    class Spy(torch.nn.Module):
        def forward(self, x, neighbors, *_):
            widths.append((len(neighbors), neighbors.ids.shape[1], int(neighbors.degree.max())))
            return x[1]

    table, x = skewed(90, 80), torch.randn(90, 3)
    assert torch.equal(DegreeBuckets(Spy())(x, table), x)
    assert sum(rows for rows, *_ in widths) == 90
    assert all(width <= max(4, 4 * degree) for _, width, degree in widths)
    assert len(widths) == 4
