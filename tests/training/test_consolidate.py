"""EWC of a whole model: it knows lift and ranker, weighs both alike, and goes on from time to time."""

from __future__ import annotations

import pytest
import torch
from world import QUICK, make_world

from graphlift.training.consolidate import anchored
from graphlift.training.stages import Stages


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr("graphlift.training.consolidate.FISHER_SAMPLES", 40)


@pytest.fixture(scope="module")
def lifted():
    world = make_world()
    lift = world.lift()
    lift.fit(world.queries, world.train, query_ids=world.query_ids, config=QUICK)
    return lift.lifted


def penalty(lifted, earlier=None, numbers=None, **more):
    config = QUICK.model_copy(update={"more": QUICK.more.model_copy(update={"ewc": 2.0, **more})})
    stages = Stages(lifted.index, config, "cpu", None, None)
    return anchored(stages, lifted.model, lifted.memory, torch.arange(60) if numbers is None else numbers, earlier)


def test_lift_and_ranker_weigh_alike(lifted):
    ewc = penalty(lifted)
    assert ewc.fisher.keys() == dict(lifted.model.named_parameters()).keys()
    for part in ("query_map", "document_map", "ranker"):
        assert any(bool(values.any()) for name, values in ewc.fisher.items() if name.startswith(part))
    lift, ranker = (
        torch.cat([v.flatten() for name, v in ewc.fisher.items() if name.startswith("ranker.") == ranked])
        for ranked in (False, True)
    )
    assert lift.mean().item() == pytest.approx(1, rel=1e-4)
    assert ranker[ranker > 0].sum().item() == pytest.approx(ranker.numel(), rel=0.2)
    assert ewc(lifted.model).item() == 0
    assert ewc.part("ranker")(lifted.model.ranker).item() == 0


def test_another_time_adds_to_what_is_held(lifted):
    first, new = penalty(lifted), torch.arange(60, 120)
    alone, both = penalty(lifted, numbers=new), penalty(lifted, first, new)
    faded = penalty(lifted, first, new, ewc_decay=0.5)
    for name, values in first.fisher.items():
        torch.testing.assert_close(both.fisher[name], values + alone.fisher[name])
        torch.testing.assert_close(faded.fisher[name], 0.5 * values + alone.fisher[name])
