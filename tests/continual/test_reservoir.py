"""Every item that went by is equally likely to be kept, however the stream was cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift import InputError
from graphlift.continual import Reservoir


def filled(lengths, capacity, seed=0):
    reservoir = Reservoir(capacity, torch.Generator().manual_seed(seed))
    for part in torch.arange(sum(lengths)).split(lengths):
        reservoir.add(part)
    return reservoir


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6), capacity=st.integers(1, 12), seed=st.integers(0, 999)
)
def test_it_keeps_distinct_items_of_the_stream_up_to_its_capacity(lengths, capacity, seed):
    reservoir = filled(lengths, capacity, seed)
    kept = reservoir.items.tolist()
    assert len(kept) == len(set(kept)) == min(capacity, sum(lengths)) == len(reservoir)
    assert set(kept) <= set(range(sum(lengths)))
    assert reservoir.seen == sum(lengths)


@pytest.mark.parametrize("lengths", [[30], [3, 20, 7], [5, 1, 1, 1, 1, 1, 20]])
def test_every_item_is_equally_likely(lengths):
    runs, capacity, total = 1000, 6, sum(lengths)
    counts = torch.zeros(total)
    for seed in range(runs):
        counts[filled(lengths, capacity, seed).items] += 1
    expected = runs * capacity / total
    chi_square = float(((counts - expected) ** 2 / (expected * (1 - capacity / total))).sum()) * (total - 1) / total
    assert chi_square < 60  # of 29 degrees of freedom; exceeded once in 1,500 times


def test_draws_come_from_what_is_kept():
    reservoir = Reservoir(4, torch.Generator().manual_seed(0))
    reservoir.add(torch.arange(20).view(10, 2))
    drawn = reservoir.draw(200, torch.Generator().manual_seed(1))
    assert {tuple(row) for row in drawn.tolist()} == {tuple(row) for row in reservoir.items.tolist()}


def test_bad_input_is_named():
    with pytest.raises(InputError, match="`capacity` must be at least 1, got 0"):
        Reservoir(0, torch.Generator())
    with pytest.raises(InputError, match="`reservoir` must have seen an item"):
        Reservoir(3, torch.Generator()).draw(1, torch.Generator())
