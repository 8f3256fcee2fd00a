"""Texts come back as they were written, and every malformed line is named."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphlift.data import Texts, read_texts
from graphlift.errors import DataFormatError, InputError

TEXT = st.text(st.characters(codec="utf-8"))
IDS = TEXT.filter(str.strip)


@settings(deadline=None)
@given(records=st.dictionaries(IDS, st.tuples(TEXT, TEXT), min_size=1), ascii_only=st.booleans())
def test_written_records_come_back_in_order(tmp_path_factory, records, ascii_only):
    path = tmp_path_factory.mktemp("beir") / "corpus.jsonl"
    lines = [
        json.dumps({"_id": name, "title": title, "text": text}, ensure_ascii=ascii_only)
        for name, (title, text) in records.items()
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    expected = [f"{title} {text}".strip() for title, text in records.values()]
    assert read_texts(path) == Texts(ids=list(records), texts=expected)


def test_title_may_be_absent_and_id_a_number(tmp_path):
    path = tmp_path / "queries.jsonl"
    path.write_text('{"_id": 7, "text": "a"}\n\n{"_id": "x", "title": null, "text": "", "metadata": {}}\n')
    assert read_texts(path) == Texts(ids=["7", "x"], texts=["a", ""])


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"_id": "b", "text": ', "invalid JSON"),
        ('["b", "text"]', "JSON object"),
        ('{"text": "b"}', "`_id`"),
        ('{"_id": " ", "text": "b"}', "`_id`"),
        ('{"_id": true, "text": "b"}', "`_id`"),
        ('{"_id": "b"}', "`text`"),
        ('{"_id": "b", "text": 3}', "`text`"),
        ('{"_id": "b", "text": "", "title": ["b"]}', "`title`"),
        ('{"_id": "b", "text": "\\ud800"}', "Unicode"),
        ('{"_id": "a", "text": "again"}', "new `_id`, got 'a'"),
    ],
)
def test_malformed_line_is_named(tmp_path, line, complaint):
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"_id": "a", "text": "fine"}}\n\n{line}\n')
    with pytest.raises(DataFormatError, match=rf"bad\.jsonl, line 3: expected.*{complaint}"):
        read_texts(path)


def test_empty_file_is_named(tmp_path):
    (tmp_path / "corpus.jsonl").touch()
    with pytest.raises(DataFormatError, match=r"corpus\.jsonl: expected at least one text"):
        read_texts(tmp_path / "corpus.jsonl")


@pytest.mark.parametrize(("ids", "texts"), [(["a"], []), (["a", "b", "a"], ["x", "y", "z"])])
def test_texts_match_distinct_ids(ids, texts):
    with pytest.raises(InputError, match="must"):
        Texts(ids=ids, texts=texts)
