"""Texts with ids, in the JSON lines of BEIR: `corpus.jsonl` and `queries.jsonl`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from graphlift.data.lines import read_lines
from graphlift.errors import DataFormatError, InputError


@dataclass(frozen=True)
class Texts:
    """Documents or queries, `texts[i]` being the text of `ids[i]`.

    Raises:
        InputError: there are more ids than texts or the other way round, or an id comes twice.

    Example:
        >>> len(Texts(ids=["a", "b"], texts=["an apple", "a bee"]))
        2
    """

    ids: list[str]
    texts: list[str]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.texts):
            raise InputError(f"`texts` must match `ids`, got {len(self.texts)} and {len(self.ids)}.")
        if len(set(self.ids)) != len(self.ids):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise InputError(f"`ids` must be distinct, got {twice!r} twice.")

    def __len__(self) -> int:
        return len(self.ids)


def read_texts(path: str | Path) -> Texts:
    """Read one JSON object a line: `_id`, `text` and, if there is one, `title`, which goes before the text.

    Args:
        path: the file, which may be gzipped (`.gz`).

    Raises:
        DataFormatError: a line is not such an object, an id comes twice, or there is no line at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "corpus.jsonl"
        ...     _ = path.write_text('{"_id": 4, "title": "Bees", "text": "They dance."}')
        ...     print(read_texts(path))
        Texts(ids=['4'], texts=['Bees They dance.'])
    """
    path = Path(path)
    texts: dict[str, str] = {}
    for number, line in read_lines(path):
        try:
            name, text = _parse(line)
        except ValueError as error:
            raise DataFormatError(f"{path}, line {number}: {error}") from error
        if name in texts:
            raise DataFormatError(f"{path}, line {number}: expected a new `_id`, got {name!r} again.")
        texts[name] = text
    if not texts:
        raise DataFormatError(f"{path}: expected at least one text, got none.")
    return Texts(ids=list(texts), texts=list(texts.values()))


def _parse(line: str) -> tuple[str, str]:
    """Id and text of one line, or a ValueError that says what is wrong with it."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON object, got invalid JSON ({error}).") from error
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, got {line!r}.")
    name, title, text = record.get("_id"), record.get("title") or "", record.get("text")
    if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
        raise ValueError(f"expected `_id` to be a string or a number, got {name!r}.")
    if not isinstance(text, str) or not isinstance(title, str):
        raise ValueError(f"expected `text` and `title` to be strings, got text={text!r} and title={title!r}.")
    name, text = str(name), f"{title} {text}".strip()
    try:
        (name + text).encode()
    except UnicodeEncodeError as error:  # JSON can spell half of a character, which no tokenizer accepts
        raise ValueError(f"expected valid Unicode, got {error}.") from error
    return name, text
