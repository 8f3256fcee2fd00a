"""The cold bonus: what it does to a search, and how the fit chooses it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from world import QUICK, make_world

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.search.attributes import NODE_ATTRS
from graphlift.training.cold import BONUSES, choose_cold_bonus
from graphlift.training.gate import ndcg


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def fitted(world):
    return world.fitted(QUICK.model_copy(update={"cold_price": 0.0}))


def judging(lifted, world, lean):
    """The same index under a ranker that leans towards warm documents, and queries to judge by."""
    with torch.no_grad():
        lifted.model.ranker.lin_attr.weight[0, NODE_ATTRS.index("warm")] = lean
    x = torch.from_numpy(lifted.index.metric.prepare(world.queries, "queries"))
    asked = [world.query_ids.index(query) for query in world.test]
    answers = [{int(lifted.index.ids.rows([d])[0]): 1.0 for d in documents} for documents in world.test.values()]
    return gl.Memory.of(x[asked], answers)


@pytest.fixture
def leaning(fitted, world):
    """A lift that buries cold documents, and judged queries."""
    model = type(fitted.lifted.model)(12, fitted.lifted.model.similarity, QUICK.model).eval()
    model.load_state_dict(fitted.lifted.model.state_dict())
    lifted = LiftedIndex(fitted.index, model, fitted.lifted.memory, fitted.lifted.walk_index)
    return lifted, judging(lifted, world, lean=3.0)


def test_bonus_moves_cold_documents_up_and_nothing_else(world, fitted):
    warm = {world.document_ids[row] for row in fitted.lifted.memory.warm_rows.tolist()}
    queries = world.queries[150:170]
    before, after = (fitted.search(queries, k=20, cold_bonus=bonus) for bonus in (0.0, 2.0))
    rows = (before.ids, before.scores, after.ids, after.scores)
    assert (before.ids != after.ids).any()
    for ids, scores, new_ids, new_scores in zip(*(part.tolist() for part in rows), strict=True):
        old, new = dict(zip(ids, scores, strict=True)), dict(zip(new_ids, new_scores, strict=True))
        for name in old.keys() & new.keys():
            assert new[name] - old[name] == pytest.approx(0.0 if name in warm else 2.0, abs=1e-4)


def test_largest_bonus_within_the_price_is_chosen(leaning):
    lifted, queries = leaning
    means = [float(ndcg(_with(lifted, bonus), queries, lifted.beam()).mean()) for bonus in BONUSES]
    for price in (1e-6, 0.002, 0.05, 1.0):
        affordable = [means[0] - mean <= price + 1e-9 for mean in means]
        first_too_dear = affordable.index(False) if False in affordable else len(BONUSES)
        bonus, cost = choose_cold_bonus(lifted, queries, price)
        assert bonus == BONUSES[first_too_dear - 1]
        assert cost == pytest.approx(means[0] - means[first_too_dear - 1], abs=1e-9)


def test_no_price_no_bonus(leaning):
    assert choose_cold_bonus(*leaning, price=0.0) == (0.0, 0.0)


def _with(lifted, bonus):
    """A searcher whose own bonus is this."""
    lifted.model.ranker.cold_bonus.fill_(bonus)
    other = LiftedIndex(
        lifted.index, type(lifted.model)(12, lifted.model.similarity, QUICK.model).eval(), lifted.memory
    )
    other.model.load_state_dict(lifted.model.state_dict())
    return LiftedIndex(lifted.index, other.model, lifted.memory, lifted.walk_index)


def test_what_the_fit_chose_serves_and_is_kept(world, tmp_path):
    lift = world.lift()
    report = lift.fit(
        world.queries,
        world.train,
        query_ids=world.query_ids,
        config=QUICK.model_copy(update={"cold_price": 1.0}),  # whatever it costs
    )
    assert report.published
    assert report.refitted
    assert report.cold_bonus == lift.lifted.cold_bonus == BONUSES[-1]
    assert f"bonus of {BONUSES[-1]:g}" in report.summary()
    lift.save(tmp_path / "store")
    for searcher in (lift, gl.load(tmp_path / "store")):
        chosen = searcher.search(world.queries[:20])
        told = searcher.search(world.queries[:20], cold_bonus=BONUSES[-1])
        assert (chosen.scores == told.scores).all()
        assert (chosen.scores != searcher.search(world.queries[:20], cold_bonus=0.0).scores).any()


def test_evaluation_takes_a_bonus(world, fitted):
    asked = {"qrels": world.test, "query_ids": world.query_ids}
    plain = fitted.evaluate(world.queries, **asked, cold_bonus=0.0)
    cold = fitted.evaluate(world.queries, **asked, cold_bonus=20.0)
    assert cold.all.frozen == plain.all.frozen
    assert cold.cold.lifted["nDCG@10"] >= plain.cold.lifted["nDCG@10"]
    assert cold.warm.lifted["nDCG@10"] < plain.warm.lifted["nDCG@10"]


@pytest.mark.parametrize("bonus", [np.nan, np.inf, "much"])
def test_bonus_must_be_a_finite_number(world, fitted, bonus):
    for lift in (fitted, world.lift()):
        with pytest.raises(gl.InputError, match="`cold_bonus`"):
            lift.search(world.queries[:1], cold_bonus=bonus)
        with pytest.raises(gl.InputError, match="`cold_bonus`"):
            lift.evaluate(world.queries, world.test, query_ids=world.query_ids, cold_bonus=bonus)
