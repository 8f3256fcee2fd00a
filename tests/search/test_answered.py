"""The record equals a loop over the memory, and one that is kept in step equals one made anew."""

import torch

from graphlift.memory import Memory
from graphlift.search.answered import LATEST, Answered

DOCUMENTS = 13


def random_memory(queries):
    answers = [{int(row): 1.0 for row in torch.randperm(DOCUMENTS)[: query % 4]} for query in range(queries)]
    return Memory.of(torch.randn(queries, 3), answers)


def lines(answered):
    return answered.counts[answered.place], answered.sums[answered.place], answered.latest[answered.place]


def test_equals_a_loop():
    memory = random_memory(11)
    lifted = torch.randn(11, 5)
    counts, sums, latest = lines(Answered.of(memory, lifted, DOCUMENTS))
    for row in range(DOCUMENTS):
        owners = [query for query in range(11) if row in memory.answers(query).tolist()]
        assert counts[row] == len(owners)
        torch.testing.assert_close(sums[row], sum((lifted[q] for q in owners), torch.zeros(5)))
        assert latest[row, : len(owners) + 1].tolist() == [*owners[::-1], -1]


def test_the_latest_are_kept():
    memory = Memory.of(torch.randn(LATEST + 5, 3), [{0: 1.0}] * (LATEST + 5))
    answered = Answered.of(memory, memory.queries, 1)
    assert answered.latest[answered.place[0]].tolist() == list(range(LATEST + 4, 4, -1))


def test_in_step_equals_anew():
    memory = random_memory(9)
    answered = Answered.of(memory, memory.queries, DOCUMENTS).extended(2)
    for _ in range(6):
        told = random_memory(5)
        again = Memory.of(memory.queries[:3], [{0: 1.0, 12: 1.0}, {14: 1.0}, {3: 1.0}])
        after = memory.without(again).updated(told) if len(memory) % 2 else memory.updated(again.extend(told))
        before = [x.clone() for x in lines(answered)]
        rows = torch.cat([told.rows, again.rows]).unique()
        kept, answered = answered, answered.updated(after, after.queries, rows)
        for mine, anew in zip(lines(answered), lines(Answered.of(after, after.queries, DOCUMENTS + 2)), strict=True):
            torch.testing.assert_close(mine, anew)
        assert all(torch.equal(a, b) for a, b in zip(lines(kept), before, strict=True)), "the old record changed"
        memory = after
