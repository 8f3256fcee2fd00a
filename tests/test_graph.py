"""A table and a list of links are the same graph, and a graph that breaks a promise is refused."""

import importlib
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.errors import InputError
from graphlift.graph import EMPTY, HnswGraph, Level, NeighborTable


@st.composite
def tables(draw):
    """Any table, its empty slots anywhere."""
    targets, slots, sources = draw(st.integers(0, 6)), draw(st.integers(0, 4)), draw(st.integers(1, 7))
    row = st.lists(st.integers(EMPTY, sources - 1), min_size=slots, max_size=slots)
    rows = draw(st.lists(row, min_size=targets, max_size=targets))
    return NeighborTable(torch.tensor(rows, dtype=torch.int64).reshape(targets, slots), sources)


@given(table=tables())
def test_edge_index_lists_every_neighbor_of_every_row(table):
    links = [(int(u), v) for v, row in enumerate(table.ids) for u in row if u != EMPTY]
    assert list(map(tuple, table.edge_index.T.tolist())) == links
    assert table.edge_index.dtype == torch.int64
    assert table.degree.tolist() == [sum(v == target for _, target in links) for v in range(len(table))]


@given(table=tables())
def test_edge_index_and_back(table):
    again = NeighborTable.from_edge_index(table.edge_index, len(table), table.num_sources)
    assert [r[r != EMPTY].tolist() for r in again.ids] == [r[r != EMPTY].tolist() for r in table.ids]
    assert (len(again), again.num_sources) == (len(table), table.num_sources)
    assert again.ids.shape[1] == int(table.degree.max() if len(table) else 0)


@given(table=tables(), seed=st.integers(0, 99))
def test_shuffled_links_give_the_same_neighbors(table, seed):
    order = torch.randperm(int(table.mask.sum()), generator=torch.Generator().manual_seed(seed))
    again = NeighborTable.from_edge_index(table.edge_index[:, order], len(table), table.num_sources)
    assert [sorted(r[r != EMPTY].tolist()) for r in again.ids] == [sorted(r[r != EMPTY].tolist()) for r in table.ids]


def test_a_row_keeps_the_order_of_its_links():
    source, target = (
        torch.randperm(5000),
        torch.randint(3, (5000,)),
    )  # enough that an unstable sort would show
    table = NeighborTable.from_edge_index(torch.stack([source, target]), 3, num_sources=5000)
    for row, ids in enumerate(table.ids):
        assert torch.equal(ids[ids != EMPTY], source[target == row])


@pytest.fixture(scope="module")
def pyg():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyG 2.8 scripts a class when it is imported, which torch 2.13 deprecates
        return importlib.import_module("torch_geometric")


def test_pyg_sees_the_same_graph(make_table, pyg):
    table, x = make_table(7, 5), torch.randn(7, 3)
    source, target = table.edge_index
    assert pyg.utils.degree(target, num_nodes=7).tolist() == table.degree.tolist()
    mean = [x[row[row != EMPTY]].mean(dim=0) if (row != EMPTY).any() else torch.zeros(3) for row in table.ids]
    conv = pyg.nn.SimpleConv(aggr="mean")
    torch.testing.assert_close(conv(x, table.edge_index), torch.stack(mean))
    torch.testing.assert_close(pyg.nn.MeanAggregation()(x[source], target, dim_size=7), torch.stack(mean))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
def test_arrays_are_tables_too(dtype):
    table = NeighborTable(np.array([[1, EMPTY], [0, 2], [EMPTY, EMPTY]], dtype=dtype))
    assert table.edge_index.tolist() == [[1, 0, 2], [0, 1, 1]]
    assert repr(table.to("cpu")) == "NeighborTable(targets=3, slots=2, sources=3)"


@pytest.mark.parametrize(
    "ids",
    [
        torch.zeros(3, dtype=torch.int64),
        torch.zeros(3, 2),
        torch.zeros(3, 2, dtype=torch.bool),
        torch.tensor([[0, 2], [0, 1]]),
        torch.tensor([[0, -2], [0, 1]]),
    ],
    ids=["one dimension", "floats", "booleans", "too high", "too low"],
)
def test_bad_table(ids):
    with pytest.raises(InputError, match="`ids`"):
        NeighborTable(ids)


def test_ids_of_a_bipartite_table_lie_among_the_sources():
    ids = torch.tensor([[4, 2]])
    assert NeighborTable(ids, num_sources=5).num_sources == 5
    with pytest.raises(InputError, match=r"`ids` must lie in \[-1, 4\)"):
        NeighborTable(ids, num_sources=4)


@pytest.mark.parametrize(
    ("edge_index", "argument"),
    [
        ([[0, 1]], "edge_index"),
        ([0, 1], "edge_index"),
        ([[0.0], [1.0]], "edge_index"),
        ([[0], [3]], "edge_index"),
        ([[0], [-1]], "edge_index"),
        ([[-1], [0]], "edge_index"),
        ([[3], [0]], "ids"),
    ],
)
def test_bad_edge_index(edge_index, argument):
    with pytest.raises(InputError, match=f"`{argument}`"):
        NeighborTable.from_edge_index(torch.tensor(edge_index), num_targets=3)


def level(nodes, neighbors):
    return Level(np.array(nodes, dtype=np.int32), np.array(neighbors, dtype=np.int32))


BOTTOM = level(range(7), [[1, 6], [0, 2], [1, EMPTY], [EMPTY, 2], [5, 3], [4, EMPTY], [0, EMPTY]])
MIDDLE = level([1, 4, 6], [[6, 4], [EMPTY, 1], [1, EMPTY]])
TOP = level([4], [[EMPTY, EMPTY]])
GRAPH = HnswGraph((BOTTOM, MIDDLE, TOP), entry_point=4)


def test_counts_of_a_graph():
    GRAPH.validate()
    assert (GRAPH.num_nodes, GRAPH.num_levels) == (7, 3)
    assert GRAPH.level_of_node.tolist() == [0, 1, 0, 0, 2, 0, 1]
    assert GRAPH.in_degrees.tolist() == [2, 2, 2, 1, 1, 1, 1]
    assert BOTTOM.degrees.tolist() == [2, 2, 1, 1, 2, 1, 1]
    assert GRAPH.edge_index.tolist() == BOTTOM.table.edge_index.tolist()


def test_a_level_counts_its_own_nodes():
    assert MIDDLE.table.ids.tolist() == [[2, 1], [EMPTY, 0], [0, EMPTY]]
    assert TOP.table.edge_index.shape == (2, 0)


def test_an_empty_graph():
    graph = HnswGraph((), entry_point=EMPTY)
    assert (graph.num_nodes, graph.num_levels, len(graph.level_of_node)) == (0, 0, 0)
    with pytest.raises(InputError, match="`levels`"):
        graph.validate()


BROKEN = {
    "bottom level must hold every node": ({0: level([0, 1, 3], [[1], [0], [1]])}, 4),
    "level 0 has 7 nodes but 6 rows": ({0: replace(BOTTOM, neighbors=BOTTOM.neighbors[:6])}, 4),
    "`nodes` of level 1 must ascend": ({1: level([4, 1, 6], MIDDLE.neighbors)}, 4),
    "`nodes` of level 1 must ascend ": ({1: level([1, 4, 4], [[4, EMPTY], [1, EMPTY], [1, EMPTY]])}, 4),
    "level 2 holds a node that level 1 lacks": ({2: level([3], [[EMPTY]])}, 3),
    "a link of level 1 leads to a node that is not on that level": (
        {1: level([1, 4, 6], [[0], [1], [1]])},
        4,
    ),
    "a link of level 0 leads to a node": ({0: replace(BOTTOM, neighbors=np.full((7, 1), 7))}, 4),
    "a node of level 1 links to itself": ({1: level([1, 4, 6], [[6], [4], [1]])}, 4),
    "`entry_point`": ({}, 1),
    "`entry_point` ": ({}, EMPTY),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_promise_is_named(message):
    changed, entry_point = BROKEN[message]
    levels = tuple(changed.get(number, old) for number, old in enumerate(GRAPH.levels))
    with pytest.raises(InputError, match=message.strip()):
        HnswGraph(levels, entry_point).validate()
