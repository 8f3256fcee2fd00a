"""The journal of a store: every change since its last version, durable before it is acknowledged.

SQLite in WAL mode with ``synchronous=FULL``: a change is on the disk when `append` returns, and a process that is
killed leaves it whole or not there. Beside the database lies the number of the last acknowledged change, so that a
journal that lost its end is noticed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from graphlift.errors import StoreCorruptError, StoreError
from graphlift.metric import Vectors

JOURNAL, TIP = "journal.sqlite", "journal.tip"
WAL_LIMIT = 1 << 24
"""Bytes that SQLite's write-ahead log is cut back to."""
_TABLES = """
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, kind TEXT, said TEXT,
    vectors BLOB, channels INTEGER, checksum INTEGER);
CREATE TABLE IF NOT EXISTS history (at REAL, event TEXT, said TEXT);
"""


@dataclass(frozen=True)
class Entry:
    """A change as the journal keeps it.

    Attributes:
        kind: which change.
        said: everything but vectors, as JSON knows it.
        vectors: float32 (n, C), or None for a change without vectors.
    """

    kind: str
    said: dict[str, Any]
    vectors: Vectors | None = None


@dataclass(frozen=True)
class Event:
    """Something in the life of a store.

    Attributes:
        at: when, seconds since 1970.
        event: what.
        said: more about it.
    """

    at: float
    event: str
    said: dict[str, Any]

    def summary(self) -> str:
        """One line for people."""
        when, said = datetime.fromtimestamp(self.at).strftime("%Y-%m-%d %H:%M"), self.said
        if self.event == "version":
            what = f"{said['changes']} changes, {said['documents']} documents"
            return f"{when}  version {said['version']} ({said['reason']}): {what}"
        if self.event == "fit":
            return f"{when}  fit {'published' if said['published'] else 'not published'}: {said['reason']}"
        return f"{when}  {self.event}"


def has_journal(folder: Path) -> bool:
    """Whether a store has one."""
    return (folder / JOURNAL).exists()


class Journal:
    """The journal of one store; whoever writes holds the store's lock.

    Args:
        folder: the store.
        start: number of the last change that the store's version contains; the next one is counted from there.
        writable: whether changes will be appended; else nothing on the disk changes.

    Attributes:
        last: number of the last change.

    Raises:
        StoreCorruptError: the journal is damaged or lost its end.
        StoreError: it cannot be opened.
    """

    def __init__(self, folder: Path, start: int, writable: bool) -> None:
        self.path, self._tip = folder / JOURNAL, folder / TIP
        self._connection = self._connect(writable)
        try:
            # The tip first: a writer moves it after the change, so what is read later is no shorter.
            tip = int(self._tip.read_text() or 0) if self._tip.exists() else 0
            with self._translated("read"):
                found = self._scalar("PRAGMA quick_check")
                if found != "ok":
                    raise StoreCorruptError(f"{self.path} is damaged: {found}.")
                written = self._scalar("SELECT seq FROM sqlite_sequence WHERE name = 'changes'") or 0
            if tip > written:
                raise StoreCorruptError(
                    f"{self.path} ends with change {written}, but change {tip} was acknowledged: it is truncated. "
                    f"Move {JOURNAL} and {TIP} away to go on from the last version without what came after it."
                )
        except BaseException:
            self.close()
            raise
        self.last = max(start, written)

    def append(self, entry: Entry) -> int:
        """Write a change to the disk; it is durable when this returns.

        Returns:
            Its number.

        Raises:
            StoreError: it cannot be written; nothing was.
        """
        said = json.dumps(entry.said, ensure_ascii=False)
        blob = None if entry.vectors is None else np.ascontiguousarray(entry.vectors, dtype="<f4").tobytes()
        channels = None if entry.vectors is None else entry.vectors.shape[1]
        row = (self.last + 1, time.time(), entry.kind, said, blob, channels, _checksum(entry.kind, said, blob))
        with self._transaction():
            self._connection.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self.last += 1
        self._remember_tip()
        return self.last

    def after(self, number: int) -> Iterator[tuple[int, Entry]]:
        """All changes after one, in their order.

        Raises:
            StoreCorruptError: one is missing or altered.
        """
        expected = number
        with self._translated("read"):
            rows = self._connection.execute(
                "SELECT number, kind, said, vectors, channels, checksum FROM changes WHERE number > ? ORDER BY number",
                (number,),
            )
            for found, kind, said, blob, channels, checksum in rows:
                expected += 1
                if found != expected or checksum != _checksum(kind, said, blob):
                    raise StoreCorruptError(f"{self.path} is damaged: change {expected} is missing or altered.")
                vectors = None if blob is None else np.frombuffer(blob, dtype="<f4").reshape(-1, channels).copy()
                yield found, Entry(kind, json.loads(said), vectors)

    def forget(self, number: int) -> None:
        """Drop all changes up to one, as no version needs them any more."""
        with self._transaction():
            self._connection.execute("DELETE FROM changes WHERE number <= ?", (number,))

    def note(self, event: str, **said: Any) -> None:
        """Write something into the life of the store."""
        with self._transaction():
            self._connection.execute("INSERT INTO history VALUES (?, ?, ?)", (time.time(), event, json.dumps(said)))

    def history(self) -> list[Event]:
        """The life of the store, oldest first."""
        with self._translated("read"):
            rows = self._connection.execute("SELECT at, event, said FROM history ORDER BY rowid").fetchall()
        return [Event(at, event, json.loads(said)) for at, event, said in rows]

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def _connect(self, writable: bool) -> sqlite3.Connection:
        """A connection that is durable where it writes, and touches nothing where it does not."""
        with self._translated("opened"):
            if not writable:
                return self._connect_to_read()
            connection = sqlite3.connect(self.path, timeout=5, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
                connection.executescript(_TABLES)
            except BaseException:
                connection.close()
                raise
            return connection

    def _connect_to_read(self) -> sqlite3.Connection:
        where = f"{self.path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(where, uri=True, timeout=5, check_same_thread=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            connection.close()
            if self.path.with_name(f"{JOURNAL}-wal").exists():
                raise
            # a folder that cannot be written, and nobody writes
            connection = sqlite3.connect(f"{where}&immutable=1", uri=True, check_same_thread=False)
        return connection

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path} cannot be {done}: {error}.") from error
        except sqlite3.DatabaseError as error:  # malformed, or no database
            raise StoreCorruptError(f"{self.path} is damaged: {error}.") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """What happens inside is on the disk as a whole afterwards, or not at all."""
        with self._translated("written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _scalar(self, query: str, values: tuple[Any, ...] = ()) -> Any:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _remember_tip(self) -> None:
        """No need to flush: on a disk that lost this number the journal is what counts."""
        with suppress(OSError):  # the change is durable without it
            descriptor = os.open(self._tip, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, f"{self.last:020d}".encode())
            finally:
                os.close(descriptor)


def _checksum(kind: str, said: str, blob: bytes | None) -> int:
    return zlib.crc32(blob or b"", zlib.crc32(f"{kind} {said}".encode()))
