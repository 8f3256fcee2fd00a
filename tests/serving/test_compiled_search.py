"""A search in one compiled call finds what torch and FAISS find step by step."""

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
from graphlift.model import LiftModel, Served
from graphlift.nn.conv import RuvectorConv
from graphlift.nn.ranker import SubgraphRanker
from graphlift.nn.residual import ResidualLinear
from graphlift.online.step import with_added
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Space, build_subgraphs
from graphlift.serving import compiled_search as door
from graphlift.serving.coded_walk import CodedWalk
from graphlift.serving.compiled_search import CompiledSearch

kernels = pytest.importorskip("graphlift.serving.kernels", exc_type=ImportError)
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
    """What the loop `score` finds, as tensors."""
    frozen, lifted, walk, near = (part.numpy() for part in drawn)
    size = len(walk), walk.shape[1] + recalled
    rows, scores = np.zeros(size, dtype=np.int64), np.full(size, -np.inf, dtype=np.float32)
    counts = kernels.Counts(walk.shape[1], recalled, NODES)
    nowhere = np.empty((frozen.shape[1], 0), dtype=np.float32)
    rankers = kernels.Rankers([kernels.fold(ranker)], nowhere, nowhere[0])
    past = torch.cat([space.sketches.along(x) for x in (space.memory.queries, space.past_lifted)], dim=1)
    scoring = kernels.Scoring(kernels.Ground.of(space, past.numpy()), rankers, counts)
    turn = kernels.turns(frozen, kernels.Pinned(rankers))
    kernels.score(frozen, lifted, walk, near, turn, kernels.Pinned(scoring), rows, scores)
    return torch.from_numpy(rows), torch.from_numpy(scores)


def by_row(rows, scores):
    """Rows in ascending order and their scores, -1 where there is no candidate."""
    rows, order = rows.masked_fill(scores == -torch.inf, -1).sort(dim=1, stable=True)
    return rows, scores.gather(1, order)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize(("channels", "layers", "heads"), [(12, 2, 3), (8, 1, 1), (20, 3, 4)])
def test_equal_to_torch(make_space, metric, channels, layers, heads):
    recalled = 0
    for documents, walked, past, width, count in ((23, 7, 5, 5, 4), (60, 33, 9, 39, 6), (40, 1, 1, 3, 0)):
        space = make_space(metric, documents, 11, width)
        drawn = draw(space, walked=walked, past=past)
        ranker = awake(channels, layers, heads, build_subgraphs(space, *drawn, count, NODES))
        recalled += int(assert_same(space, ranker, drawn, count).mask[:, walked:].sum())
    assert recalled  # the case is not empty


def test_votes_are_dense(make_space):
    """Every past query was answered by every third document: votes tie, and more are voted than may join."""
    space = make_space(documents=200, past=40, channels=9)
    memory = Memory.of(space.memory.queries, [dict.fromkeys(range(q % 3, 200, 3), 1.0) for q in range(40)])
    space = space.remembering(memory, space.past_lifted, torch.arange(200))
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


def without_loops(lifted):
    """So that it searches step by step."""
    lifted._compiled = lifted._compiled_checking = None


def made(metric=Metric.COSINE, config=QUICK.model, past=100):
    """A lifted index with random weights, twice: once compiled and once not, and queries."""
    world = make_world()
    index = world.lift(metric=metric).index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    queries = index.metric.prepare(world.queries, "queries")
    memory = Memory.of(torch.from_numpy(queries[:past]), [{row: 1.0} for row in range(past)])
    compiled, plain = (LiftedIndex(index, model, memory) for _ in range(2))
    without_loops(plain)
    return compiled, plain, queries


def assert_finds_the_same(compiled, plain, queries, k):
    scores, rows = compiled.search_rows(queries, k)
    expected, expected_rows = plain.search_rows(queries, k)
    assert_close(torch.from_numpy(scores), torch.from_numpy(expected), rtol=2e-4, atol=2e-4)
    assert (rows == expected_rows).mean() > 0.99  # but for what is equally good


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("shortlisted", [3, 24])
def test_a_search_is_the_same_step_by_step(metric, shortlisted):
    compiled, plain, queries = made(metric, QUICK.model.model_copy(update={"num_shortlisted": shortlisted}))
    assert compiled.compiled is not None
    assert_finds_the_same(compiled, plain, queries, 5)
    assert_finds_the_same(compiled, plain, queries, 2 * QUICK.model.num_walked)  # more than the ranker sees


def test_many_past_queries_are_walked(monkeypatch):
    monkeypatch.setattr("graphlift.lifted.SCANNED_PAST", 50)
    compiled, plain, queries = made()
    assert len(compiled.compiled.parts.past_queries.paths.links) == 100
    assert_finds_the_same(compiled, plain, queries, 5)


@pytest.mark.parametrize("checked", [False, True])
def test_walks_that_find_too_few(checked):
    """So many rows around a query are removed that its walks end among them; nobody else has to go step by step."""
    compiled, _, queries = made()
    around = compiled.index.exact_search_rows(queries[:1], 60)[1][0]
    gone = np.union1d(around[around >= 100], np.arange(120, 240, 2))
    index = compiled.index.minus(gone, compiled.index.ids.minus(compiled.index.ids.array[gone].tolist()))
    lifted, plain = (LiftedIndex(index, compiled.model, compiled.memory) for _ in range(2))
    if checked:
        compiled.model.familiarity_bounds.copy_(torch.tensor([3.0, 20.0]))
    without_loops(plain)
    for k in (5, len(index)):
        assert_finds_the_same(lifted, plain, queries[:8], k)
        rows = lifted.search_rows(queries[:8], k)[1]
        assert all(len(set(row)) == k for row in rows.tolist())


def test_few_removed_rows_send_nobody_step_by_step():
    """More of them lie around some queries than around others."""
    compiled, _, queries = made()
    gone = np.arange(100, 240, 7)
    index = compiled.index.minus(gone, compiled.index.ids.minus(compiled.index.ids.array[gone].tolist()))
    compiled.model.familiarity_bounds.copy_(torch.tensor([3.0, 20.0]))
    lifted = LiftedIndex(index, compiled.model, compiled.memory)
    assert all(lifted.compiled(queries[n : n + 1], 5, 64) is not None for n in range(len(queries)))


def test_added_documents_are_compared_by_their_sketches():
    compiled, _, queries = made(config=QUICK.model.model_copy(update={"sketch_channels": 4}))
    for parameter in compiled.model.ranker.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # so that links matter
    compiled.search_rows(queries, 5)  # so that those of the others are made
    new = compiled.index.ids.plus([f"new {n}" for n in range(5)])
    added = with_added(compiled, compiled.index.plus(queries[:5], new))
    plain = copy(added)
    without_loops(plain)
    assert_finds_the_same(added, plain, queries, 5)


@pytest.mark.parametrize("bounds", [(0.9, 3), (3.0, 20), (3.0, 48), (0.2, 48)])
def test_strange_queries_are_the_same(bounds):
    compiled, plain, queries = made()
    compiled.search_rows(queries, 5)  # before there are bounds
    compiled.model.familiarity_bounds.copy_(torch.tensor(bounds))
    found = compiled._found(queries, 5, None)
    strange = compiled.is_strange(torch.from_numpy(queries)).numpy()
    assert np.array_equal(found.strange, strange)
    assert strange.any() == (bounds[0] == 3.0)
    assert_finds_the_same(compiled, plain, queries, 5)


def test_with_rows_behind_the_graph_and_without_others():
    compiled, _, queries = made()
    index = compiled.index.plus(queries[:5], compiled.index.ids.plus([f"new {n}" for n in range(5)]))
    gone = np.array([150, 200, index.num_rows - 1])  # nobody recalls them
    index = index.minus(gone, index.ids.minus(index.ids.array[gone].tolist()))
    lifted, plain = (LiftedIndex(index, compiled.model, compiled.memory) for _ in range(2))
    without_loops(plain)
    assert_finds_the_same(lifted, plain, queries, 5)
    assert not np.isin(lifted.search_rows(queries, 40)[1], gone).any()


def test_query_maps_and_rankers_take_turns(threads):
    lifted, _, queries = made()
    model, drawn = lifted.model, lifted.subgraphs(lifted.memory.queries[:9])
    config = model.config
    kept = [
        Served(*map(ResidualLinear, [model.channels] * 2), awake(config.hidden_channels, 1, config.heads, drawn))
        for _ in range(2)
    ]
    for each in kept:
        torch.nn.init.normal_(each.query_map.lin.weight, std=0.2)
        torch.nn.init.normal_(each.document_map.lin.weight, std=0.2)
    model.take_turns(kept, *torch.randn(2, 3, model.channels + 1))
    compiled, plain = (LiftedIndex(lifted.index, model, lifted.memory) for _ in range(2))
    without_loops(plain)
    asked = np.concatenate([queries, lifted.memory.queries.numpy()])
    turn = model.turn_of_queries(torch.from_numpy(asked))
    assert turn.bincount(minlength=3).min() > 5
    for ours, expected in zip(compiled.search_rows(asked, 5), plain.search_rows(asked, 5), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_a_batch_is_its_queries_one_by_one(threads):
    lifted, _, queries = made()
    together = lifted.search_rows(queries[:7], 5)
    for place in range(7):
        for whole, one in zip(together, lifted.search_rows(queries[place : place + 1], 5), strict=True):
            np.testing.assert_allclose(whole[place : place + 1], one, rtol=1e-5)
    threads(2)
    for whole, side_by_side in zip(together, lifted.search_rows(queries[:7], 5), strict=True):
        np.testing.assert_allclose(whole, side_by_side, rtol=1e-5)


def test_who_has_no_loops(monkeypatch):
    class Other(RuvectorConv):
        pass

    lifted, _, _ = made()
    walk, parts = CodedWalk.of(lifted.walk_index), (lifted.model, lifted.space)
    rest = lifted.past, lifted.familiarity, None
    assert CompiledSearch.of(*parts, walk, *rest) is not None
    assert CompiledSearch.of(*parts, lifted.walk_index, *rest) is None
    nobody = Memory.empty(lifted.index.channels)
    assert LiftedIndex(lifted.index, lifted.model, nobody).compiled is None
    lifted.model.ranker.convs[0] = Other(12, 12, 3, edge_dim=4)
    assert CompiledSearch.of(*parts, walk, *rest) is None
    monkeypatch.setattr(door.fast, "loops", lambda package: None)
    assert made()[0].compiled is None


def test_loops_are_compiled_once_for_arrays_of_any_kind():
    """Numba takes a read-only array, or one with gaps, for another type, and would compile for seconds in a search."""
    world = make_world(num_documents=60, num_queries=40)
    index = world.lift(metric=Metric.L2).index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    lifted = LiftedIndex(index, model, Memory.of(index.x[:30], [{row: 1.0} for row in range(30)]))

    def compiled():
        return [len(loop.signatures) for loop in (kernels.search, kernels.walk_span, kernels.encode)]

    queries = index.metric.prepare(world.queries[:3], "queries")
    expected, before = lifted.search_rows(queries, 5), compiled()
    read_only = queries.copy()
    read_only.flags.writeable = False
    for same in (read_only, np.asfortranarray(queries)):
        assert all(map(np.array_equal, lifted.search_rows(same, 5), expected))
    lifted.is_strange(torch.from_numpy(queries[:1]).expand(3, -1))
    assert compiled() == before


@pytest.mark.parametrize("loops", [True, False])
def test_no_queries(loops):
    world = make_world(num_documents=60, num_queries=40)
    index = world.lift().index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    lifted = LiftedIndex(index, model, Memory.of(index.x[:30], [{row: 1.0} for row in range(30)]))
    if not loops:
        without_loops(lifted)
    assert [found.shape for found in lifted.search_rows(index.vectors[:0], 5)] == [(0, 5), (0, 5)]


def test_a_copy_keeps_nothing_that_was_made_and_may_be_taken_during_a_search():
    world = make_world(num_documents=60, num_queries=40)
    index = world.lift().index
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), QUICK.model).eval()
    lifted = LiftedIndex(index, model, Memory.of(index.x[:30], [{row: 1.0} for row in range(30)]))
    names = ("_compiled", "familiarity", "strangers", "descent")
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            for name in names:
                getattr(lifted, name)
                vars(lifted).pop(name)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(300):
            other = copy(lifted)
            assert not set(names) & vars(other).keys()
            assert other.space is lifted.space
    finally:
        stop.set()
        asking.join()
