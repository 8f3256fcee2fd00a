"""Metrics equal a naive reference, and the ranking that counts is the one that was given."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphlift.errors import InputError
from graphlift.evaluation import METRICS, evaluate, run_from_rankings

DOCUMENTS = [f"d{number}" for number in range(17)]
QUERIES = [f"q{number}" for number in range(4)]
GRADES = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(-1, 3))
RANKING = st.permutations(DOCUMENTS).flatmap(lambda order: st.integers(0, 17).map(lambda k: order[:k]))
QRELS = st.dictionaries(st.sampled_from(QUERIES), GRADES).filter(
    lambda qrels: any(grade > 0 for row in qrels.values() for grade in row.values())
)
RANKINGS = st.dictionaries(st.sampled_from(QUERIES), RANKING)


def naive(metric, k, judged, ranking):
    gains = [max(judged.get(document, 0), 0) for document in ranking[:k]]
    ideal = sorted((grade for grade in judged.values() if grade > 0), reverse=True)
    if metric == "nDCG":
        dcg, best = (sum(g / math.log2(i + 2) for i, g in enumerate(row)) for row in (gains, ideal[:k]))
        return dcg / best
    if metric == "R":
        return sum(gain > 0 for gain in gains) / len(ideal)
    return next((1 / (i + 1) for i, gain in enumerate(gains) if gain > 0), 0.0)


def run_of(rankings):
    return run_from_rankings(list(rankings), list(rankings.values()))


@settings(deadline=None)
@given(qrels=QRELS, rankings=RANKINGS)
def test_equal_to_the_naive_reference(qrels, rankings):
    metrics = [f"{name}@{k}" for name in ("nDCG", "R", "RR") for k in (1, 3, 10, 100)]
    result = evaluate(qrels, run_of(rankings), metrics)
    assert result.query_ids == [q for q, row in qrels.items() if any(grade > 0 for grade in row.values())]
    assert list(result.values) == metrics
    for metric, values in result.values.items():
        name, k = metric.split("@")
        expected = [naive(name, int(k), qrels[q], rankings.get(q, [])) for q in result.query_ids]
        np.testing.assert_allclose(values, expected, atol=1e-9)
        assert result.mean()[metric] == pytest.approx(np.mean(expected))


@settings(deadline=None)
@given(qrels=QRELS, rankings=RANKINGS, gap=st.sampled_from([0.0, 1e-12, 1e9]))
def test_scores_count_by_their_order_alone(qrels, rankings, gap):
    """Equal scores keep the order given; scores that float32 cannot tell apart are still apart."""
    close = {q: {d: 1 - rank * gap for rank, d in enumerate(row)} for q, row in rankings.items()}
    for metric, values in evaluate(qrels, run_of(rankings)).values.items():
        np.testing.assert_array_equal(evaluate(qrels, close).values[metric], values)


@settings(deadline=None)
@given(qrels=QRELS, rankings=RANKINGS)
def test_the_factor_of_grades_does_not_matter(qrels, rankings):
    tenfold = {q: {d: 10 * grade for d, grade in row.items()} for q, row in qrels.items()}
    for metric, values in evaluate(qrels, run_of(rankings)).values.items():
        np.testing.assert_allclose(evaluate(tenfold, run_of(rankings)).values[metric], values)


def test_queries_without_judgments_do_not_count():
    result = evaluate({"q1": {"d1": 1.0}, "q2": {"d1": 0}, "q3": {}}, {"q9": {"d1": 1.0}, "q2": {"d1": 1.0}})
    assert result.query_ids == ["q1"]
    assert result.mean() == dict.fromkeys(METRICS, 0.0)


@pytest.mark.parametrize(
    ("qrels", "complaint"),
    [
        ({}, "relevant document"),
        ({"q": {"d": 0.0}}, "relevant document"),
        ({"q": {"d": 0.5}}, "whole grades .* got 0.5"),
        ({"q": {"d": 1e10}}, "whole grades"),
        ({"q": {"d": math.nan}}, "whole grades"),
        ({"q": {"d": -math.inf}}, "whole grades"),
    ],
)
def test_unfit_judgments_are_named(qrels, complaint):
    with pytest.raises(InputError, match=f"`qrels` must have .*{complaint}"):
        evaluate(qrels, {})


@pytest.mark.parametrize("metric", ["nDCG", "nDCG@0", "nDCG@x", "MAP", "", "R@10 "])
def test_unknown_metric_is_named(metric):
    with pytest.raises(InputError, match=f"`metrics` must be .* got '{metric}'"):
        evaluate({"q": {"d": 1}}, {}, [metric])


def test_no_metric_is_an_error():
    with pytest.raises(InputError, match="`metrics` must"):
        evaluate({"q": {"d": 1}}, {}, [])


def test_score_without_an_order_is_an_error():
    with pytest.raises(InputError, match=r"`run` must .* 'q'"):
        evaluate({"q": {"d": 1}}, {"q": {"d": math.nan, "e": 1.0}})
