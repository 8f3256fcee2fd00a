"""The compiled search gives the candidates and scores of `build_subgraphs` and `SubgraphRanker`."""

import threading
from copy import copy

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from world import QUICK, make_world

from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.model import LiftModel
from graphlift.nn.conv import RuvectorConv
from graphlift.nn.ranker import SubgraphRanker
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Space, build_subgraphs
from graphlift.serving import scorer as door
from graphlift.serving.scorer import Scorer

pytest.importorskip("numba")
NODES = 4
"""Past queries that are nodes, of five or more that vote."""


def draw(space, batch=4, walked=7, past=5):
    """Arguments of `build_subgraphs` but the number recalled."""
    count, channels = space.frozen.shape
    frozen, lifted = (space.similarity.finish(torch.randn(batch, channels)) for _ in range(2))
    walk = torch.stack([torch.randperm(count)[:walked] for _ in range(batch)])
    near = torch.stack([torch.randperm(len(space.memory))[:past] for _ in range(batch)])
    return frozen, lifted, walk, near


def awake(channels, layers, heads, subgraphs):
    """A ranker with random weights and norms."""
    ranker = SubgraphRanker(channels, layers, heads).eval()
    ranker.fit_norms(subgraphs)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return ranker


def assert_same(space, ranker, drawn, recalled):
    subgraphs = build_subgraphs(space, *drawn, recalled, NODES)
    rows, scores = scored(space, ranker, drawn, recalled)
    with torch.inference_mode():
        expected = ranker(subgraphs).masked_fill(~subgraphs.mask, -torch.inf)
    assert (scores.diff(dim=1).nan_to_num(0.0) <= 0).all()  # best first; between two that are not there it is NaN
    assert_close(by_row(rows, scores), by_row(subgraphs.rows, expected), rtol=2e-4, atol=2e-4)
    return subgraphs


def scored(space, ranker, drawn, recalled):
    """The compiled scorer's answer, as tensors."""
    found = Scorer.of(space, ranker, recalled, NODES)(*(part.numpy() for part in drawn))
    return tuple(map(torch.from_numpy, found))


def by_row(rows, scores):
    """Rows in ascending order and their scores, -1 where there is no candidate."""
    rows, order = rows.masked_fill(scores == -torch.inf, -1).sort(dim=1, stable=True)
    return rows, scores.gather(1, order)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(("channels", "layers", "heads"), [(12, 2, 3), (8, 1, 1), (20, 3, 4)])
def test_equal_to_torch(make_space, metric, channels, layers, heads):
    recalled = 0
    for documents, walked, past, width, count in ((23, 7, 5, 5, 4), (60, 33, 9, 16, 6), (40, 1, 1, 3, 0)):
        space = make_space(metric, documents, 11, width)
        drawn = draw(space, walked=walked, past=past)
        ranker = awake(channels, layers, heads, build_subgraphs(space, *drawn, count, NODES))
        recalled += int(assert_same(space, ranker, drawn, count).mask[:, walked:].sum())
    assert recalled  # the case is not empty


def test_votes_are_dense(make_space):
    """Every past query was answered by every third document: votes tie, and more are voted than may join."""
    space = make_space(documents=200, past=40, channels=9)
    memory = Memory.of(space.memory.queries, [dict.fromkeys(range(q % 3, 200, 3), 1.0) for q in range(40)])
    space = Space.of(space.similarity, space.frozen, space.lifted, memory, space.past_lifted, space.links)
    drawn = draw(space, walked=20, past=30)
    ranker = awake(12, 1, 3, build_subgraphs(space, *drawn, 16, NODES))
    assert assert_same(space, ranker, drawn, 16).mask.all()


@pytest.mark.parametrize("metric", list(Metric))
def test_without_past(make_space, metric):
    space = make_space(metric)
    drawn = draw(space)
    ranker = awake(12, 2, 3, build_subgraphs(space, *drawn, 6, NODES))
    empty = torch.empty(0, 5)
    space = Space.of(space.similarity, space.frozen, space.lifted, Memory.empty(5), empty, space.links)
    assert not assert_same(space, ranker, (*drawn[:3], drawn[3][:, :0]), 6).mask[:, 7:].any()


def test_fresh_ranker_keeps_the_order_of_the_walk(make_space):
    space = make_space()
    drawn = draw(space)
    rows, scores = scored(space, SubgraphRanker(12, 2, 3).eval(), drawn, 4)
    similarity = space.similarity.pairwise(drawn[1].unsqueeze(1), space.lifted[rows]).squeeze(1)
    assert_close(scores, (20 * similarity).masked_fill(scores == -torch.inf, -torch.inf))


def test_a_batch_is_its_queries_one_by_one(make_space, threads):
    space = make_space()
    drawn = draw(space, batch=5)
    scorer = Scorer.of(space, awake(12, 2, 3, build_subgraphs(space, *drawn, 4, NODES)), 4, NODES)
    drawn = [part.numpy() for part in drawn]
    together = scorer(*drawn)
    for b in range(5):
        for whole, one in zip(together, scorer(*(part[b : b + 1] for part in drawn)), strict=True):
            assert np.array_equal(whole[b : b + 1], one)
    threads(2)
    assert all(map(np.array_equal, scorer(*drawn), together))


def test_other_layers_and_no_compiler_have_no_scorer(make_space, monkeypatch):
    class Other(RuvectorConv):
        pass

    space, ranker = make_space(), SubgraphRanker(12, 1, 3)
    assert Scorer.of(space, ranker, 4, NODES) is not None
    ranker.convs[0] = Other(12, 12, 3, edge_dim=4)
    assert Scorer.of(space, ranker, 4, NODES) is None
    monkeypatch.setattr(door.fast, "loops", lambda package: None)
    assert Scorer.of(space, SubgraphRanker(12, 1, 3), 4, NODES) is None


@pytest.mark.parametrize("metric", list(Metric))
def test_search_is_the_same_without(metric):
    world = make_world()
    index = world.lift(metric=metric).index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    queries = index.metric.prepare(world.queries, "queries")
    memory = Memory.of(torch.from_numpy(queries[:100]), [{row: 1.0} for row in range(100)])
    compiled, plain = (LiftedIndex(index, model, memory) for _ in range(2))
    plain.scorer = None
    k = 2 * QUICK.model.num_walked  # more than the ranker sees
    scores, rows = compiled.search_rows(queries, k)
    expected, expected_rows = plain.search_rows(queries, k)
    assert_close(torch.from_numpy(scores), torch.from_numpy(expected), rtol=2e-4, atol=2e-4)
    assert (rows == expected_rows).mean() > 0.99  # but for what is equally good


def test_loops_are_compiled_once_for_arrays_of_any_kind():
    """Numba takes a read-only array, or one with gaps, for another type, and would compile for seconds in a search."""
    world = make_world(num_documents=60, num_queries=40)
    index = world.lift(metric=Metric.L2).index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    lifted = LiftedIndex(index, model, Memory.of(index.x[:30], [{row: 1.0} for row in range(30)]))
    kernels = door.fast.loops("graphlift.serving.kernels")

    def compiled():
        return [len(loop.signatures) for loop in (kernels.lift, kernels.nearest, kernels.score)]

    queries = index.metric.prepare(world.queries[:3], "queries")
    expected, before = lifted.search_rows(queries, 5), compiled()
    read_only = queries.copy()
    read_only.flags.writeable = False
    for same in (read_only, np.asfortranarray(queries)):
        assert all(map(np.array_equal, lifted.search_rows(same, 5), expected))
    lifted.lift_queries(torch.from_numpy(queries[:1]).expand(3, -1))
    assert compiled() == before


@pytest.mark.parametrize("loops", [True, False])
def test_no_queries(loops):
    world = make_world(num_documents=60, num_queries=40)
    index = world.lift().index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    lifted = LiftedIndex(index, model, Memory.of(index.x[:30], [{row: 1.0} for row in range(30)]))
    if not loops:
        lifted.scorer = None
    assert [found.shape for found in lifted.search_rows(index.vectors[:0], 5)] == [(0, 5), (0, 5)]


def test_a_copy_keeps_nothing_that_was_made_and_may_be_taken_during_a_search():
    world = make_world(num_documents=60, num_queries=40)
    index = world.lift().index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    lifted = LiftedIndex(index, model, Memory.of(index.x[:30], [{row: 1.0} for row in range(30)]))
    made = ("scorer", "familiarity", "strangers", "descent")
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            for name in made:
                getattr(lifted, name)
                vars(lifted).pop(name)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(300):
            other = copy(lifted)
            assert not set(made) & vars(other).keys()
            assert other.space is lifted.space
    finally:
        stop.set()
        asking.join()
