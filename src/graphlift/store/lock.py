"""One writer at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from graphlift.errors import StoreError, StoreLockedError

LOCK = "writer.lock"


class WriterLock:
    """The right to write a store, held until it is released or the process ends, however it ends.

    The lock is SQLite's exclusive lock on a file of its own, which works alike on every system and leaves nothing to
    clean up after a process that was killed.

    Raises:
        StoreLockedError: somebody else holds it.
        StoreError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> first = WriterLock(folder)
        >>> WriterLock(folder)
        Traceback (most recent call last):
        ...
        graphlift.errors.StoreLockedError: the store ... is open for writing elsewhere; close it there first.
        >>> first.release()
        >>> WriterLock(folder).release()
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._connection = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"the store {folder} cannot be written: {error}.") from error
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise StoreLockedError(
                    f"the store {folder} is open for writing elsewhere; close it there first."
                ) from None
            raise StoreError(f"the store {folder} cannot be written: {error}.") from error

    def release(self) -> None:
        """Let others write."""
        self._connection.close()
