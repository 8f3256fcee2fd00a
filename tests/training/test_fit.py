"""A fit as a whole: fold candidates are honest, an interrupted fit goes on, the report tells the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from world import QUICK, make_world

import graphlift as gl
from graphlift.training.gate import gain_is_sure, ndcg, ndcg_of_rows


@pytest.fixture(scope="module")
def world():
    return make_world()


def fit(world, lift=None, **options):
    lift = lift or world.lift()
    report = lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK, **options)
    return lift, report


class StoppedError(Exception):
    pass


@pytest.mark.slow
def test_interrupted_fit_goes_on_to_the_same_model(world, tmp_path):
    steps = []
    lift, report = fit(world, progress=steps.append)

    def interrupt_at(number):
        seen = []

        def tell(step):
            seen.append(step)
            if len(seen) == number:
                raise StoppedError

        return tell

    again = gl.Lift(lift.index)
    for number in (3, 10, 7):  # each time a few epochs further
        with pytest.raises(StoppedError):
            fit(world, again, checkpoints=tmp_path, progress=interrupt_at(number))
        assert again.lifted is None
    rest = []
    _, resumed = fit(world, again, checkpoints=tmp_path, progress=rest.append)
    assert len(rest) == len(steps) - (3 + 10 + 7)
    ours, theirs = lift.lifted.model.state_dict(), again.lifted.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert resumed.dev_ndcg == report.dev_ndcg


def test_report_tells_what_happened(world):
    lift, report = fit(world)
    assert report.train_queries + report.dev_queries == len(world.train)
    assert 0 < report.cold_dev_queries < report.dev_queries
    assert not report.dev_given
    assert report.refitted
    assert len(lift.lifted.memory) == len(world.train)
    assert [stage.name for stage in report.stages] == [
        "lift",
        "lift, fold 1 of 2",
        "lift, fold 2 of 2",
        "ranker",
        "lift, all queries",
        "lift, fold 1 of 2, all queries",
        "lift, fold 2 of 2, all queries",
        "ranker, all queries",
    ]
    assert set(report.dev_ndcg) == {"before", "lift", "lift and ranker"}
    assert gl.FitReport.model_validate_json(report.model_dump_json()) == report
    assert report.recall > 0.9
    assert "Published" in report.summary()


def test_a_small_ranker_has_teachers(world):
    model = QUICK.model.model_copy(update={"num_shortlisted": 8})
    lift, config = world.lift(), QUICK.model_copy(update={"model": model, "teachers": 2})
    report = lift.fit(world.queries, world.train, query_ids=world.query_ids, config=config)
    assert [stage.name for stage in report.stages][3:] == [
        "teacher 1 of 2",
        "teacher 2 of 2",
        "ranker",
        "lift, all queries",
        "lift, fold 1 of 2, all queries",
        "lift, fold 2 of 2, all queries",
        "ranker, all queries",
    ]
    assert report.published
    assert lift.lifted.model.ranker.num_shortlisted == 8


def test_the_global_generator_is_left_alone(world):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(world)
    assert torch.equal(torch.rand(3), expected)


def test_given_dev_queries_stay_dev(world):
    lift, report = fit(world, dev_qrels=world.test)
    assert report.dev_given
    assert not report.refitted
    assert report.dev_queries == len(world.test)
    assert len(lift.lifted.memory) == len(world.train)


def test_second_fit_needs_queries_that_are_new(world):
    lift, _ = fit(world)
    before = lift.lifted
    with pytest.raises(gl.InputError, match=r"`dev_qrels` .* is needed"):
        fit(world, lift)
    assert lift.lifted is before


def test_links_are_renewed_where_the_walk_loses_too_much(world, monkeypatch):
    monkeypatch.setattr("graphlift.training.navigable.MIN_RECALL", 2.0)
    lift, report = fit(world)
    assert report.relinked
    assert report.recall > 0.9
    lifted = lift.lifted.walk_index
    np.testing.assert_allclose(lifted.vectors, lift.lifted.lift_documents(), atol=1e-6)
    assert not np.array_equal(lifted.graph.levels[0].neighbors, lift.index.graph.levels[0].neighbors)


@pytest.mark.parametrize("option", [{"hard_negatives": True}, {"local_weight": 0.5}])
def test_options_change_the_lift_and_still_gain(world, option):
    lift = world.lift()
    config = QUICK.model_copy(update=option)
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=config)
    comparison = lift.evaluate(world.queries, world.test, query_ids=world.query_ids)
    assert comparison.all.lifted["nDCG@10"] > comparison.all.frozen["nDCG@10"]


def test_local_contrast_keeps_linked_documents_together(world):
    def moved(weight):
        lift = world.lift()
        config = QUICK.model_copy(update={"local_weight": weight})
        lift.fit(world.queries, world.train, query_ids=world.query_ids, config=config)
        x, table = lift.lifted.walk_index.x, lift.index.graph.neighbors
        source, target = table.edge_index
        return float((x[source] * x[target]).sum(dim=1).mean())

    assert moved(2.0) > moved(0.0) + 0.01


def test_ndcg_of_rows_against_the_formula():
    queries = gl.Memory.of(torch.eye(3), [{4: 1.0}, {7: 3.0, 2: 1.0}, {9: 1.0}])
    rows = np.array([[1, 4, 2], [2, 7, 5], [0, 1, 2]])
    gain = 1 / np.log2(np.arange(2, 5))
    expected = [gain[1], (1 * gain[0] + 3 * gain[1]) / (3 * gain[0] + 1 * gain[1]), 0]
    np.testing.assert_allclose(ndcg_of_rows(rows, queries), expected, atol=1e-6)


def test_gate_needs_certainty():
    rng = np.random.default_rng(0)
    before = rng.uniform(0.3, 0.6, size=50)
    assert gain_is_sure(before, before + 0.1, 0.95)[0]
    assert not gain_is_sure(before, before, 0.95)[0]
    assert not gain_is_sure(before, before - 0.1, 0.95)[0]
    noise = rng.normal(scale=0.3, size=50)
    assert not gain_is_sure(before, before + noise - noise.mean() + 0.001, 0.95)[0]


def test_ndcg_of_a_searcher(world):
    index = world.lift().index
    queries = gl.Memory.of(index.x[:9].clone(), [{row: 1.0} for row in range(9)])
    assert (ndcg(index, queries, ef_search=64) == 1).all()


def test_repeated_queries_do_not_judge_what_they_taught():
    """Random judgments teach nothing; repeating them under new ids must not look like a gain."""
    rng = np.random.default_rng(0)
    documents, queries = rng.normal(size=(200, 12)), np.tile(rng.normal(size=(100, 12)), (3, 1))
    answer = np.tile(rng.integers(200, size=100), 3)
    lift = gl.Lift(gl.HnswIndex.build(documents))
    report = lift.fit(queries, {query: [int(row)] for query, row in enumerate(answer)}, config=QUICK)
    assert not report.published
    assert report.train_queries + report.dev_queries == 100


def test_dev_queries_that_were_trained_on_do_not_judge(world):
    twice = np.concatenate([world.queries, world.queries[:30]])
    ids = [*world.query_ids, *(f"again {query}" for query in range(30))]
    dev = {f"again {query}": world.train[f"q{query}"] for query in range(30)}
    with pytest.raises(gl.InputError, match="`dev_qrels` must judge queries that are no training queries"):
        world.lift().fit(twice, world.train, query_ids=ids, dev_qrels=dev, config=QUICK)


def test_a_wider_beam_is_no_gain():
    """With a narrow default beam the frozen walk finds little; the ranker's wider one must not count as learned."""
    world = make_world(num_documents=2000, channels=32)
    lift = world.lift(M=3, ef_construction=8, ef_search=1)
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    comparison = lift.evaluate(world.queries, world.test, query_ids=world.query_ids)
    beam = QUICK.model.num_walked
    wide = gl.Lift(lift.index).evaluate(world.queries, world.test, query_ids=world.query_ids, ef_search=beam)
    if lift.lifted is not None:
        assert comparison.all.frozen == wide.all.frozen


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_size_of_vectors_does_not_matter(world, metric, scale):
    index = gl.HnswIndex.build(world.documents * scale, world.document_ids, metric=metric)
    lift = gl.Lift(index)
    lift.fit(world.queries * scale, world.train, query_ids=world.query_ids, config=QUICK)
    comparison = lift.evaluate(world.queries * scale, world.test, query_ids=world.query_ids)
    assert comparison.all.lifted["nDCG@10"] > comparison.all.frozen["nDCG@10"] + 0.05


def test_a_checkpoint_of_another_index_is_not_used(world, tmp_path):
    fit(world, checkpoints=tmp_path)
    steps = []
    other = world.lift(metric="l2")
    fit(world, other, checkpoints=tmp_path, progress=steps.append)
    clean = world.lift(metric="l2")
    fit(world, clean)
    ours, theirs = other.lifted.model.state_dict(), clean.lifted.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_checkpoint_of_other_dev_queries_is_not_used(world, tmp_path):
    fit(world, checkpoints=tmp_path, dev_qrels=world.test)
    some = dict(list(world.test.items())[:20])
    _, resumed = fit(world, checkpoints=tmp_path, dev_qrels=some)
    _, clean = fit(world, dev_qrels=some)
    assert [stage.history for stage in resumed.stages] == [stage.history for stage in clean.stages]
