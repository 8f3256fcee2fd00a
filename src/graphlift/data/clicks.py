"""Click logs: what people clicked, corrected for where it stood."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from graphlift.data.lines import read_lines
from graphlift.data.qrels import MAX_GRADE, Qrels
from graphlift.errors import DataFormatError, InputError


@dataclass(frozen=True)
class Impression:
    """One result list that somebody saw.

    Attributes:
        query: its id.
        shown: ids of the documents, from the first rank on.
        clicked: those of them that were clicked.

    Raises:
        InputError: a document is shown twice, or clicked and not shown.
    """

    query: str
    shown: tuple[str, ...]
    clicked: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.shown)) != len(self.shown):
            raise InputError(f"`shown` must hold each document once, got {list(self.shown)} for {self.query!r}.")
        strange = next((document for document in self.clicked if document not in self.shown), None)
        if strange is not None:
            raise InputError(f"`clicked` must be documents that were shown, got {strange!r} for {self.query!r}.")


def read_clicks(path: str | Path) -> list[Impression]:
    """Read a click log: one JSON object a line with `query`, `shown` and `clicked`.

    Args:
        path: the file, which may be gzipped (`.gz`).

    Raises:
        DataFormatError: a line is not such an object, a document is shown twice or clicked and not shown, or nothing
            was clicked at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "log.jsonl"
        ...     _ = path.write_text('{"query": "q1", "shown": ["d4", "d7"], "clicked": ["d7"]}')
        ...     print(read_clicks(path))
        [Impression(query='q1', shown=('d4', 'd7'), clicked=('d7',))]
    """
    path = Path(path)
    impressions = []
    for number, line in read_lines(path):
        try:
            impressions.append(_impression(line))
        except (ValueError, InputError) as error:
            raise DataFormatError(f"{path}, line {number}: {error}") from error
    if not any(impression.clicked for impression in impressions):
        raise DataFormatError(f"{path}: expected at least one click, got none.")
    return impressions


def qrels_of_clicks(impressions: Iterable[Impression], *, eta: float = 1.0, clip: float = 0.1) -> Qrels:
    r"""Turn clicks into judgments whose grades make up for the rank that a document was shown at.

    People click on what they look at, and they look at the first ranks most. A click counts

    .. math::
        w = \frac{1}{\max(p_r, \mathrm{clip})}, \qquad p_r = \Big( \frac{1}{r} \Big)^{\eta}

    at rank r, counted from 1, and the grade of a pair is the sum over its clicks, rounded to a whole number. So a
    click at the first rank is worth a judgment of grade 1, and one further down, which fewer people had the chance to
    make, is worth more.

    Args:
        impressions: what was shown and clicked.
        eta: how fast attention falls with the rank: 0 for not at all, 1 where nothing is known.
        clip: smallest propensity that is believed, in (0, 1]; a click is worth at most 1 / clip.

    Raises:
        InputError: eta or clip is out of range, or nothing was clicked.

    Source: Joachims, Swaminathan and Schnabel, Unbiased learning-to-rank with biased feedback, 2017.

    Example:
        >>> log = [Impression("q1", ("d4", "d7"), ("d7",)), Impression("q1", ("d4", "d7"), ("d4",))]
        >>> qrels_of_clicks(log)
        {'q1': {'d7': 2.0, 'd4': 1.0}}
    """
    if not 0 <= eta < float("inf"):
        raise InputError(f"`eta` must be a number from 0, got {eta}.")
    if not 0 < clip <= 1:
        raise InputError(f"`clip` must be in (0, 1], got {clip}.")
    worth: Qrels = {}
    for impression in impressions:
        for document in dict.fromkeys(impression.clicked):
            rank = impression.shown.index(document) + 1
            weights = worth.setdefault(impression.query, {})
            weights[document] = weights.get(document, 0.0) + 1 / max(rank**-eta, clip)
    if not worth:
        raise InputError("`impressions` must hold at least one click, got none.")
    return {
        query: {document: float(min(round(weight), MAX_GRADE)) for document, weight in weights.items()}
        for query, weights in worth.items()
    }


def _impression(line: str) -> Impression:
    """One line, or a ValueError that says what is wrong with it."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON object, got invalid JSON ({error}).") from error
    if not isinstance(record, dict) or not isinstance(record.get("query"), str | int):
        raise ValueError(f"expected an object with the id of a `query`, got {line!r}.")
    for name in ("shown", "clicked"):
        ids = record.get(name)
        if not isinstance(ids, list) or not all(isinstance(id_, str | int) for id_ in ids):
            raise ValueError(f"expected `{name}` to be a list of document ids, got {ids!r}.")
    shown, clicked = (tuple(map(str, record[name])) for name in ("shown", "clicked"))
    return Impression(str(record["query"]), shown, clicked)
