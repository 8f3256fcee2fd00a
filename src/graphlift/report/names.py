"""What documents are called in a report."""

from __future__ import annotations

from collections import Counter

from graphlift.lift import Lift


def document_names(lift: Lift) -> list[str]:
    """A name for every document that no other one has: its text, with its id where texts are equal."""
    ids = [str(document) for document in lift.index.ids.array]
    if lift.texts is None:
        return ids
    times = Counter(lift.texts)
    return [text if times[text] == 1 else f"{text} ({name})" for text, name in zip(lift.texts, ids, strict=True)]
