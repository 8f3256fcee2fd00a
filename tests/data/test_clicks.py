"""Click logs: what is read, what a click is worth, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphlift import DataFormatError, InputError
from graphlift.data import Impression, qrels_of_clicks, read_clicks

LIST = tuple("abcdefghijkl")


@pytest.mark.parametrize(
    ("eta", "rank", "worth"), [(1, 1, 1), (1, 4, 4), (0.5, 9, 3), (2, 3, 9), (0, 7, 1), (1, 12, 10)]
)
def test_a_click_is_worth_one_over_its_propensity(eta, rank, worth):
    clicked = LIST[rank - 1]
    assert qrels_of_clicks([Impression("q", LIST, (clicked,))], eta=eta) == {"q": {clicked: worth}}


def test_clicks_of_a_pair_add_up_to_the_largest_grade():
    log = [Impression("q", LIST, ("b", "b", "e")), Impression("q", ("e", "b"), ("e",)), Impression("r", LIST, ())]
    assert qrels_of_clicks(log) == {"q": {"b": 2.0, "e": 6.0}}
    assert qrels_of_clicks(log * 1000)["q"]["e"] == 1000


def test_position_bias_cancels():
    """Two documents equally relevant, one always shown first: under the model the grades come out equal."""
    rng = np.random.default_rng(0)
    log = []
    for _ in range(800):
        seen = rng.random(4) < 1 / np.arange(1, 5)
        clicked = [document for document, looked in zip("abcd", seen, strict=True) if looked and document in "ad"]
        log.append(Impression("q", tuple("abcd"), tuple(clicked)))
    grades = qrels_of_clicks(log)["q"]
    assert grades["d"] == pytest.approx(grades["a"], rel=0.15)
    naive = qrels_of_clicks(log, eta=0)["q"]
    assert naive["d"] < 0.35 * naive["a"]


def test_log_is_read(tmp_path):
    lines = [{"query": 7, "shown": ["a", 3], "clicked": [3]}, {"query": "q", "shown": ["b"], "clicked": []}]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert read_clicks(path) == [Impression("7", ("a", "3"), ("3",)), Impression("q", ("b",), ())]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "line 1: expected a JSON object"),
        ('{"shown": ["a"], "clicked": ["a"]}', "line 1: expected an object with the id of a `query`"),
        ('{"query": "q", "shown": "a", "clicked": ["a"]}', "line 1: expected `shown` to be a list"),
        ('{"query": "q", "shown": ["a"]}', "line 1: expected `clicked` to be a list"),
        ('{"query": "q", "shown": ["a"], "clicked": ["b"]}', "`clicked` must be documents that were shown, got 'b'"),
        ('{"query": "q", "shown": ["a", "a"], "clicked": ["a"]}', "`shown` must hold each document once"),
        ('{"query": "q", "shown": ["a"], "clicked": []}', "expected at least one click"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, message):
    path = tmp_path / "log.jsonl"
    path.write_text(line)
    with pytest.raises(DataFormatError, match=message):
        read_clicks(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eta": -1}, "`eta` must be"),
        ({"eta": float("nan")}, "`eta` must be"),
        ({"clip": 0}, "`clip` must be in"),
        ({"clip": 1.5}, "`clip` must be in"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        qrels_of_clicks([Impression("q", LIST, ("a",))], **options)
    with pytest.raises(InputError, match="at least one click"):
        qrels_of_clicks([Impression("q", LIST, ())])
