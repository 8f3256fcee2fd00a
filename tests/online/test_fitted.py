"""Versions before and after a fit: taken back exactly, also by another process, and with documents that came since."""

from __future__ import annotations

import numpy as np
import pytest
from world import QUICK, make_world

import graphlift as gl
from graphlift.training.config import MoreConfig

LOOSE = MoreConfig(lift=QUICK.lift, ranker=QUICK.ranker, max_loss=1.0)
CONFIGS = {
    "replay": QUICK.model_copy(update={"more": LOOSE, "confidence": 0.55}),  # few queries judge, and it must publish
    "EWC": QUICK.model_copy(update={"more": LOOSE.model_copy(update={"ewc": 0.1}), "confidence": 0.55}),
}


@pytest.fixture(scope="module", autouse=True)
def _few_samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphlift.training.consolidate.FISHER_SAMPLES", 12)
        yield


@pytest.fixture(scope="module")
def world():
    return make_world(num_queries=240)


@pytest.fixture(scope="module", params=list(CONFIGS))
def stored(request, world, tmp_path_factory):
    """A store after a fit, feedback and a published `fit_more`, and what was found before the latter."""
    path, config = tmp_path_factory.mktemp("stores") / "store", CONFIGS[request.param]
    asked = list(world.train)
    lift = world.lift()
    lift.fit(
        world.queries, {query: world.train[query] for query in asked[:60]}, query_ids=world.query_ids, config=QUICK
    )
    lift.save(path)
    with gl.open(path) as lift:
        numbers = [world.query_ids.index(query) for query in asked[60:]]
        lift.feedback(world.queries[numbers], [list(world.train[query]) for query in asked[60:]])
        before = lift.search(world.queries)
        assert lift.fit_more(config=config).published
        after = lift.search(world.queries)
    assert (before.ids != after.ids).any()
    return path, before, after, config


def test_another_process_serves_the_new_version_and_can_take_it_back(stored, world):
    path, before, after, _ = stored
    lift = gl.load(path)
    np.testing.assert_array_equal(lift.search(world.queries).ids, after.ids)
    lift.rollback()
    again = lift.search(world.queries)
    np.testing.assert_array_equal(again.ids, before.ids)
    np.testing.assert_allclose(again.scores, before.scores, rtol=1e-6)  # past queries were lifted in other batches


def test_what_a_fit_leaves_is_stored(stored):
    path, _, _, config = stored
    now = gl.load(path)._now
    assert len(now.legacy.folds) == config.folds == len(now.former.legacy.folds)
    assert (now.legacy.ewc is not None) == (config.more.ewc > 0)
    assert now.former.legacy.ewc is None
    model = now.lifted.model
    for lift in now.legacy.models(model):
        assert lift.ranker.state_dict().keys() == model.ranker.state_dict().keys()
        assert (lift.query_map.lin.weight != model.query_map.lin.weight).any()


def test_taking_back_goes_with_documents_that_came_and_went(stored, world):
    lift = gl.load(stored[0])
    lift.remove(["d3", "d4"])
    lift.add(world.documents[:2] + 0.01, ids=["new 0", "new 1"], texts=["", ""])
    lift.compact()
    lift.rollback()
    found = lift.search(world.documents[:2], k=20).ids
    assert not np.isin(["d3", "d4"], found).any()
    assert "new 0" in found[0]


def test_taking_back_is_durable(stored, world):
    path, before, _, config = stored
    with gl.open(path) as lift:
        lift.rollback()
    again = gl.load(path)
    np.testing.assert_array_equal(again.search(world.queries).ids, before.ids)
    with pytest.raises(gl.InputError, match="`rollback` needs an earlier version"):
        again.rollback()
    assert again.fit_more(config=config).train_queries > 0  # the feedback is there to be learned from again
