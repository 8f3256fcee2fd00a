"""Distances in a graph."""

import networkx
import torch

from graphlift.graph import NeighborTable
from graphlift.nn.experimental.hops import FAR, hop_distance


def test_hops_are_networkxs():
    ids = torch.randint(-1, 30, (30, 2))
    table, graph = NeighborTable(ids), networkx.DiGraph()
    graph.add_nodes_from(range(30))
    graph.add_edges_from(table.edge_index.flip(0).T.tolist())
    expected = torch.full((30, 30), FAR)
    for node, reached in networkx.all_pairs_shortest_path_length(graph, cutoff=4):
        for other, distance in reached.items():
            expected[node, other] = distance
    assert torch.equal(hop_distance(table, 4).long(), expected)


def test_hops_are_known_as_long_as_the_table(make_table):
    table = make_table(7, 3)
    assert hop_distance(table, 3) is hop_distance(table, 3)
    assert int(hop_distance(table, 1)[hop_distance(table, 1) < FAR].max()) == 1


def test_what_was_found_while_serving_can_be_trained_with():
    table = NeighborTable(torch.tensor([[1], [2], [-1]]))
    with torch.inference_mode():
        hop_distance(table, 2)
    bias = torch.zeros(128, requires_grad=True)
    bias[hop_distance(table, 2).long()].sum().backward()
    assert bias.grad[:2].tolist() == [3.0, 2.0]
