"""A batch of old queries keeps its ranker until the new one is better for it, and no more are kept than may be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graphlift.training.turns import MAX_EARLIER, choose_rankers

BATCH = np.arange(12).repeat(3)


@given(
    scores=arrays(np.float64, (6, len(BATCH)), elements=st.floats(0, 1)),
    serving=st.lists(st.integers(0, 4), min_size=12, max_size=12),
)
def test_a_batch_changes_its_ranker_for_a_better_one_only(scores, serving):
    chosen = choose_rankers(list(scores), BATCH, serving)
    for number, (now, then) in enumerate(zip(chosen, serving, strict=True)):
        gain = (scores[5] - scores[then])[number == BATCH]
        sure = gain.mean() >= gain.std() / 3**0.5 - 1e-9
        assert now == then or (now == 5 and sure)
        assert now == 5 or not gain.mean() > gain.std() / 3**0.5


def test_no_more_rankers_are_kept_than_may_be():
    count = MAX_EARLIER + 3
    scores = np.ones((count + 1, count))
    scores[-1] = np.linspace(0.9, 0.1, count)  # the later the batch, the more the new one loses
    chosen = choose_rankers(list(scores), np.arange(count), range(count))
    assert chosen == [count] * 3 + list(range(3, count))


def test_a_batch_of_which_nobody_judges_goes_to_the_new_one():
    assert choose_rankers([np.array([1.0]), np.array([0.0])], np.array([0]), [0, 0]) == [0, 1]
