"""Relevance judgments: which documents answer which query, and how well."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TypeAlias

from graphlift.data.lines import read_lines
from graphlift.errors import DataFormatError, InputError

Qrels: TypeAlias = dict[str, dict[str, float]]
"""Query id -> document id -> grade; a grade of zero or below means judged and not relevant."""

MAX_GRADE = 1000
"""Above it trec_eval, which counts the documents of every grade, gets slow and then silently wrong."""


def read_qrels(path: str | Path) -> Qrels:
    """Read judgments in the form of BEIR or of TREC, told apart by the first line.

    BEIR has three columns between tabs, `query-id corpus-id score`, with or without a header.
    TREC has four columns between blanks, `query iteration document grade`, without a header.

    Args:
        path: the file, which may be gzipped (`.gz`).

    Raises:
        DataFormatError: a line has other columns, a grade is not a finite number, two lines grade the same
            pair differently, or there is no judgment at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "train.tsv"
        ...     _ = path.write_text("query-id\\tcorpus-id\\tscore\\nq1\\td7\\t1\\nq1\\td3\\t0\\n")
        ...     print(read_qrels(path))
        {'q1': {'d7': 1.0, 'd3': 0.0}}
    """
    path = Path(path)
    qrels: Qrels = {}
    beir = None
    for number, line in read_lines(path):
        if beir is None:
            beir = line.count("\t") == 2
            if beir and not _is_number(line.split("\t")[2]):
                continue  # the header, whatever its names are
        query, document, grade = _judgment(path, number, line, beir)
        earlier = qrels.setdefault(query, {}).setdefault(document, grade)
        if earlier != grade:
            raise DataFormatError(
                f"{path}, line {number}: expected one grade for query {query!r} and document {document!r}, "
                f"got {grade:g} after {earlier:g}."
            )
    if not qrels:
        raise DataFormatError(f"{path}: expected at least one judgment, got none.")
    return qrels


def write_qrels(path: str | Path, qrels: Qrels) -> None:
    """Write judgments in the form of BEIR, with its header; `read_qrels` gives them back.

    Raises:
        InputError: there is no judgment, an id is empty or holds a tab or a line break, or a grade is
            not finite.
    """
    judgments = [(query, document, grade) for query, row in qrels.items() for document, grade in row.items()]
    if not judgments:
        raise InputError("`qrels` must hold at least one judgment, got none.")
    for query, document, grade in judgments:
        for name in (query, document):
            if not name.strip() or any(separator in name for separator in "\t\n\r"):
                raise InputError(f"`qrels` must have ids with text and no tab or line break, got {name!r}.")
        if not math.isfinite(grade):
            raise InputError(f"`qrels` must have finite grades, got {grade} for {query!r} and {document!r}.")
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for query, document, grade in judgments:
            shown = int(grade) if float(grade).is_integer() else grade  # other tools want "1", not "1.0"
            file.write(f"{query}\t{document}\t{shown}\n")


def _judgment(path: Path, number: int, line: str, beir: bool) -> tuple[str, str, float]:
    columns = line.split("\t") if beir else line.split()
    if len(columns) != (3 if beir else 4) or not all(column.strip() for column in columns):
        raise DataFormatError(
            f"{path}, line {number}: expected "
            + ("`query<tab>document<tab>grade`" if beir else "`query 0 document grade`")
            + f", got {line!r}."
        )
    if not _is_number(columns[-1]):
        raise DataFormatError(f"{path}, line {number}: expected a finite grade, got {columns[-1]!r}.")
    return columns[0], columns[-2], float(columns[-1])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
