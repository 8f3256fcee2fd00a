"""Icons and the words people look for them with: a collection that comes with a package, no download."""

from __future__ import annotations

import json
import random
from importlib import resources
from typing import Any

from graphlift.data.beir import Texts
from graphlift.data.collection import Collection
from graphlift.errors import DataFormatError, InputError, require

METADATA = "static/fontawesomefree/metadata/icons.json"
"""Where the package `fontawesomefree` keeps labels and search terms."""


def load_icons(seed: int = 0, test_fraction: float = 0.25) -> Collection:
    """Make a collection of the Font Awesome icons: documents are labels, queries are human search terms.

    A term is relevant to the icons that list it, unless it only repeats the icon's label. Terms are split,
    not judgments, so no test query was seen in training.

    Args:
        seed: of the split.
        test_fraction: share of the terms that go to test, between 0 and 1.

    Raises:
        InputError: `test_fraction` leaves train or test empty.
        MissingExtraError: fontawesomefree is not installed.
        DataFormatError: the installed fontawesomefree keeps no such metadata.

    Example:
        >>> icons = load_icons()
        >>> len(icons.corpus), len(icons.queries), len(icons.train), len(icons.test)
        (1885, 3263, 2448, 815)
        >>> icons.queries.texts[icons.queries.ids.index("t1021")], icons.test["t1021"]
        ('explode', {'bomb': 1.0, 'person-burst': 1.0, 'person-dress-burst': 1.0})
    """
    icons = _read_icons()
    relevant = _relevant_icons(icons)
    terms = sorted(relevant)
    queries = Texts(ids=[f"t{number}" for number in range(len(terms))], texts=terms)
    num_test = int(test_fraction * len(terms))
    if not 0 < num_test < len(terms):
        raise InputError(f"`test_fraction` must leave some of {len(terms)} terms on both sides, got {test_fraction}.")
    judgments = [(name, dict.fromkeys(relevant[term], 1.0)) for name, term in zip(queries.ids, terms, strict=True)]
    random.Random(seed).shuffle(judgments)
    corpus = Texts(ids=list(icons), texts=[icon["label"] for icon in icons.values()])
    return Collection(corpus, queries, train=dict(judgments[num_test:]), test=dict(judgments[:num_test]))


def _read_icons() -> dict[str, dict[str, Any]]:
    file = resources.files(require("fontawesomefree", extra="demo")) / METADATA
    try:
        icons: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataFormatError(f"{file}: expected the metadata of Font Awesome icons, got {error}") from error
    return icons


def _relevant_icons(icons: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Search term -> icons that list it; bare numbers and terms beyond ASCII are not words to look for."""
    relevant: dict[str, list[str]] = {}
    for name, icon in icons.items():
        terms = {term.strip().lower() for term in icon["search"]["terms"]} - {icon["label"].strip().lower()}
        for term in terms:
            if term.isascii() and not term.isdigit():
                relevant.setdefault(term, []).append(name)
    return relevant
