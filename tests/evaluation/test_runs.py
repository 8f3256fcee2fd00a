"""A run made from rankings ranks as they do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphlift.errors import InputError
from graphlift.evaluation import run_from_rankings

RANKINGS = st.dictionaries(st.text(), st.lists(st.text(), unique=True, max_size=7), max_size=5)


@settings(deadline=None)
@given(rankings=RANKINGS)
def test_scores_fall_strictly_along_the_ranking(rankings):
    run = run_from_rankings(list(rankings), list(rankings.values()))
    assert list(run) == list(rankings)
    for query, documents in rankings.items():
        assert list(run[query]) == documents
        assert list(run[query].values()) == sorted(set(run[query].values()), reverse=True)


@pytest.mark.parametrize("dtype", [str, object])
def test_arrays_and_lists_give_the_same(dtype):
    rows = [["a", "b", "c"], ["c", "d", "a"]]
    run = run_from_rankings(["q1", "q2"], np.array(rows, dtype=dtype))
    assert run == run_from_rankings(np.array(["q1", "q2"]), rows)
    assert {type(name) for query, row in run.items() for name in (query, *row)} == {str}


@pytest.mark.parametrize(
    ("query_ids", "doc_ids", "complaint"),
    [
        (["q1"], [["a"], ["b"]], "`doc_ids` must .* 2 rows and 1 queries"),
        (["q1", "q1"], [["a"], ["b"]], "`query_ids` must .* 'q1' twice"),
        (["q1"], [["a", "b", "a"]], "`doc_ids` must .* 'q1'"),
    ],
)
def test_what_is_no_ranking_is_an_error(query_ids, doc_ids, complaint):
    with pytest.raises(InputError, match=complaint):
        run_from_rankings(query_ids, doc_ids)
