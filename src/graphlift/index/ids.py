"""The user's ids and the rows they stand for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.errors import InputError, UnknownIdError

Id = int | str
MERGED_AT = 1024
"""So many changes stay beside the table of all, and are copied with each further one, until they are merged into it."""


class Ids:
    """Unique ids, all integers or all strings; row r of the index has ``array[r]``.

    An id whose row was removed is free again; its old row keeps the name, and no search returns it.

    Args:
        ids: one a row.
        removed: True where a row is removed, (N,); none where left out.

    Raises:
        InputError: an id is neither int nor str, kinds are mixed, or an id occurs twice.

    Example:
        >>> ids = Ids(["cup", "mug"])
        >>> ids.rows(["mug"]).tolist()
        [1]
        >>> ids.minus(["mug"]).plus(["jar", "mug"]).rows(["mug", "cup"]).tolist()
        [3, 0]
    """

    def __init__(
        self, ids: Iterable[Id] | npt.NDArray[Any], removed: npt.NDArray[np.bool_] | None = None, argument: str = "ids"
    ) -> None:
        values = list(ids.tolist() if isinstance(ids, np.ndarray) else ids)
        kinds = {_kind(kind) for kind in set(map(type, values))}
        if kinds - {int, str} or len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise InputError(f"`{argument}` must be all int or all str, got {names}.")
        try:
            self.array: npt.NDArray[Any] = np.array(values, dtype=np.int64 if kinds == {int} else object)
        except OverflowError:
            raise InputError(f"`{argument}` must fit in 64 bits, or be str.") from None
        kept = range(len(values)) if removed is None else np.flatnonzero(~removed).tolist()
        names = self.array.tolist()
        self._row: dict[Id, int] = {names[row]: row for row in kept}
        self._changes: dict[Id, int | None] = {}
        if len(self._row) != len(kept):
            repeated = next(names[row] for row in kept if self._row[names[row]] != row)
            raise InputError(f"`{argument}` must be unique, got {repeated!r} more than once.")

    @classmethod
    def counted(cls, count: int) -> Ids:
        """The ids 0 to count - 1, for users who bring none."""
        return cls(np.arange(count))

    def __len__(self) -> int:
        return len(self.array)

    def __contains__(self, value: object) -> bool:
        return self._find(value) is not None

    def _find(self, value: Any) -> int | None:
        return self._changes[value] if value in self._changes else self._row.get(value)

    def plus(self, ids: Iterable[Id], argument: str = "ids") -> Ids:
        """These ids with others behind them, which must be new.

        Raises:
            InputError: an id is there already, or of the other kind.
        """
        new = Ids(ids, argument=argument)
        if len(new) and len(self) and new.array.dtype != self.array.dtype:
            raise InputError(f"`{argument}` must be {self.kind} like those of the index, got {new.kind}.")
        known = next((value for value in new.array.tolist() if value in self), None)
        if known is not None:
            raise InputError(f"`{argument}` must be new, got {known!r}, which the index holds; `update` replaces it.")
        rows = range(len(self), len(self) + len(new))
        return self._changed(np.concatenate([self.array, new.array]), dict(zip(new.array.tolist(), rows, strict=True)))

    def minus(self, ids: Iterable[Id]) -> Ids:
        """These ids without some of them; rows stay."""
        return self._changed(self.array, dict.fromkeys(ids))

    def _changed(self, array: npt.NDArray[Any], changes: Mapping[Id, int | None]) -> Ids:
        """Few changes are kept beside the table of all, many are merged into a new one."""
        other = copy(self)
        other.array, other._changes = array, {**self._changes, **changes}
        if len(other._changes) > MERGED_AT:
            merged = self._row | other._changes
            other._row, other._changes = {name: row for name, row in merged.items() if row is not None}, {}
        return other

    @property
    def kind(self) -> str:
        """``"int"`` or ``"str"``."""
        return "int" if self.array.dtype == np.int64 else "str"

    def rows(self, ids: Sequence[Id], argument: str = "ids") -> npt.NDArray[np.int64]:
        """Rows of the given ids.

        Raises:
            UnknownIdError: an id is not in the index; ``argument`` is named in the message.
        """
        try:
            return np.array([self._find(value) for value in ids], dtype=np.int64).reshape(len(ids))
        except TypeError:  # None is no row, and a list is no key
            unknown = next(value for value in ids if not isinstance(value, Hashable) or value not in self)
            raise UnknownIdError(
                f"`{argument}` must name documents of the index, got {unknown!r}; "
                f"it has {len(self)} ids of type {self.kind}."
            ) from None


def _kind(kind: type) -> type:
    """The type of an id, with NumPy's integers and strings taken for Python's."""
    return str if issubclass(kind, str) else int if issubclass(kind, np.integer) else kind
