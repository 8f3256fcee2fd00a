"""Who teaches and who judges: nobody does both, and nobody is lost."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from world import QUICK

import graphlift as gl
from graphlift.feedback import Feedback
from graphlift.lifted import LiftedIndex
from graphlift.training.parts import Parts


def current(old, new):
    """An index that knows old queries and was told of new ones; the first old one lost its documents."""
    index = gl.HnswIndex.build(F.normalize(torch.randn(80, 6), dim=1).numpy())
    queries = F.normalize(torch.randn(old + new, 6), dim=1)
    answers = [{number % 80: 1.0} for number in range(old + new)]
    known = gl.Memory.of(queries[:old], [{}, *answers[1:old]])
    told = Feedback(gl.Memory.of(queries[old:], answers[old:]), gl.Memory.empty(6))
    return LiftedIndex.unlearned(index).remembering(Feedback(known, gl.Memory.empty(6))).remembering(told), told


@pytest.mark.parametrize(("new", "held"), [(20, 10), (60, 30), (90, 45), (600, 90)])
def test_new_queries_teach_or_judge(new, held):
    lifted, told = current(40, new)
    parts = Parts.of(_only(lifted, told), QUICK, ())
    assert len(parts.held) == pytest.approx(held, abs=8)
    assert len(parts.new) + len(parts.held) == new
    teaching = parts.learned.select(parts.new)
    assert bool(teaching.known_to(told.relevant).all())
    assert bool(parts.held.known_to(told.relevant).all())
    assert not bool(parts.held.known_to(parts.learned).any())


def test_old_queries_judge_if_they_have_answers():
    lifted, told = current(40, 30)
    parts = Parts.of(_only(lifted, told), QUICK, ())
    (old,) = parts.old
    assert len(old) == 39
    assert len(parts.guards) == 9
    assert bool(torch.isin(parts.guards, old).all())
    assert not bool(torch.isin(old, parts.new).any())


def test_batches_are_alike_however_large():
    lifted, told = current(100, 30)
    parts = Parts.of(_only(lifted, told), QUICK, (11, 100))
    assert [len(old) for old in parts.old] == [10, 89]  # the first query lost its documents
    assert [int(torch.isin(parts.guards, old).sum()) for old in parts.old] == [10, 12]
    numbers = lifted.memory.numbers(parts.learned.queries[parts.old[0]])
    assert bool((numbers < 11).all())


def test_too_few_are_refused():
    lifted, told = current(40, 19)
    with pytest.raises(gl.InputError, match="at least 20 queries since the last fit, got 19"):
        Parts.of(_only(lifted, told), QUICK, ())


def _only(lifted, told):
    """The same with the old queries in its memory alone, as after a fit."""
    return LiftedIndex(lifted.index, lifted.model, lifted.memory, lifted.walk_index, told=told)
