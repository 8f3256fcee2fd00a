"""A walk looks at what it kept and at the neighbors of that: no more, nothing twice, never all nodes."""

import numpy as np
import pytest
import torch

from graphlift.graph import EMPTY, HnswGraph, Level
from graphlift.index import HnswIndex
from graphlift.search.descent import SCAN_LIMIT, Descent


@pytest.fixture
def graph(rng):
    return HnswIndex.build(rng.normal(size=(700, 5)), M=3).graph


def seen(candidates):
    """The real candidates of each walk, as lists."""
    return [ids[mask].tolist() for ids, mask in zip(*candidates, strict=True)]


def test_start_is_the_whole_top_level(graph):
    assert seen(Descent(graph).start(batch=3)) == [graph.levels[-1].nodes.tolist()] * 3


def test_expand_is_the_kept_and_their_neighbors(graph):
    assert graph.num_levels > 3
    descent = Descent(graph)
    for number in range(graph.num_levels - 1):
        level, above = graph.levels[number], graph.levels[number + 1].nodes
        kept = torch.from_numpy(np.stack([np.resize(np.roll(above, shift), 3) for shift in range(5)]))
        expected = []
        for walk in kept.tolist():
            rows = level.neighbors[np.searchsorted(level.nodes, walk)].ravel().tolist()
            expected.append(sorted({*walk, *rows} - {EMPTY}))
        found = descent.expand(kept, number)
        assert seen(found) == expected  # sorted, so each once
        assert np.isin(found.ids[found.mask], level.nodes).all()
        assert found.ids.min() >= 0  # masked ones too can be looked up


@pytest.mark.parametrize("level", [0, 1])
def test_an_empty_place_among_the_kept_adds_nothing(graph, level):
    first, second = graph.levels[level + 1].nodes[:2].tolist()
    descent = Descent(graph)
    few, gaps = (
        descent.expand(torch.tensor([kept]), level) for kept in ([first, second], [EMPTY, first, EMPTY, second, EMPTY])
    )
    assert seen(gaps) == seen(few)


def test_never_all_nodes(graph):
    descent = Descent(graph)
    candidates, looked = descent.start(batch=1), 0
    for level in range(graph.num_levels - 1, -1, -1):
        looked += int(candidates.mask.sum())
        if level:
            candidates = descent.expand(candidates.ids[:, :4], level - 1)
    assert looked < graph.num_nodes / 4


def ring(nodes):
    """A graph of one level."""
    numbers = np.arange(nodes, dtype=np.int32)
    links = np.stack([np.roll(numbers, 1), np.roll(numbers, -1)], axis=1)
    return HnswGraph((Level(numbers, links),), entry_point=3)


@pytest.mark.parametrize("nodes", [5, SCAN_LIMIT, SCAN_LIMIT + 1, 4000])
def test_an_index_of_one_level(nodes):
    graph = ring(nodes)
    graph.validate()
    [start] = seen(Descent(graph).start(batch=1))
    if nodes <= SCAN_LIMIT:
        assert start == list(range(nodes))
    else:
        assert len(start) == len(set(start)) <= SCAN_LIMIT
        assert {0, graph.entry_point, nodes - 1} <= set(start)
        assert max(np.diff(start)) <= nodes // SCAN_LIMIT + 2  # an even sample
