"""Sketches of documents are made once, and those of new documents join them."""

import torch
from torch.testing import assert_close

from graphlift.search.axes import principal_axes
from graphlift.search.sketches import Sketches


def make(count=50, channels=6):
    documents = torch.randn(count, channels), torch.randn(count, channels)
    return Sketches(principal_axes(documents[0], 2), documents)


def first_of(whole, count):
    return Sketches(whole.axes, tuple(x[:count] for x in whole.documents))


def test_products_of_what_lies_along_the_axes_are_kept():
    sketches = make()
    within = torch.randn(9, 2) @ sketches.axes.T
    assert_close(sketches.along(within) @ sketches.along(within).T, within @ within.T)


def test_only_new_documents_are_sketched():
    whole = make()
    first = first_of(whole, 30)
    for sketched in first.all:
        sketched[7] = 5.0
    for longer, sketched, expected in zip(first.extended(whole.documents).all, first.all, whole.all, strict=True):
        assert (longer[7] == 5.0).all()
        assert_close(longer[30:], expected[30:])
        assert len(sketched) == 30


def test_nothing_is_sketched_before_it_is_asked_for():
    whole = make()
    longer = first_of(whole, 30).extended(whole.documents)
    assert "all" not in vars(longer)
    assert_close(longer.all, whole.all)


def test_sketches_of_all_channels_are_the_vectors_themselves():
    documents = torch.randn(50, 6), torch.randn(50, 6)
    whole = Sketches(torch.eye(6), documents)
    longer = first_of(whole, 30)
    assert longer.all[0].data_ptr() == documents[0].data_ptr()
    for sketched, x in zip(longer.extended(documents).all, documents, strict=True):
        assert sketched is x
