"""The version that serves, and the one way to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from graphlift.errors import InputError, StoreCorruptError, StoreError
from graphlift.online.changes import Change
from graphlift.online.entries import change_of, entry_of
from graphlift.online.fitted import after_fit, rolled_back
from graphlift.online.policy import compacted, kept_up, linked
from graphlift.store.journal import Entry
from graphlift.store.opened import OpenStore, read_store, replace_store
from graphlift.store.snapshot import Snapshot
from graphlift.training.fit import FitResult


class Versions:
    """Versions of a lift, one after the other. Readers take `now` and keep it; writers wait for each other.

    Args:
        now: the version that serves.
        store: where changes are made durable before they serve; None for a lift in memory.

    Attributes:
        now: a new version replaces it by a single assignment.
    """

    def __init__(self, now: Snapshot, store: OpenStore | None = None) -> None:
        self.now = now
        self._store = store
        self._writing = RLock()
        self._since: list[Change] | None = None  # changes while a fit runs

    @classmethod
    def copied(cls, path: Path) -> Versions:
        """Those of a store as it is now, detached from it."""
        snapshot, entries = read_store(path)
        return cls(_replayed(snapshot, entries))

    @classmethod
    def attached(cls, path: Path) -> Versions:
        """Those of a store, which gets every change."""
        store = OpenStore(path)
        try:
            return cls(_replayed(store.snapshot, store.entries()), store)
        except BaseException:
            store.close()
            raise

    def change(self, change: Change) -> None:
        """Make a change durable, let it serve, and then see to the links."""
        with self._writing:
            after = change.applied(self.now)
            if self._store is not None:
                self._store.append(entry_of(change))
            self.now = after
            if self._since is not None:
                self._since.append(change)
            self.now = kept_up(after)
            if self._store is not None and self._store.is_due:
                try:
                    self.checkpoint("journal")
                except StoreError:  # the change itself is durable, and the version can wait
                    self._store.postpone()

    def compact(self) -> None:
        """Put all rows into the graph, and build it anew if documents were removed."""
        with self._writing:
            self.now = compacted(self.now)

    def fit(self, run: Callable[[Snapshot], FitResult]) -> FitResult:
        """Run a fit on what serves now, and let the result serve with all that changed meanwhile.

        Searches and changes go on while it runs; only another fit has to wait.
        """
        with self._fitting() as start:
            result = run(start)
            after = after_fit(start, result)
            with self._writing:
                for change in self._since or ():
                    after = kept_up(change.applied(after))
                report = result.report
                said = report.model_dump(include={"published", "reason", "dev_ndcg", "past_ndcg", "past_batches"})
                self._kept(after, "fit", said)
        return result

    def roll_back(self) -> None:
        """Let the weights serve again that served before the last published fit."""
        with self._writing:
            if self._since is not None:
                raise InputError("a fit of this lift is running; wait for it to end.")
            self._kept(rolled_back(self.now), "rollback", {})

    @contextmanager
    def _fitting(self) -> Iterator[Snapshot]:
        """A snapshot with every row in the graph and none removed; changes meanwhile are noted."""
        with self._writing:
            if self._since is not None:
                raise InputError("a fit of this lift is running already; wait for it to end.")
            self.now, self._since = compacted(self.now), []
            start = self.now
        try:
            yield start
        finally:
            self._since = None

    def _kept(self, after: Snapshot, event: str, said: dict[str, Any]) -> None:
        """Write what changed the weights, and let it serve."""
        if self._store is not None:
            after = linked(after)
            self._store.write_version(after, event)
            self._store.note(event, **said)
        self.now = after

    def save(self, path: Path) -> None:
        """Make this the content of a store."""
        with self._writing:
            if self._store is not None and self._store.path.resolve() == path.resolve():
                self.checkpoint("saved")
                return
            self.now = linked(self.now)
            replace_store(path, self.now)

    def checkpoint(self, reason: str) -> None:
        """Write a version of the attached store.

        Raises:
            StoreError: there is none, or it cannot be written; nothing is lost then.
        """
        with self._writing:
            if self._store is None:
                raise StoreError("this lift is not attached to a store: `graphlift.open` attaches, `save` needs none.")
            self.now = linked(self.now)
            self._store.write_version(self.now, reason)

    def close(self) -> None:
        """Detach from the store, which has everything."""
        with self._writing:
            store, self._store = self._store, None
            if store is not None:
                store.close()


def _replayed(snapshot: Snapshot, entries: Iterable[Entry]) -> Snapshot:
    """The snapshot after the changes of a journal."""
    for entry in entries:
        try:
            snapshot = kept_up(change_of(entry).applied(snapshot))
        except InputError as error:
            raise StoreCorruptError(f"the journal does not fit the version that it follows: {error}") from error
    return snapshot
