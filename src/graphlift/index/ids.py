"""The user's ids and the rows they stand for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from graphlift.errors import InputError, UnknownIdError

Id = int | str


class Ids:
    """A list of unique ids, all integers or all strings; row r of the index has ``ids[r]``.

    Raises:
        InputError: an id is neither int nor str, kinds are mixed, or an id occurs twice.

    Example:
        >>> ids = Ids(["cup", "mug"])
        >>> ids.rows(["mug"]).tolist()
        [1]
    """

    def __init__(self, ids: Iterable[Id] | npt.NDArray[Any]) -> None:
        values = list(ids.tolist() if isinstance(ids, np.ndarray) else ids)
        kinds = {_kind(kind) for kind in set(map(type, values))}
        if kinds - {int, str} or len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise InputError(f"`ids` must be all int or all str, got {names}.")
        try:
            self.array: npt.NDArray[Any] = np.array(values, dtype=np.int64 if kinds == {int} else object)
        except OverflowError:
            raise InputError("`ids` must fit in 64 bits, or be str.") from None
        if len(self._row) != len(values):
            repeated = next(value for row, value in enumerate(values) if self._row[value] != row)
            raise InputError(f"`ids` must be unique, got {repeated!r} more than once.")

    @classmethod
    def counted(cls, count: int) -> Ids:
        """The ids 0 to count - 1, for users who bring none."""
        return cls(np.arange(count))

    @cached_property
    def _row(self) -> dict[Id, int]:
        return {value: row for row, value in enumerate(self.array.tolist())}

    def __len__(self) -> int:
        return len(self.array)

    def __contains__(self, value: object) -> bool:
        return value in self._row

    def rows(self, ids: Sequence[Id], argument: str = "ids") -> npt.NDArray[np.int64]:
        """Rows of the given ids.

        Raises:
            UnknownIdError: an id is not in the index; ``argument`` is named in the message.
        """
        try:
            return np.fromiter((self._row[value] for value in ids), dtype=np.int64, count=len(ids))
        except (KeyError, TypeError):
            known = self._row
            unknown = next(value for value in ids if not isinstance(value, Hashable) or value not in known)
            kind = "int" if self.array.dtype == np.int64 else "str"
            raise UnknownIdError(
                f"`{argument}` must name documents of the index, got {unknown!r}; "
                f"it holds {len(self)} ids of type {kind}."
            ) from None


def _kind(kind: type) -> type:
    """The type of an id, with NumPy's integers and strings taken for Python's."""
    return str if issubclass(kind, str) else int if issubclass(kind, np.integer) else kind
