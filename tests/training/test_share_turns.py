"""A batch of old queries stays with what served it until the new one is better, and no more are kept than may be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graphlift.training.turns import MAX_EARLIER, choose_turns

BATCH = np.arange(12).repeat(3)
SCORES = arrays(np.float64, len(BATCH), elements=st.floats(0, 1))


@given(own=SCORES, new=SCORES, serving=st.lists(st.integers(0, 4), min_size=12, max_size=12))
def test_a_batch_changes_hands_for_the_better_only(own, new, serving):
    for number, (now, then) in enumerate(zip(choose_turns(own, new, BATCH, serving, 5), serving, strict=True)):
        gain = (new - own)[number == BATCH]
        error = gain.std() / 3**0.5
        assert now == then or (now == 5 and gain.mean() >= error - 1e-9)
        assert now == 5 or gain.mean() <= error + 1e-9


def test_no_more_are_kept_than_may_be():
    count = MAX_EARLIER + 3
    new = np.linspace(0.9, 0.1, count)  # the later the batch, the more the new one loses
    chosen = choose_turns(np.ones(count), new, np.arange(count), range(count), count)
    assert chosen == [count] * 3 + list(range(3, count))


def test_a_batch_of_which_nobody_judges_goes_to_the_new_one():
    assert choose_turns(np.array([1.0]), np.array([0.0]), np.array([0]), [0, 0], 1) == [0, 1]
