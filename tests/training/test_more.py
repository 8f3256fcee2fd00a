"""Learning on: from what was told, without losing what was learned; refused where old queries lose; taken back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from world import QUICK, copy_of, make_world

import graphlift as gl
from graphlift.training.config import MoreConfig
from graphlift.training.gate import ndcg
from graphlift.training.more import fit_more

MORE = MoreConfig(lift=QUICK.lift, ranker=QUICK.ranker)
CONFIG = QUICK.model_copy(update={"more": MORE})
NAIVE = QUICK.model_copy(update={"more": MORE.model_copy(update={"replay": 0, "turns": False})})
EWC = QUICK.model_copy(update={"more": MORE.model_copy(update={"replay": 0, "ewc": 3.0, "turns": False})})


class Stream:
    """Two kinds of queries for the same documents, each seen through a distortion of its own."""

    def __init__(self):
        world = make_world(num_documents=200, num_queries=320, channels=12)
        rng = np.random.default_rng(1)
        self.world, self.old = world, world.queries[:160]
        self.answers = [int(next(iter((world.train | world.test)[q]))[1:]) for q in world.query_ids]
        other = np.eye(12) + 0.6 * rng.normal(size=(12, 12))
        sources = world.documents[self.answers[160:]]
        self.new = ((sources + 0.1 * rng.normal(size=sources.shape)) @ other).astype(np.float32)
        self.fitted = world.lift()
        dev = {number: [f"d{self.answers[number]}"] for number in range(120, 160)}
        self.fitted.fit(self.old, self.qrels(0, 120), dev_qrels=dev, config=QUICK)

    def qrels(self, first, last):
        return {number: [f"d{self.answers[first + number]}"] for number in range(last - first)}

    def lift(self):
        """The same fit every time, with feedback on 120 queries of the new kind."""
        lift = copy_of(self.fitted._now)
        lift.feedback(self.new[:120], [[f"d{row}"] for row in self.answers[160:280]])
        return lift

    def score(self, lift, kind):
        """Mean nDCG@10 of 40 queries that no one was told of."""
        x, first = (self.old[120:], 120) if kind == "old" else (self.new[120:], 280)
        memory = gl.Memory.of(
            lift.index.x.new_tensor(lift.index.metric.prepare(x, "queries")),
            [{row: 1.0} for row in self.answers[first : first + 40]],
        )
        return float(ndcg(lift.lifted, memory, 64).mean())


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr("graphlift.training.consolidate.FISHER_SAMPLES", 40)


@pytest.fixture(scope="module")
def stream():
    return Stream()


@pytest.fixture
def apart(monkeypatch):
    """Batches count as kinds of their own, whatever queries look like."""
    monkeypatch.setattr("graphlift.training.turns.APART", 1.0)


def test_new_queries_gain_and_old_ones_stay(stream):
    lift = stream.lift()
    old, new = stream.score(lift, "old"), stream.score(lift, "new")
    config = CONFIG.model_copy(update={"more": MORE.model_copy(update={"max_loss": 0.1})})
    report = lift.fit_more(config=config)
    assert report.published
    assert report.train_queries + report.dev_queries == 120
    assert report.past_queries == 30
    assert set(report.past_ndcg) == set(report.dev_ndcg) == {"before", "after"}
    assert stream.score(lift, "new") > new + 0.1
    assert stream.score(lift, "old") > old - 0.1
    assert "queries learned before" in report.summary()


def test_every_batch_is_judged_apart(stream):
    """What came before the first fit, and what was told before the second one."""
    lift = stream.lift()
    config = CONFIG.model_copy(update={"more": MORE.model_copy(update={"max_loss": 1.0})})
    first = lift.fit_more(config=config)
    (batch,) = first.past_batches
    assert batch.queries == first.past_queries
    assert (batch.before, batch.after) == pytest.approx(tuple(first.past_ndcg.values()))
    lift.feedback(stream.new[120:], [[f"d{row}"] for row in stream.answers[280:]])
    second = lift.fit_more(config=config)
    assert [batch.queries > 0 for batch in second.past_batches] == [True, True]
    assert sum(batch.queries for batch in second.past_batches) == second.past_queries
    for moment in ("before", "after"):
        total = sum(batch.queries * getattr(batch, moment) for batch in second.past_batches)
        assert total / second.past_queries == pytest.approx(second.past_ndcg[moment])


def test_training_on_the_new_alone_is_refused_and_changes_nothing(stream):
    lift = stream.lift()
    before = lift.lifted
    report = lift.fit_more(config=NAIVE)
    assert not report.published
    assert "may lose at most 0.010" in report.reason
    assert report.past_ndcg["after"] < report.past_ndcg["before"] - 0.1
    assert report.dev_ndcg["after"] > report.dev_ndcg["before"]
    assert lift.lifted is before
    assert lift.report is report


def test_old_queries_of_another_kind_keep_what_served_them(stream, apart):
    lift = stream.lift()
    before = lift.lifted.model.served.state_dict()
    assert lift.fit_more(config=CONFIG.model_copy(update={"more": MORE.model_copy(update={"max_loss": 1.0})})).published
    model = lift.lifted.model
    assert all(torch.equal(model.earlier[0].state_dict()[name], weight) for name, weight in before.items())
    assert any(not torch.equal(model.served.state_dict()[name], weight) for name, weight in before.items())
    assert model.turn_of_queries(lift.lifted.memory.queries).unique().tolist() == [0, 1]


@pytest.mark.parametrize("ewc", [0.0, 0.1])
def test_what_is_kept_stays_as_it_is_through_further_fits_and_the_store(stream, apart, tmp_path, ewc):
    more = MORE.model_copy(update={"max_loss": 1.0, "ewc": ewc})
    config = CONFIG.model_copy(update={"more": more, "confidence": 0.6})  # whether it gains is not asked here
    lift = stream.lift()
    first = lift.lifted.model.served.state_dict()
    assert lift.fit_more(config=config).published
    second = lift.lifted.model.served.state_dict()
    lift.feedback(stream.new[120:], [[f"d{row}"] for row in stream.answers[280:]])
    assert lift.fit_more(config=config).published
    lift.save(tmp_path / "store")
    loaded = gl.load(tmp_path / "store")
    for model in (lift.lifted.model, loaded.lifted.model):
        for kept, was in zip(model.earlier, (first, second), strict=True):
            assert all(torch.equal(kept.state_dict()[name], weight) for name, weight in was.items())
    queries = np.concatenate([stream.old, stream.new])
    np.testing.assert_array_equal(loaded.search(queries).ids, lift.search(queries).ids)
    loaded.rollback()
    assert len(loaded.lifted.model.rankers) == 2


def test_a_step_that_is_too_long_is_shortened(stream):
    """As far as old queries allow; new ones gain less, and more than nothing."""
    told, legacy = stream.lift().lifted, stream.fitted._now.legacy

    def gain_and_loss(max_loss):
        config = NAIVE.model_copy(update={"more": NAIVE.more.model_copy(update={"max_loss": max_loss})})
        result = fit_more(told, config, legacy=legacy)
        new, old = result.report.dev_ndcg, result.report.past_ndcg
        return result, new["after"] - new["before"], old["before"] - old["after"]

    whole, whole_gain, whole_loss = gain_and_loss(1.0)
    part, part_gain, part_loss = gain_and_loss(whole_loss / 2)
    assert part.report.published
    assert 0 < part_gain <= whole_gain
    assert part_loss <= whole_loss / 2
    for one, other in zip(part.legacy.folds, whole.legacy.folds, strict=True):  # they go on from there, too
        assert (one["query_map.lin.weight"] != other["query_map.lin.weight"]).any()


@pytest.mark.parametrize("config", [CONFIG, EWC], ids=["replay", "EWC"])
def test_what_holds_the_old_holds_it(stream, config):
    told = stream.lift().lifted

    def lost(config):
        """By a whole step: the gate would shorten it."""
        config = config.model_copy(update={"more": config.more.model_copy(update={"max_loss": 1.0})})
        report = fit_more(told, config, legacy=stream.fitted._now.legacy).report
        return report.past_ndcg["before"] - report.past_ndcg["after"]

    assert lost(config) < 0.6 * lost(NAIVE)


def test_learned_feedback_no_longer_counts_outright_and_the_rest_does(stream):
    lift = stream.lift()
    told = lift.lifted.told.relevant
    report = lift.fit_more(config=NAIVE.model_copy(update={"more": NAIVE.more.model_copy(update={"max_loss": 1.0})}))
    assert report.published
    left = lift.lifted.told.relevant
    assert len(left) == report.dev_queries
    assert bool(left.known_to(told).all())
    assert len(lift.lifted.memory) == 120 + 120


def test_rollback_gives_the_former_results_and_keeps_later_feedback(stream):
    lift = stream.lift()
    queries = np.concatenate([stream.old[120:], stream.new[120:]])
    before = lift.search(queries)
    loose = NAIVE.model_copy(update={"more": NAIVE.more.model_copy(update={"max_loss": 1.0})})
    lift.fit_more(config=loose)
    after = lift.search(queries)
    assert (before.ids != after.ids).any()
    lift.feedback(stream.new[130], ["d7"])
    lift.rollback()
    again = lift.search(np.delete(queries, 50, axis=0))
    np.testing.assert_array_equal(lift.search(stream.new[130:131]).ids[0, 0], "d7")
    same = (again.ids == np.delete(before.ids, 50, axis=0)).all(axis=1)
    assert same.mean() > 0.7  # all but those that the later feedback moved
    with pytest.raises(gl.InputError, match="`rollback` needs an earlier version"):
        lift.rollback()


def test_rollback_without_later_feedback_is_exact(stream):
    lift = stream.lift()
    queries = np.concatenate([stream.old, stream.new])
    before = lift.search(queries)
    lift.fit_more(config=NAIVE.model_copy(update={"more": NAIVE.more.model_copy(update={"max_loss": 1.0})}))
    lift.rollback()
    after = lift.search(queries)
    np.testing.assert_array_equal(after.ids, before.ids)
    np.testing.assert_array_equal(after.scores, before.scores)


def test_the_same_seed_learns_the_same(stream):
    told = stream.lift().lifted
    loose = CONFIG.model_copy(update={"more": MORE.model_copy(update={"max_loss": 1.0})})
    one, two = (fit_more(told, loose, legacy=stream.fitted._now.legacy).lifted.model.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_what_is_missing_is_named(stream):
    with pytest.raises(gl.InputError, match="`fit_more` goes on from a published fit"):
        stream.world.lift().fit_more()
    lift = stream.world.lift()
    lift.feedback(stream.new[0], ["d1"])
    with pytest.raises(gl.InputError, match="`fit_more` goes on from a published fit"):
        lift.fit_more()
    with pytest.raises(gl.InputError, match=r"`feedback` must tell answers of at least 20 queries .* got 0"):
        copy_of(stream.fitted._now).fit_more()
    with pytest.raises(gl.InputError, match="`rollback` needs an earlier version"):
        stream.world.lift().rollback()


def test_the_first_fit_can_be_taken_back(stream):
    lift = copy_of(stream.fitted._now)
    lift.rollback()
    assert lift.lifted is None
