"""Laws of explanations: parts add up, and effects are what really leaving something out does."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from world import QUICK, make_world

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.model import LiftModel
from graphlift.online.versions import Versions
from graphlift.search.similarity import Similarity


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def lift(world):
    """A ranker with strong opinions: what it says is drawn at random, and everything has an effect."""
    lift = world.lift()
    index, rng = lift.index, torch.Generator().manual_seed(0)
    model = LiftModel(index.channels, Similarity(index.metric), QUICK.model).eval()
    ranker = model.ranker
    opinions = (
        ranker.lin_state.weight,
        ranker.lin_attr.weight,
        *ranker.embed_node.parameters(),
        *ranker.convs.parameters(),
    )
    for weight in (model.query_map.lin.weight, *opinions):
        weight.data.normal_(0, 0.3, generator=rng)
    queries = torch.from_numpy(index.metric.prepare(world.queries, "queries"))
    trained = [world.query_ids.index(query) for query in world.train]
    answers = [dict.fromkeys(index.ids.rows(list(documents)).tolist(), 1.0) for documents in world.train.values()]
    lifted = LiftedIndex(index, model, gl.Memory.of(queries[trained], answers))
    return gl.Lift._of(Versions(replace(lift._now, lifted=lifted)))


def each_hit(hits):
    for ids, scores, explanations in zip(hits.ids.tolist(), hits.scores.tolist(), hits.explanations, strict=True):
        yield from zip(ids, scores, explanations, strict=True)


def test_explaining_changes_nothing_and_parts_add_up(world, lift):
    plain = lift.search(world.queries[150:160], k=7, cold_bonus=1.5)
    hits = lift.search(world.queries[150:160], k=7, cold_bonus=1.5, explain=True)
    assert plain.explanations is None
    assert (plain.ids == hits.ids).all()
    assert (plain.scores == hits.scores).all()
    warm = {world.document_ids[row] for row in lift.lifted.memory.warm_rows.tolist()}
    for name, score, one in each_hit(hits):
        assert one.similarity + one.learned + one.cold_bonus + one.told == pytest.approx(score, abs=1e-4)
        assert one.cold_bonus == (0.0 if name in warm else 1.5)
    assert any(one.cold_bonus for _, _, one in each_hit(hits))


def test_ranks_are_those_of_both_searches(world, lift):
    queries = world.queries[150:155]
    hits = lift.search(queries, k=5, explain=True)
    before = lift.index.search(queries, 100, lift.lifted.beam()).ids.tolist()
    for row, (ids, explanations) in enumerate(zip(hits.ids.tolist(), hits.explanations, strict=True)):
        assert [one.rank for one in explanations] == [1, 2, 3, 4, 5]
        places = [before[row].index(name) + 1 if name in before[row] else None for name in ids]
        assert [one.frozen_rank for one in explanations] == places


def test_effect_of_a_past_query_is_what_forgetting_it_does(world, lift):
    """The same weights with a memory that never had the query."""
    lifted, compared = lift.lifted, 0
    for number in range(150, 156):
        query = world.queries[number : number + 1]
        hits = lift.search(query, k=5, cold_bonus=0.7, explain=True)
        for name, score, one in each_hit(hits):
            for past in one.past:
                others = [other for other in range(len(lifted.memory)) if other != past.number]
                memory = lifted.memory.select(others)
                forgot = LiftedIndex(lifted.index, lifted.model, memory, lifted.walk_index)
                prepared = lift.index.metric.prepare(query, "query")
                scores, rows = forgot.search_rows(prepared, 20, cold_bonus=0.7)
                ids = lift.index.ids.array[rows[0]].tolist()
                answers = [world.document_ids[row] for row in lifted.memory.answers(past.number).tolist()]
                assert list(past.answers) == answers
                if past.effect is None:
                    row = lift.index.ids.rows([name])[0]
                    assert row not in forgot.subgraphs(torch.from_numpy(prepared)).rows[0].tolist()
                elif name in ids:
                    assert score - scores[0, ids.index(name)] == pytest.approx(past.effect, abs=2e-3)
                    compared += 1
    assert compared > 10


def test_a_hit_that_a_past_query_brought_says_so(world, lift):
    """A memory of one query, asked again, whose answer lies where the walk does not go."""
    lifted = lift.lifted
    query = lift.index.metric.prepare(world.queries[:1], "query")
    far = lifted.search_rows(query, 240)[1][0, -1]
    memory = gl.Memory.of(torch.from_numpy(query), [{int(far): 1.0}])
    other = gl.Lift._of(
        Versions(replace(lift._now, lifted=LiftedIndex(lift.index, lifted.model, memory, lifted.walk_index)))
    )
    hits = other.search(query, k=25, explain=True)
    (one,) = [one for name, _, one in each_hit(hits) if name == world.document_ids[far]]
    assert [(past.number, past.effect) for past in one.past] == [(0, None)]
    assert one.past[0].similarity == pytest.approx(1.0, abs=1e-5)


def test_effect_of_a_neighbor_is_what_cutting_it_out_does(world, lift):
    """The same subgraph without the node in any tensor."""
    lifted, compared = lift.lifted, 0
    unlinked = ("rows", "mask", "similarity", "node_attr")
    for number in range(150, 154):
        query = lift.index.metric.prepare(world.queries[number : number + 1], "query")
        whole = lifted.subgraphs(torch.from_numpy(query))
        rows = whole.rows[0].tolist()
        hits = lift.search(query, k=5, explain=True)
        for name, _, one in each_hit(hits):
            place = rows.index(lift.index.ids.rows([name])[0])
            for neighbor in one.neighbors:
                gone = rows.index(lift.index.ids.rows([neighbor.id])[0])
                kept = [i for i in range(len(rows)) if i != gone]
                links = kept + list(range(len(rows), whole.edge_attr.shape[3]))
                cut = {f.name: getattr(whole, f.name)[:, kept] for f in fields(whole) if f.name in unlinked}
                cut["edge_attr"] = whole.edge_attr[:, :, kept][..., links]
                without = replace(whole, **cut)
                with torch.inference_mode():
                    effect = lifted.model.ranker(whole)[0, place] - lifted.model.ranker(without)[0, kept.index(place)]
                assert neighbor.effect == pytest.approx(float(effect), abs=1e-4)
                compared += 1
    assert compared > 10


def test_largest_effects_come_first(world, lift):
    for _, _, one in each_hit(lift.search(world.queries[150:160], explain=True)):
        for named in (one.past, one.neighbors):
            sizes = [float("inf") if cause.effect is None else abs(cause.effect) for cause in named]
            assert sizes == sorted(sizes, reverse=True)
            assert all(size >= 0.01 for size in sizes)


def test_frozen_index_says_that_nothing_moved(world):
    hits = world.lift().search(world.queries[:4], k=6, explain=True)
    for _, score, one in each_hit(hits):
        assert (one.rank, one.similarity, one.learned, one.past, one.neighbors) == (one.frozen_rank, score, 0.0, (), ())


def test_hits_behind_the_candidates_follow_the_walk(world, lift):
    hits = lift.search(world.queries[150:151], k=240, explain=True)
    behind = [one for _, _, one in each_hit(hits) if one.learned is None]
    assert 240 - 25 <= len(behind) <= 240 - 20
    assert [one.rank for one in behind] == list(range(240 - len(behind) + 1, 241))
    assert (np.diff([one.similarity for one in behind]) <= 1e-4).all()
    assert not any(one.past or one.neighbors for one in behind)


def test_no_queries_no_explanations(world, lift):
    assert lift.search(np.empty((0, 12)), explain=True).explanations == ()
