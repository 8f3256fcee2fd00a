"""Holding out: nothing lost, nothing twice, cold queries really cold."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.memory import Memory
from graphlift.training.hold_out import COLD_SHARE, hold_out


def make(answers):
    queries = torch.arange(len(answers), dtype=torch.float32).unsqueeze(1)
    return Memory.of(queries, [dict.fromkeys(rows, 1.0) for rows in answers])


memories = st.lists(st.sets(st.integers(0, 30), min_size=1, max_size=4), min_size=20, max_size=120).map(make)


@given(memories, st.floats(0.05, 0.6), st.integers(0, 5))
def test_every_query_is_on_one_side(memory, fraction, seed):
    train, held = hold_out(memory, fraction, seed)
    assert sorted([*train.queries[:, 0].tolist(), *held.queries[:, 0].tolist()]) == memory.queries[:, 0].tolist()
    for part in (train, held):
        for number, query in enumerate(part.queries[:, 0].long().tolist()):
            assert part.answers(number).tolist() == memory.answers(query).tolist()
    again = hold_out(memory, fraction, seed)
    assert torch.equal(again[1].queries, held.queries)


@given(memories, st.integers(0, 5))
def test_only_eligible_queries_are_held_out(memory, seed):
    eligible = torch.arange(len(memory)) % 2 == 0
    _, held = hold_out(memory, 0.3, seed, eligible)
    assert (held.queries[:, 0].long() % 2 == 0).all()


def test_some_held_out_queries_are_cold():
    """Every document answers four queries, so that a random split would leave hardly a cold one."""
    memory = make([{query // 4} for query in range(400)])
    train, held = hold_out(memory, 0.15, seed=0)
    assert len(held) == 60
    cold = sum(not torch.isin(held.answers(query), train.warm_rows).any() for query in range(len(held)))
    assert cold >= COLD_SHARE * len(held)


def test_dense_judgments_are_not_torn_apart():
    """Where whole groups are too large to go along, the split is random."""
    memory = make([set(range(5)) for _ in range(200)])
    train, held = hold_out(memory, 0.15, seed=0)
    assert (len(train), len(held)) == (170, 30)
