"""Every change comes back from a journal as it went in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from graphlift.errors import StoreCorruptError
from graphlift.online.changes import Add, Remove, Tell, Update
from graphlift.online.entries import KINDS, change_of, entry_of
from graphlift.store.journal import Entry

VECTORS = np.arange(6, dtype=np.float64).reshape(2, 3) / 7
CHANGES = [
    Add(["ä", "b"], VECTORS, ["one", "two"]),
    Add([1, 2], torch.from_numpy(VECTORS)),
    Remove(["ä"]),
    Update([1, 2], VECTORS.tolist()),
    Tell(VECTORS, [["a"], []], [[], ["b", "c"]]),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_round_trip(change):
    entry = entry_of(change)
    entry = Entry(entry.kind, json.loads(json.dumps(entry.said)), entry.vectors)
    again = change_of(entry)
    assert type(again) is type(change)
    for name, value in vars(change).items():
        if name in ("vectors", "queries"):
            np.testing.assert_array_equal(getattr(again, name), np.asarray(value, dtype=np.float32))
        else:
            assert getattr(again, name) == value


def test_every_kind_is_tried():
    assert {type(change) for change in CHANGES} == set(KINDS.values())


def test_unknown_kind():
    with pytest.raises(StoreCorruptError, match="unknown kind 'rename'"):
        change_of(Entry("rename", {}))
