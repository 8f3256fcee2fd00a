"""The interval of a mean difference: where it lies, how wide it is, and what does not move it."""

import numpy as np
import pytest

from graphlift.errors import InputError
from graphlift.evaluation import bootstrap, paired_interval


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.random(400)
    return a, a + rng.normal(0.05, 0.2, size=400)


def test_width_is_that_of_the_normal_interval(pair):
    a, b = pair
    low, high = paired_interval(a, b)
    error = (b - a).std(ddof=1) / len(a) ** 0.5
    assert (low + high) / 2 == pytest.approx((b - a).mean(), abs=0.1 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_a_shift_shifts_and_a_swap_mirrors(pair):
    a, b = pair
    low, high = paired_interval(a, b)
    assert paired_interval(a, b + 3) == pytest.approx((low + 3, high + 3))
    assert paired_interval(b, a) == pytest.approx((-high, -low))


def test_only_the_difference_counts(pair):
    a, b = pair
    assert paired_interval(np.zeros_like(a), b - a) == paired_interval(a, b)


def test_more_confidence_is_wider(pair):
    inner, outer = paired_interval(*pair, confidence=0.5), paired_interval(*pair, confidence=0.99)
    assert outer[0] < inner[0] < inner[1] < outer[1]


def test_same_seed_same_interval_whatever_the_chunk(pair, monkeypatch):
    whole = paired_interval(*pair, resamples=50)
    assert paired_interval(*pair, resamples=50, seed=1) != whole
    monkeypatch.setattr(bootstrap, "CHUNK", 7 * 400)
    assert paired_interval(*pair, resamples=50) == pytest.approx(whole)


def test_no_difference_is_a_point():
    assert paired_interval([0.5, 0.5, 0.1], [0.5, 0.5, 0.1]) == (0.0, 0.0)
    assert paired_interval([0.25], [0.75]) == (0.5, 0.5)


def test_it_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    samples = rng.normal(1.0, 1.0, size=(1000, 80))
    intervals = np.array([paired_interval(np.zeros(80), row, 0.8, resamples=500) for row in samples])
    covered = (intervals[:, 0] < 1) & (intervals[:, 1] > 1)
    assert covered.mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"a": [], "b": []}, "`a` and `b`"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "`a` and `b`"),
        ({"a": [[1.0]], "b": [[1.0]]}, "`a` and `b`"),
        ({"a": [np.nan], "b": [1.0]}, "`a` and `b`"),
        ({"a": [1.0], "b": [2.0], "confidence": 1.0}, "`confidence`"),
        ({"a": [1.0], "b": [2.0], "confidence": 0.0}, "`confidence`"),
        ({"a": [1.0], "b": [2.0], "resamples": 0}, "`resamples`"),
    ],
)
def test_bad_input_is_named(arguments, complaint):
    with pytest.raises(InputError, match=f"{complaint} must"):
        paired_interval(**arguments)
