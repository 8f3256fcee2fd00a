"""A store that is open for writing: its last version, and the journal of what came after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from graphlift.errors import StoreCorruptError, StoreError
from graphlift.store.folder import current_version, is_store, size_of_version
from graphlift.store.journal import Entry, Event, Journal, has_journal
from graphlift.store.lock import WriterLock
from graphlift.store.snapshot import Snapshot, read_snapshot, write_snapshot

JOURNAL_BYTES, JOURNAL_SHARE = 1 << 23, 1 / 4
"""A version is written when the journal outgrows the larger of this size and this share of the last version."""
JOURNAL_CHANGES = 2000
"""Or after so many changes, so that opening does not take long."""


class OpenStore:
    """The one writer of a store.

    Args:
        path: the store.

    Attributes:
        snapshot: the last version.

    Raises:
        StoreLockedError: somebody else writes it.
        StoreError: there is no store, or it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        if not is_store(path):
            raise StoreError(f"{path} is not a graphlift store; `Lift.save` or `graphlift build` makes one.")
        self.path = path
        self._lock = WriterLock(path)
        try:
            self.snapshot, self._contained = read_snapshot(path)
            self._journal = Journal(path, self._contained, writable=True)
        except BaseException:
            self._lock.release()
            raise
        self._before = self._contained
        self._start()

    def entries(self) -> Iterator[Entry]:
        """The changes since the last version."""
        for _, entry in self._journal.after(self._contained):
            self._count(entry)
            yield entry

    def append(self, entry: Entry) -> None:
        """Make a change durable.

        Raises:
            StoreError: it cannot be written; nothing was.
        """
        self._journal.append(entry)
        self._count(entry)

    @property
    def is_due(self) -> bool:
        """Whether the journal is long enough for a version to pay."""
        return self._bytes > self._limit or self._changes > self._most

    def write_version(self, snapshot: Snapshot, reason: str) -> None:
        """Write a version that contains all changes; those that the version before it contains are dropped.

        Raises:
            StoreError: it cannot be written; version and journal are as they were.
        """
        name = write_snapshot(self.path, snapshot, self._journal.last)
        changes, done = self._journal.last - self._contained, self._before
        self._before, self._contained = self._contained, self._journal.last
        self._start()
        with suppress(StoreError):  # the version counts; what is not dropped now is dropped with the next one
            self._journal.forget(done)
        self.note("version", version=name, reason=reason, changes=changes, documents=len(snapshot.index))

    def postpone(self) -> None:
        """Try to write a version again when the journal has grown by as much as it may grow."""
        self._limit, self._most = self._bytes + JOURNAL_BYTES, self._changes + JOURNAL_CHANGES

    def _start(self) -> None:
        """Count the journal's growth from here."""
        self._bytes, self._changes, self._most = 0, 0, JOURNAL_CHANGES
        self._limit = max(JOURNAL_BYTES, int(JOURNAL_SHARE * size_of_version(self.path)))

    def _count(self, entry: Entry) -> None:
        self._changes += 1
        self._bytes += 0 if entry.vectors is None else entry.vectors.nbytes

    def note(self, event: str, **said: Any) -> None:
        """Write something into the life of the store, if that can be; nothing depends on it."""
        with suppress(StoreError):
            self._journal.note(event, **said)

    def close(self) -> None:
        """Let others write."""
        self._journal.close()
        self._lock.release()


def read_store(path: Path) -> tuple[Snapshot, list[Entry]]:
    """The last version of a store and the changes since, without writing anything.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    while True:
        version = current_version(path)
        try:
            return _read(path)
        except StoreCorruptError:  # a writer that wrote two versions meanwhile has removed this one
            if current_version(path) == version:
                raise


def _read(path: Path) -> tuple[Snapshot, list[Entry]]:
    snapshot, contained = read_snapshot(path)
    if not has_journal(path):
        return snapshot, []
    journal = Journal(path, contained, writable=False)
    try:
        return snapshot, [entry for _, entry in journal.after(contained)]
    finally:
        journal.close()


def read_history(path: Path) -> list[Event]:
    """The life of a store, oldest first."""
    if not has_journal(path):
        return []
    journal = Journal(path, 0, writable=False)
    try:
        return journal.history()
    finally:
        journal.close()


def replace_store(path: Path, snapshot: Snapshot) -> None:
    """Make a snapshot the content of the store at ``path``, which is made where there is none.

    Raises:
        StoreLockedError: somebody else writes it.
        StoreError: the path holds something else, or cannot be written.
    """
    if not is_store(path):
        write_snapshot(path, snapshot)
        return
    lock = WriterLock(path)
    try:
        last = 0
        if has_journal(path):  # what it holds is older than the snapshot
            journal = Journal(path, 0, writable=False)
            last = journal.last
            journal.close()
        write_snapshot(path, snapshot, last)
    finally:
        lock.release()
