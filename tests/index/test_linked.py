"""Rows that join a graph are linked as a build would link them, and the graph that is searched stays as it is."""

import numpy as np
import pytest

from graphlift.index.linked import LinkedRows
from graphlift.index.removed import Removed
from graphlift.metric import Metric


@pytest.fixture
def x(rng):
    return rng.normal(size=(300, 6)).astype(np.float32)


def linked(x, metric=Metric.L2):
    return LinkedRows.empty(6, metric, M=6, ef_construction=40, ef_search=20).plus(x)


@pytest.mark.parametrize("metric", list(Metric))
def test_in_two_parts_equals_at_once(x, metric):
    """FAISS draws levels from the graph's own generator, which goes on where it was."""
    whole, parts = linked(x, metric), linked(x[:200], metric).plus(x[200:])
    for mine, theirs in zip(parts.graph.levels, whole.graph.levels, strict=True):
        np.testing.assert_array_equal(mine.nodes, theirs.nodes)
    found, expected = (rows.search(x, 5, 60)[1] for rows in (parts, whole))
    assert (found == expected).mean() > 0.97


def test_the_former_graph_stays(x):
    first = linked(x[:200])
    before, links = first.search(x, 4, 30), first.graph.levels[0].neighbors.copy()
    first.plus(x[200:])
    after = first.search(x, 4, 30)
    assert len(first) == 200
    np.testing.assert_array_equal(before[1], after[1])
    np.testing.assert_array_equal(links, LinkedRows(first._faiss, first.metric).graph.levels[0].neighbors)


def test_shared_memory_changes_nothing(x):
    rows = linked(x)
    before = rows.search(x, 4, 30)
    shared = rows.sharing(x)
    assert np.shares_memory(shared.x.numpy(), x)
    for mine, theirs in zip(shared.search(x, 4, 30), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    more = shared.plus(x[:50] + 1)
    assert (len(more), len(shared)) == (350, 300)
    np.testing.assert_array_equal(more.x.numpy(), np.concatenate([x, x[:50] + 1]))


def test_removed_rows_are_way_marks_only(x):
    rows, removed = linked(x), Removed.none(300).marked(np.arange(0, 300, 2))
    found, true = rows.search(x, 5, 60, removed)[1], rows.scan(x, 5, removed)[1]
    assert not removed.mask[found].any()
    assert (found == true).mean() > 0.95
    everything = rows.search(x[:3], 150, 20, removed)[1]
    assert all(sorted(row) == removed.kept.tolist() for row in everything.tolist())
