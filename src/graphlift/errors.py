"""Every error that graphlift raises on purpose, as one tree.

```text
GraphliftError
├── InputError (also a ValueError)      an argument is not what the call needs
│   └── UnknownIdError (also a KeyError)  an id that the index does not hold
├── DataFormatError                     a file that was given cannot be read as what it should be
├── StoreError                          a store on disk cannot be trusted or written
│   ├── StoreCorruptError               truncated, altered or incomplete
│   ├── StoreLockedError                somebody else writes it
│   └── StoreVersionError               written by a newer graphlift
└── MissingExtraError (also an ImportError)  an optional dependency is not installed
```
"""

from __future__ import annotations

import importlib
from types import ModuleType


class GraphliftError(Exception):
    """Base of every error that graphlift raises on purpose."""


class InputError(GraphliftError, ValueError):
    """An argument is not what the call needs; the message names it, what was expected and what came."""


class UnknownIdError(InputError, KeyError):
    """An id that the index does not hold."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0]) if self.args else ""


class DataFormatError(GraphliftError):
    """A file cannot be read as what it should be; the message names file and line."""


class StoreError(GraphliftError):
    """A store on disk cannot be trusted or written."""


class StoreCorruptError(StoreError):
    """A store is truncated, altered or incomplete."""


class StoreLockedError(StoreError):
    """A store is open for writing elsewhere."""


class StoreVersionError(StoreError):
    """A store was written in a format that this graphlift does not know."""


class MissingExtraError(GraphliftError, ImportError):
    """An optional dependency is not installed; the message says which command installs it."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say in one sentence how to get it.

    Args:
        module: dotted name of the module.
        extra: the graphlift extra that brings it.

    Raises:
        MissingExtraError: the module is not installed.

    Example:
        >>> require("json", extra="cli").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"`{package}` is needed here and is not installed; `pip install 'graphlift[{extra}]'` brings it."
        ) from error
