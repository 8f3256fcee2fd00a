"""Changes as entries of a journal, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphlift.errors import StoreCorruptError
from graphlift.online.changes import Add, Change, Remove, Tell, Update
from graphlift.store.journal import Entry

KINDS = {"add": Add, "remove": Remove, "update": Update, "tell": Tell}


def entry_of(change: Change) -> Entry:
    """What a journal keeps of a change.

    Example:
        >>> change_of(entry_of(Remove(["cup"]))).ids
        ['cup']
    """
    match change:
        case Add(ids, vectors, texts):
            return Entry("add", {"ids": ids, "texts": texts}, _float32(vectors))
        case Remove(ids):
            return Entry("remove", {"ids": ids})
        case Update(ids, vectors, texts):
            return Entry("update", {"ids": ids, "texts": texts}, _float32(vectors))
        case Tell(queries, relevant, irrelevant):
            return Entry("tell", {"relevant": relevant, "irrelevant": irrelevant}, _float32(queries))
    raise TypeError(f"no journal knows {change!r}")


def change_of(entry: Entry) -> Any:
    """The change that a journal kept.

    Raises:
        StoreCorruptError: it is of a kind that is not known.
    """
    if entry.kind not in KINDS:
        raise StoreCorruptError(f"the journal holds a change of the unknown kind {entry.kind!r}.")
    vectors = {} if entry.vectors is None else {"queries" if entry.kind == "tell" else "vectors": entry.vectors}
    return KINDS[entry.kind](**entry.said, **vectors)


def _float32(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """What `Metric.prepare` makes of vectors first, too."""
    if isinstance(vectors, Tensor):
        vectors = vectors.detach().cpu().numpy()
    return np.ascontiguousarray(vectors, dtype=np.float32)
