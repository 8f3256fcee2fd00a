"""A comparison partitions the queries, agrees with `evaluate`, and mirrors when the runs swap."""

import json

import numpy as np
import pytest

from graphlift.evaluation import METRICS, compare, evaluate, paired_interval, run_from_rankings

DOCUMENTS = [f"d{number}" for number in range(60)]
WARM = set(DOCUMENTS[:11])


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    queries = [f"q{number}" for number in range(40)]
    qrels = {query: {str(d): 1.0 for d in rng.choice(DOCUMENTS, 3, replace=False)} for query in queries}
    qrels |= {query: row | {"d0": 0.0} for query, row in qrels.items() if "d0" not in row}

    def run():
        return run_from_rankings(queries, [rng.permutation(DOCUMENTS)[:20] for _ in queries])

    return qrels, run(), run()


def test_warm_and_cold_partition_all(inputs):
    comparison = compare(*inputs, WARM)
    warm, cold = comparison.warm, comparison.cold
    for count in ("queries", "better", "worse", "same"):
        assert getattr(warm, count) + getattr(cold, count) == getattr(comparison.all, count)
    for part in (comparison.all, warm, cold):
        assert part.better + part.worse + part.same == part.queries
    for metric in METRICS:
        parts = warm.queries * warm.lifted[metric] + cold.queries * cold.lifted[metric]
        assert parts / comparison.all.queries == pytest.approx(comparison.all.lifted[metric])


def test_each_slice_is_an_evaluation_of_its_own(inputs):
    qrels, frozen, lifted = inputs
    comparison = compare(*inputs, WARM)
    answers = {query: {d for d, grade in row.items() if grade > 0} for query, row in qrels.items()}
    cold = {query: row for query, row in qrels.items() if not answers[query] & WARM}
    assert comparison.all.frozen == evaluate(qrels, frozen).mean()
    assert comparison.cold.queries == len(cold)
    assert comparison.cold.lifted == pytest.approx(evaluate(cold, lifted).mean())
    ndcg = [evaluate(cold, run).values["nDCG@10"] for run in (frozen, lifted)]
    assert comparison.cold.interval == paired_interval(*ndcg)


def test_swapping_the_runs_mirrors_the_comparison(inputs):
    qrels, frozen, lifted = inputs
    there, back = compare(qrels, frozen, lifted, WARM), compare(qrels, lifted, frozen, WARM)
    assert (there.all.better, there.all.same) == (back.all.worse, back.all.same)
    assert there.all.interval == pytest.approx([-end for end in reversed(back.all.interval)])
    assert [change.query_id for change in there.best(5)] == [change.query_id for change in back.worst(5)]


def test_a_run_against_itself_changes_nothing(inputs):
    qrels, frozen, _ = inputs
    comparison = compare(qrels, frozen, frozen, WARM)
    assert comparison.all.same == comparison.all.queries
    assert comparison.all.interval == (0.0, 0.0)
    assert comparison.best(5) == comparison.worst(5) == []


def test_best_and_worst_are_sorted_and_hold_what_changed(inputs):
    comparison = compare(*inputs, WARM)
    rises = [change.lifted - change.frozen for change in comparison.best(1000)]
    falls = [change.frozen - change.lifted for change in comparison.worst(1000)]
    assert (len(rises), len(falls)) == (comparison.all.better, comparison.all.worse)
    for changes in (rises, falls):
        assert changes == sorted(changes, reverse=True)
        assert min(changes) > 0
    assert comparison.best(3) == comparison.best(1000)[:3]


@pytest.mark.parametrize(("documents", "absent"), [([], "warm"), (DOCUMENTS, "cold")])
def test_a_slice_without_queries_is_none(inputs, documents, absent):
    comparison = compare(*inputs, documents)
    assert getattr(comparison, absent) is None
    assert comparison.to_dict()["lifted"][absent] is None


def test_to_dict_is_plain_and_complete(inputs):
    comparison = compare(*inputs, WARM)
    plain = comparison.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    for system in ("frozen", "lifted"):
        assert list(plain[system]) == ["all", "warm", "cold"]
        for name, scores in plain[system].items():
            part = getattr(comparison, name)
            assert scores == {**getattr(part, system), "queries": part.queries}
            assert [type(value) for value in scores.values()] == [float, float, float, int]
