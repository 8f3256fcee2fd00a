"""Sketches of documents are made once, and those of new documents join them."""

import torch
from torch.testing import assert_close

from graphlift.search import sketches as module
from graphlift.search.axes import principal_axes
from graphlift.search.sketches import Sketches


def make(count=50, channels=6):
    documents = torch.randn(count, channels), torch.randn(count, channels)
    return Sketches(principal_axes(documents[0], 2), documents)


def test_frozen_and_lifted_lie_side_by_side(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)
    sketches = make()
    frozen, lifted = sketches.documents
    assert_close(sketches.all, torch.cat([frozen @ sketches.axes, lifted @ sketches.axes], dim=1))


def test_products_of_what_lies_along_the_axes_are_kept():
    sketches = make()
    within = torch.randn(9, 2) @ sketches.axes.T
    assert_close(sketches.along(within) @ sketches.along(within).T, within @ within.T)


def test_only_new_documents_are_sketched():
    whole = make()
    first = Sketches(whole.axes, tuple(x[:30] for x in whole.documents))
    first.all[7] = 5.0
    longer = first.extended(whole.documents)
    assert (longer.all[7] == 5.0).all()
    assert_close(longer.all[30:], whole.all[30:])
    assert len(first.all) == 30


def test_nothing_is_sketched_before_it_is_asked_for():
    whole = make()
    longer = Sketches(whole.axes, tuple(x[:30] for x in whole.documents)).extended(whole.documents)
    assert "all" not in vars(longer)
    assert_close(longer.all, whole.all)
