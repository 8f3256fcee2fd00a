"""The journal: durable, whole, checked; damage is an error and never a loss that nobody sees."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from graphlift.errors import StoreCorruptError, StoreError
from graphlift.store.journal import JOURNAL, TIP, Entry, Journal

ENTRIES = [
    Entry("add", {"ids": ["ä", "b"], "texts": None}, np.arange(6, dtype=np.float32).reshape(2, 3)),
    Entry("remove", {"ids": ["b"]}),
    Entry("tell", {"relevant": [["b"], []]}, np.ones((2, 3), dtype=np.float32)),
]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, 0, writable=True)
    for entry in ENTRIES:
        journal.append(entry)
    yield journal
    journal.close()


def entries(journal, number=0):
    return [entry for _, entry in journal.after(number)]


def test_what_goes_in_comes_out(journal):
    for given, found in zip(ENTRIES, entries(journal), strict=True):
        assert (found.kind, found.said) == (given.kind, given.said)
        np.testing.assert_array_equal(found.vectors, given.vectors)
    assert [number for number, _ in journal.after(1)] == [2, 3]
    assert journal.last == 3


def test_a_reader_beside_the_writer_sees_what_was_acknowledged(journal, tmp_path):
    reader = Journal(tmp_path, 0, writable=False)
    journal.append(ENTRIES[1])
    assert len(entries(reader)) == 4
    with pytest.raises(StoreError, match="readonly"):
        reader.append(ENTRIES[1])
    reader.close()


def test_numbers_go_on_after_forgetting(journal, tmp_path):
    journal.forget(3)
    assert entries(journal) == []
    journal.close()
    again = Journal(tmp_path, 3, writable=True)
    assert again.append(ENTRIES[1]) == 4
    assert len(entries(again, 3)) == 1
    again.close()


def test_a_new_journal_counts_from_the_version_on(tmp_path):
    journal = Journal(tmp_path, 41, writable=True)
    assert journal.append(ENTRIES[1]) == 42
    journal.close()


def test_history_is_kept(journal):
    journal.note("version", version="000002", changes=3)
    journal.forget(3)
    (event,) = journal.history()
    assert (event.event, event.said) == ("version", {"version": "000002", "changes": 3})


def test_synchronous_and_wal(journal):
    assert journal._scalar("PRAGMA synchronous") == 2  # FULL
    assert journal._scalar("PRAGMA journal_mode") == "wal"


def altered(tmp_path, statement):
    connection = sqlite3.connect(tmp_path / JOURNAL)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE changes SET said = '{}' WHERE number = 2",
        "UPDATE changes SET vectors = zeroblob(length(vectors)) WHERE number = 1",
        "DELETE FROM changes WHERE number = 2",
        "UPDATE changes SET kind = 'add' WHERE number = 3",
    ],
)
def test_altered_changes_are_found(journal, tmp_path, statement):
    journal.close()
    altered(tmp_path, statement)
    again = Journal(tmp_path, 0, writable=True)
    with pytest.raises(StoreCorruptError, match="missing or altered"):
        entries(again)
    again.close()


def test_a_truncated_database_is_found(journal, tmp_path):
    journal.close()
    file = tmp_path / JOURNAL
    content = file.read_bytes()
    for length in (10, 100, len(content) // 2, len(content) - 4096):
        file.write_bytes(content[:length])
        for writable in (True, False):
            with pytest.raises(StoreCorruptError, match=JOURNAL):
                Journal(tmp_path, 0, writable)
        assert file.read_bytes() == content[:length], "nothing was written over"
    file.write_bytes(content)
    assert len(entries(Journal(tmp_path, 0, writable=False))) == 3


def test_a_truncated_log_is_found(journal, tmp_path):
    """SQLite takes a log that lost its end for one that was never written; the number beside it tells."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (JOURNAL, f"{JOURNAL}-wal", TIP):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    log = copy / f"{JOURNAL}-wal"
    log.write_bytes(log.read_bytes()[: -2 * 4096])
    with pytest.raises(StoreCorruptError, match="change 3 was acknowledged"):
        Journal(copy, 0, writable=True)


def test_an_emptied_journal_is_found(journal, tmp_path):
    journal.close()
    (tmp_path / JOURNAL).write_bytes(b"")
    with pytest.raises(StoreCorruptError, match=JOURNAL):
        Journal(tmp_path, 0, writable=True)
