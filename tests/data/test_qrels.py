"""Judgments survive a round trip, in either form, and every malformed line is named."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphlift.data import read_qrels, write_qrels
from graphlift.errors import DataFormatError, InputError

IDS = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"), min_size=1).filter(str.strip)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
GRADES = st.floats(allow_nan=False, allow_infinity=False)


def qrels_of(ids):
    row = st.dictionaries(ids, GRADES, min_size=1, max_size=5)
    return st.dictionaries(ids, row, min_size=1, max_size=5)


@settings(deadline=None)
@given(qrels=qrels_of(IDS))
def test_write_then_read_gives_the_same(tmp_path_factory, qrels):
    path = tmp_path_factory.mktemp("qrels") / "test.tsv"
    write_qrels(path, qrels)
    assert read_qrels(path) == qrels


@pytest.mark.parametrize("separator", [" ", "\t", "   "])
@settings(deadline=None)
@given(qrels=qrels_of(WORDS))
def test_trec_form_reads_the_same(tmp_path_factory, separator, qrels):
    path = tmp_path_factory.mktemp("qrels") / "trec.txt"
    lines = [separator.join((q, "0", d, repr(grade))) for q, row in qrels.items() for d, grade in row.items()]
    path.write_text("\n".join(lines))
    assert read_qrels(path) == qrels


@pytest.mark.parametrize("header", ["", "query-id\tcorpus-id\tscore\n", "query_id\tdoc_id\tscore\n", "q\td\tr\n"])
def test_header_is_optional_and_of_any_names(tmp_path, header):
    path = tmp_path / "test.tsv"
    path.write_text(f"{header}q1\td 1\t2\nq1\td2\t-1\n\nq2\td2\t0\nq1\td 1\t2\n")
    assert read_qrels(path) == {"q1": {"d 1": 2.0, "d2": -1.0}, "q2": {"d2": 0.0}}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "at least one judgment"),
        ("\n \n", "at least one judgment"),
        ("query-id\tcorpus-id\tscore\n", "at least one judgment"),
        ("q1\td1\n", "line 1: expected"),
        ("q1 d1 1\n", "line 1: expected"),
        ("q1\td1\t1\nq1\td2\n", "line 2: expected"),
        ("q1\td1\t1\nq1 0 d2 1\n", "line 2: expected"),
        ("q1 0 d1 1\nq1\td2\t1\n", "line 2: expected"),
        ("q1\td1\t1\n\nq1\td2\t1\t1\n", "line 3: expected"),
        ("q1\td1\t1\n\td2\t1\n", "line 2: expected"),
        ("q1\td1\t1\nq1\td2\tgood\n", "line 2: expected a finite grade, got 'good'"),
        ("q1\td1\t1\nq1\td2\tnan\n", "line 2: expected a finite grade"),
        ("q1\td1\t1\nq1\td1\t2\n", "line 2: expected one grade .* got 2 after 1"),
    ],
)
def test_malformed_file_is_named_with_its_line(tmp_path, content, complaint):
    path = tmp_path / "bad.tsv"
    path.write_text(content)
    with pytest.raises(DataFormatError, match=rf"bad\.tsv.*{complaint}"):
        read_qrels(path)


@pytest.mark.parametrize(
    "qrels",
    [{}, {"q": {}}, {"": {"d": 1}}, {"q": {"\td": 1}}, {"q\n": {"d": 1}}, {"q": {"d": math.nan}}],
)
def test_what_would_not_come_back_is_not_written(tmp_path, qrels):
    with pytest.raises(InputError, match="`qrels` must"):
        write_qrels(tmp_path / "test.tsv", qrels)
    assert not (tmp_path / "test.tsv").exists()
