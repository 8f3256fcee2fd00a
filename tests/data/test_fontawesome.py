"""The icons: counts, the rule of relevance, and a split by term."""

import numpy as np
import pytest

from graphlift.data import fontawesome, load_icons
from graphlift.errors import DataFormatError, InputError


@pytest.fixture(scope="module")
def icons():
    return load_icons()


def test_counts(icons):
    assert (len(icons.corpus), len(icons.queries)) == (1885, 3263)
    assert (len(icons.train), len(icons.test)) == (2448, 815)
    assert [sum(map(len, qrels.values())) for qrels in (icons.train, icons.test)] == [6881, 2354]


def test_no_term_is_on_both_sides_and_none_is_lost(icons):
    assert not icons.train.keys() & icons.test.keys()
    assert icons.train.keys() | icons.test.keys() == set(icons.queries.ids)


def test_no_answer_is_the_query_itself(icons):
    term = dict(zip(icons.queries.ids, icons.queries.texts, strict=True))
    label = dict(zip(icons.corpus.ids, icons.corpus.texts, strict=True))
    qrels = icons.train | icons.test
    assert all(label[icon].lower() != term[query] for query, row in qrels.items() for icon in row)


def test_seed_moves_the_split_and_nothing_else(icons):
    other = load_icons(seed=1)
    assert load_icons() == icons
    assert (other.corpus, other.queries) == (icons.corpus, icons.queries)
    assert other.test.keys() != icons.test.keys()
    assert other.train | other.test == icons.train | icons.test


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_fraction_is_the_share_of_test_terms(fraction):
    other = load_icons(test_fraction=fraction)
    assert len(other.test) == np.floor(fraction * 3263)


@pytest.mark.parametrize("fraction", [-0.1, 0.0, 1e-9, 1.0, 2.0])
def test_a_split_without_one_side_is_an_error(fraction):
    with pytest.raises(InputError, match="`test_fraction` must"):
        load_icons(test_fraction=fraction)


def test_package_without_the_metadata_is_named(monkeypatch):
    monkeypatch.setattr(fontawesome, "METADATA", "absent.json")
    with pytest.raises(DataFormatError, match=r"absent\.json: expected the metadata"):
        load_icons()
