"""Pairs are real, capped and reproducible; negatives come from where they should."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.memory import Memory
from graphlift.sampling import HardNegatives, RandomNegatives, sample_pairs, some

ANSWERS = st.lists(st.sets(st.integers(0, 8), max_size=6), min_size=1, max_size=6)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def memory_of(answers):
    return Memory.of(torch.zeros(len(answers), 3), [dict.fromkeys(rows, 1.0) for rows in answers])


@given(answers=ANSWERS, cap=st.integers(1, 7), seed=st.integers(0, 99))
def test_pairs_are_real_distinct_and_capped(answers, cap, seed):
    pairs = sample_pairs(memory_of(answers), cap, generator(seed))
    drawn = list(map(tuple, pairs.tolist()))
    assert len(set(drawn)) == len(drawn)
    assert all(row in answers[query] for query, row in drawn)
    counts = torch.bincount(pairs[:, 0], minlength=len(answers)).tolist()
    assert counts == [min(cap, len(rows)) for rows in answers]


def test_seeds_reproduce():
    memory = memory_of([set(range(50)), set(range(30))])
    first, again, other = (sample_pairs(memory, 7, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_answer_is_as_likely_as_another():
    memory = memory_of([set(range(5)), {8}])
    draws = generator()
    rows = torch.cat([sample_pairs(memory, 2, draws) for _ in range(500)])
    share = torch.bincount(rows[rows[:, 0] == 0, 1], minlength=5) / 500
    torch.testing.assert_close(share, torch.full((5,), 0.4), atol=0.08, rtol=0)


def test_pairs_are_shuffled_over_queries():
    pairs = sample_pairs(memory_of([set(range(9))] * 20), 9, generator())
    assert pairs[:, 0].diff().ne(0).float().mean() > 0.8


def test_random_negatives_reach_every_document():
    negatives = RandomNegatives(400, num_documents=7).sample(torch.arange(3), generator())
    assert negatives.shape == (400,)
    assert negatives.unique().tolist() == list(range(7))


def test_hard_negatives_come_from_the_query_own_row():
    found = torch.arange(15).view(5, 3)
    hard, queries = HardNegatives(found), torch.tensor([4, 0, 4])
    draws = generator()
    rows = torch.stack([hard.sample(queries, draws) for _ in range(60)])
    assert [set(column.tolist()) for column in rows.T] == [set(found[query].tolist()) for query in queries]


@pytest.mark.parametrize("negatives", [RandomNegatives(5, 100), HardNegatives(torch.arange(300).view(3, 100))])
def test_negatives_of_a_seed_reproduce(negatives):
    queries = torch.arange(3)
    first, again = (negatives.sample(queries, generator(3)) for _ in range(2))
    assert torch.equal(first, again)


def test_some_are_a_sample_by_seed():
    numbers = torch.arange(100, 200)
    chosen = some(numbers, 30, seed=1)
    assert len(chosen) == 30
    assert bool(torch.isin(chosen, numbers).all())
    assert torch.equal(chosen, some(numbers, 30, seed=1))
    assert not torch.equal(chosen, some(numbers, 30, seed=2))
