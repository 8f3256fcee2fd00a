"""Laws of the product object: identity at birth, gain after a fit, the gate, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from world import QUICK, copy_of, make_world

import graphlift as gl
from graphlift.lifted import LiftedIndex
from graphlift.model import LiftModel
from graphlift.nn.family import CONVS, DEFAULT
from graphlift.search.similarity import Similarity

METRICS = ["cosine", "ip", "l2"]


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def fitted(world):
    lift = world.lift()
    report = lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    return lift, report


@pytest.mark.parametrize("metric", METRICS)
def test_untrained_lift_ranks_as_the_frozen_index(world, metric):
    lift = world.lift(metric=metric)
    ours, frozen = lift.search(world.queries, k=10), lift.index.search(world.queries, k=10)
    assert (ours.ids == frozen.ids).all()
    assert (ours.scores == frozen.scores).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("encoder", ["linear", "hierarchical"])
def test_fresh_model_ranks_as_the_frozen_index(world, metric, encoder):
    index = world.lift(metric=metric).index
    config = gl.ModelConfig(query_encoder=encoder, num_walked=20, num_recalled=0)
    model = LiftModel(index.channels, Similarity.of(index.metric, index.x), config).eval()
    queries = index.metric.prepare(world.queries, "queries")
    memory = gl.Memory.of(torch.from_numpy(queries[:5]), [{0: 1.0}] * 5)
    rows = LiftedIndex(index, model, memory).search_rows(queries, k=10, ef_search=200)[1]
    assert (rows == index.search_rows(queries, 10, ef_search=200)[1]).all()


def test_fit_gains_on_queries_it_has_not_seen(world, fitted):
    lift, report = fitted
    comparison = lift.evaluate(world.queries, world.test, query_ids=world.query_ids)
    assert report.published
    assert comparison.all.lifted["nDCG@10"] > comparison.all.frozen["nDCG@10"] + 0.05
    assert comparison.all.interval[0] > 0


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_fit_gains_under_every_metric(world, metric):
    lift = world.lift(metric=metric)
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    comparison = lift.evaluate(world.queries, world.test, query_ids=world.query_ids)
    assert comparison.all.lifted["nDCG@10"] > comparison.all.frozen["nDCG@10"] + 0.05


@pytest.mark.parametrize("conv", [name for name in CONVS if name != DEFAULT])
def test_every_layer_fits_and_is_kept(world, tmp_path, conv):
    """Saved and loaded like the default; a short fit, in which the lift alone would pass the gate."""
    model = QUICK.model.model_copy(update={"conv": conv})
    ranker = QUICK.ranker.model_copy(update={"epochs": 1})
    config = QUICK.model_copy(update={"model": model, "ranker": ranker})
    lift = world.lift()
    assert lift.fit(world.queries, world.train, query_ids=world.query_ids, config=config).published
    lift.save(tmp_path / "store")
    opened = gl.load(tmp_path / "store")
    assert opened.lifted.model.config.conv == conv
    ours, theirs = lift.search(world.queries), opened.search(world.queries)
    assert (ours.ids == theirs.ids).all()
    assert (ours.scores == theirs.scores).all()


def test_an_unknown_layer_is_named():
    with pytest.raises(ValueError, match=r"`conv` must be one of ruvector, .* got 'gnc'"):
        gl.ModelConfig(conv="gnc")


def test_hierarchical_encoder_fits(world):
    lift = world.lift()
    config = QUICK.model_copy(update={"model": QUICK.model.model_copy(update={"query_encoder": "hierarchical"})})
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=config)
    assert lift.lifted is not None
    before = LiftModel(lift.index.channels, lift.lifted.model.similarity, config.model).hierarchical
    assert before is not None
    assert lift.lifted.model.hierarchical.lin_up.weight.abs().max() > before.lin_up.weight.abs().max()


def test_warm_and_cold_follow_what_was_trained_on(world, fitted):
    lift, _ = fitted
    trained = {document for documents in world.train.values() for document in documents}
    warm = [query for query, documents in world.test.items() if trained & set(documents)]
    comparison = lift.evaluate(world.queries, world.test, query_ids=world.query_ids)
    assert comparison.warm.queries == len(warm)
    assert comparison.cold.queries == len(world.test) - len(warm)
    untrained = world.lift().evaluate(world.queries, world.test, query_ids=world.query_ids)
    assert untrained.warm is None
    assert untrained.all.frozen == untrained.all.lifted


def test_gate_refuses_what_does_not_help(world):
    rng = np.random.default_rng(3)
    nonsense = {query: {world.document_ids[rng.integers(240)]: 1.0} for query in world.train}
    lift = world.lift()
    report = lift.fit(world.queries, nonsense, query_ids=world.query_ids, dev_qrels=world.test, config=QUICK)
    assert not report.published
    assert lift.lifted is None
    assert (lift.search(world.queries).ids == lift.index.search(world.queries).ids).all()


def test_gate_keeps_a_better_model(world, fitted):
    lift, _ = fitted
    now = copy_of(lift._now)
    few = dict(list(world.train.items())[:20])
    report = now.fit(world.queries, few, query_ids=world.query_ids, dev_qrels=world.test, config=QUICK)
    assert not report.published
    assert now.lifted is lift.lifted
    assert now.report is report


def test_same_seed_same_model(world, fitted):
    lift, _ = fitted
    again = gl.Lift(lift.index)
    again.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    ours, theirs = lift.lifted.model.state_dict(), again.lifted.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_every_hit_once_and_as_many_as_asked(world, fitted):
    lift, _ = fitted
    for k in (1, 7, 20, 33, 240):
        hits = lift.search(world.queries[:9], k=k)
        assert hits.ids.shape == hits.scores.shape == (9, k)
        assert all(len(set(row)) == k for row in hits.ids.tolist())
        assert (np.diff(hits.scores, axis=1) <= 0).all()
        assert np.isfinite(hits.scores).all()


def test_batch_of_one_equals_row_of_batch(world, fitted):
    lift, _ = fitted
    together = lift.search(world.queries[:30], k=5)
    apart = [lift.search(world.queries[i : i + 1], k=5) for i in range(30)]
    assert (together.ids == np.concatenate([hits.ids for hits in apart])).all()
    np.testing.assert_allclose(together.scores, np.concatenate([hits.scores for hits in apart]), atol=1e-4)


def test_no_queries_no_hits(world, fitted):
    for lift in (fitted[0], world.lift()):
        hits = lift.search(np.empty((0, 12), dtype=np.float32), k=3)
        assert hits.ids.shape == hits.scores.shape == (0, 3)


BAD = {
    "nan": (lambda w: {"queries": np.full_like(w.queries, np.nan)}, "queries"),
    "width": (lambda w: {"queries": w.queries[:, :5]}, "queries"),
    "one axis": (lambda w: {"queries": w.queries[0]}, "queries"),
    "ids": (lambda w: {"query_ids": w.query_ids[:-1]}, "query_ids"),
    "twice": (lambda w: {"query_ids": ["q0", *w.query_ids[:-1]]}, "ids"),
    "unknown query": (lambda w: {"qrels": {"nobody": {"d0": 1.0}}}, "qrels"),
    "unknown document": (lambda w: {"qrels": w.train | {"q0": {"nothing": 1.0}}}, "qrels"),
    "nothing relevant": (lambda w: {"qrels": {"q0": {"d0": 0.0}}}, "qrels"),
    "too few": (lambda w: {"qrels": {"q0": {"d0": 1.0}}}, "qrels"),
    "unknown in dev": (lambda w: {"dev_qrels": {"q179": {"nothing": 1.0}}}, "dev_qrels"),
    "grade": (lambda w: {"qrels": w.train | {"q0": {"d0": 0.3}}}, "qrels"),
    "infinite grade": (lambda w: {"qrels": w.train | {"q0": {"d0": float("inf")}}}, "qrels"),
    "text for a list": (lambda w: {"qrels": w.train | {"q0": "d0"}}, "qrels"),
    "device": (lambda w: {"device": "abacus"}, "device"),
    "training query in dev": (lambda w: {"dev_qrels": {"q0": {"d0": 1.0}}}, "dev_qrels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_changes_nothing(world, fitted, name):
    lift, _ = fitted
    before = lift._now
    make, argument = BAD[name]
    call = {"queries": world.queries, "qrels": world.train, "query_ids": world.query_ids} | make(world)
    with pytest.raises(gl.InputError, match=f"`{argument}`"):
        lift.fit(**call, config=QUICK)
    assert lift._now is before


def test_search_names_what_is_wrong(world, fitted):
    lift, _ = fitted
    for k in (0, 241, 2.5):
        with pytest.raises(gl.InputError, match="`k`"):
            lift.search(world.queries, k=k)
    with pytest.raises(gl.InputError, match="`texts`"):
        gl.Lift(lift.index, texts=["one"])
