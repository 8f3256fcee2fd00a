"""A memory is a list of dicts, one a query, laid out as arrays."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphlift.errors import InputError
from graphlift.memory import Memory

ROWS = 9
GRADED = st.dictionaries(st.integers(0, ROWS - 1), st.sampled_from([0.5, 1.0, 3.0]), max_size=5)
MODELS = st.lists(GRADED, max_size=6)


def chosen_from(model):
    """Query numbers in any order, with repetition."""
    return st.lists(st.integers(0, max(len(model) - 1, 0)), max_size=7 if model else 0)


def memory_of(model, offset=0):
    """A memory whose query i is the vector (offset + i, 0, 1)."""
    queries = torch.tensor([[offset + i, 0, 1] for i in range(len(model))]).reshape(-1, 3)
    return Memory.of(queries, model)


def model_of(memory):
    """The dicts that a memory holds, read answer by answer."""
    grades = [memory.grades[a:b].tolist() for a, b in pairwise(memory.offsets.tolist())]
    return [dict(zip(memory.answers(query).tolist(), graded, strict=True)) for query, graded in enumerate(grades)]


@given(model=MODELS)
def test_of_keeps_every_answer(model):
    memory = memory_of(model)
    assert model_of(memory) == model == memory.graded()
    assert all(memory.answers(query).tolist() == sorted(graded) for query, graded in enumerate(model))
    assert memory.counts.tolist() == list(map(len, model))
    assert memory.query_of_answer.tolist() == [query for query, graded in enumerate(model) for _ in graded]
    assert memory.warm_rows.tolist() == sorted({row for graded in model for row in graded})
    assert memory.answer_counts(ROWS).tolist() == [sum(row in graded for graded in model) for row in range(ROWS)]


@given(model=MODELS)
def test_grade_and_holds_of_every_pair(model):
    memory = memory_of(model)
    queries, rows = torch.arange(len(model)).unsqueeze(1), torch.arange(ROWS + 1)
    graded = [[answers.get(row, 0.0) for row in range(ROWS + 1)] for answers in model]
    expected = torch.tensor(graded).reshape(len(model), ROWS + 1)
    assert torch.equal(memory.grade(queries, rows), expected)
    assert torch.equal(memory.holds(queries, rows), expected > 0)


@given(model=MODELS, data=st.data())
def test_select_in_any_order_with_repetition(model, data):
    chosen = data.draw(chosen_from(model))
    memory = memory_of(model)
    for form in (chosen, torch.tensor(chosen, dtype=torch.int32), iter(chosen)):
        selected = memory.select(form)
        assert model_of(selected) == [model[query] for query in chosen]
        assert selected.queries[:, 0].tolist() == chosen


@given(first=MODELS, second=MODELS)
def test_extend_is_concatenation(first, second):
    both = memory_of(first).extend(memory_of(second, offset=len(first)))
    assert model_of(both) == first + second
    assert both.queries[:, 0].tolist() == list(range(len(first) + len(second)))
    assert both.holds(torch.arange(len(both)), torch.tensor(4)).tolist() == [4 in g for g in first + second]


@given(model=MODELS, data=st.data())
def test_entries_name_place_and_owner(model, data):
    chosen = data.draw(chosen_from(model))
    memory = memory_of(model)
    places, owner = memory.entries(torch.tensor(chosen, dtype=torch.int64))
    assert list(zip(owner.tolist(), memory.rows[places].tolist(), strict=True)) == [
        (place, row) for place, query in enumerate(chosen) for row in sorted(model[query])
    ]


def test_empty_memory():
    memory = Memory.empty(channels=3)
    assert (len(memory), memory.queries.shape, model_of(memory)) == (0, (0, 3), [])
    assert repr(memory.extend(memory_of([{2: 1.0}]))) == "Memory(queries=1, answers=1)"


def test_rows_as_far_as_an_index_goes_stay_apart():
    last = (1 << 31) - 1
    memory = memory_of([{last: 1.0}, {0: 1.0}])
    assert memory.holds(torch.tensor([0, 0, 1, 1]), torch.tensor([0, last, 0, last])).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("answers", [[{0: 1.0}], [{0: 1.0}, {}, {}], [{0: 1.0}, {1: 0.0}], [{}, {1: -1.0}]])
def test_bad_answers(answers):
    with pytest.raises(InputError, match="`answers`"):
        Memory.of(torch.eye(2), answers)


def test_a_grade_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="`answers`"):
        Memory.of(torch.eye(1), [{0: float("nan")}])


@given(model=MODELS, copies=st.integers(1, 4))
def test_merging_keeps_every_answer_at_its_best_grade(model, copies):
    """Copies of a query become one, with the union of their answers."""
    answers = [dict(graded) | {1000 + copy: 2.0, 7: copy + 4.0} for copy in range(copies) for graded in model]
    memory = Memory.of(memory_of(model).queries.repeat(copies, 1), answers)
    extra = {1000 + copy: 2.0 for copy in range(copies)}
    assert memory.merged().graded() == [dict(sorted((graded | extra | {7: copies + 3.0}).items())) for graded in model]
    assert memory.merged().known_to(memory).all()
