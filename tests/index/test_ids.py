"""An id names one row, and what is no id is refused by name."""

import numpy as np
import pytest

from graphlift.errors import InputError, UnknownIdError
from graphlift.index.ids import Ids

GIVEN = {
    "ints": [7, 3, -5],
    "array of ints": np.array([7, 3, -5], dtype=np.int32),
    "NumPy ints": [np.int64(7), np.int32(3), np.int64(-5)],
    "generator": (value for value in (7, 3, -5)),
    "strs": ["b", "a", "c"],
    "array of strs": np.array(["b", "a", "c"]),
    "NumPy strs": [np.str_("b"), "a", np.str_("c")],
}


@pytest.mark.parametrize("given", GIVEN)
def test_rows_are_the_inverse_of_ids(given):
    ids = Ids(GIVEN[given])
    assert len(ids) == 3
    assert ids.rows(ids.array[[2, 0]].tolist()).tolist() == [2, 0]
    assert ids.array.tolist() in ([7, 3, -5], ["b", "a", "c"])
    assert all(type(value) in (int, str, np.str_) for value in ids.array.tolist())
    assert ids.rows([]).dtype == np.int64


def test_counted():
    ids = Ids.counted(5)
    assert ids.array.tolist() == [0, 1, 2, 3, 4]
    assert 4 in ids
    assert 5 not in ids


@pytest.mark.parametrize(
    "given",
    [[1, 2, 1], ["a", "a"], [1, "a"], [1.0], [True, False], [None], [(1,)], [2**70]],
    ids=["twice int", "twice str", "mixed", "float", "bool", "None", "tuple", "too long"],
)
def test_bad_ids(given):
    with pytest.raises(InputError, match="`ids`"):
        Ids(given)


def test_the_repeated_id_is_named():
    with pytest.raises(InputError, match="got 'cup' more than once"):
        Ids(["mug", "cup", "cup"])


@pytest.mark.parametrize("unknown", [9, "7", np.int64(9), None, [7]], ids=repr)
def test_the_unknown_id_is_named(unknown):
    with pytest.raises(UnknownIdError) as caught:
        Ids([7, 3]).rows([np.int64(3), unknown, 7], argument="relevant_ids")
    assert "`relevant_ids`" in str(caught.value)
    assert f"got {unknown!r}" in str(caught.value)
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("kind", [int, str])
def test_changes_equal_a_dictionary(kind, rng, monkeypatch):
    """Over any history ids lead to the rows that a plain dictionary has, whether changes were merged or not."""
    monkeypatch.setattr("graphlift.index.ids.MERGED_AT", 7)
    ids = Ids([kind(number) for number in range(10)])
    expected, count = {kind(number): number for number in range(10)}, 10
    for step in range(60):
        before, kept = ids, dict(expected)
        if step % 3 and len(expected) > 3:
            gone = [list(expected)[i] for i in rng.choice(len(expected), size=2, replace=False)]
            ids = ids.minus(gone)
            for name in gone:
                del expected[name]
        else:
            free = [name for name in map(kind, range(20)) if name not in expected]
            new = [*free[:2], kind(100 + count)]
            ids = ids.plus(new)
            expected |= {name: count + place for place, name in enumerate(new)}
            count += len(new)
        assert ids.rows(list(expected)).tolist() == list(expected.values())
        assert [name in ids for name in map(kind, range(20))] == [name in expected for name in map(kind, range(20))]
        assert before.rows(list(kept)).tolist() == list(kept.values()), "the former ids changed"
    removed = np.ones(count, dtype=bool)
    removed[list(expected.values())] = False
    assert Ids(ids.array, removed).rows(list(expected)).tolist() == list(expected.values())


def test_new_ids_must_be_new_and_of_the_kind():
    ids = Ids(["cup", "mug"])
    for given, words in ((["mug"], "holds"), (["a", "a"], "unique"), ([7], "must be str")):
        with pytest.raises(InputError, match=words):
            ids.plus(given)
