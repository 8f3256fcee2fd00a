"""A batch of old queries stays with the ranker that is better for it, and no further one is kept."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graphlift.training.turns import MAX_EARLIER, choose_rankers

BATCH = np.arange(12).repeat(3)


@given(
    scores=arrays(np.float64, (6, len(BATCH)), elements=st.floats(0, 1)),
    candidates=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3), min_size=12, max_size=12),
)
def test_no_batch_does_worse_than_by_any_of_its_candidates_and_the_new_one(scores, candidates):
    chosen = choose_rankers(list(scores), BATCH, candidates)
    for number, (ranker, mine) in enumerate(zip(chosen, candidates, strict=True)):
        means = scores[:, number == BATCH].mean(axis=1)
        assert ranker in (*mine, 5)
        assert means[ranker] >= max(means[[*mine, 5]]) - 1e-9


def test_no_more_rankers_are_kept_than_may_be():
    count = MAX_EARLIER + 3
    scores = np.ones((count + 1, count))
    scores[-1] = np.linspace(0.9, 0.1, count)  # the later the batch, the more the new one loses
    chosen = choose_rankers(list(scores), np.arange(count), [[number] for number in range(count)])
    assert chosen == [count] * 3 + list(range(3, count))


def test_a_batch_of_which_nobody_judges_goes_to_the_new_one():
    assert choose_rankers([np.array([1.0]), np.array([0.0])], np.array([0]), [[0], [0]]) == [0, 1]
