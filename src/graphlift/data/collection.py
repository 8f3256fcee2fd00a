"""A retrieval collection: documents, queries, and judgments for training and testing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from graphlift.data.beir import Texts, read_texts
from graphlift.data.qrels import Qrels, read_qrels
from graphlift.errors import DataFormatError


@dataclass(frozen=True)
class Collection:
    """Documents, queries, and which document answers which query.

    Attributes:
        corpus: the documents.
        queries: the queries of every split.
        train: judgments to learn from.
        test: judgments to measure with.
        dev: judgments to choose with, where the collection has its own.
    """

    corpus: Texts
    queries: Texts
    train: Qrels
    test: Qrels
    dev: Qrels | None = None


def read_collection(folder: str | Path) -> Collection:
    """Read a folder in the layout of BEIR.

    ```text
    corpus.jsonl
    queries.jsonl
    qrels/train.tsv  qrels/dev.tsv  qrels/test.tsv      or qrels_train.tsv and so on; dev may be absent
    ```

    Raises:
        DataFormatError: a file is missing or malformed, or a judgment names a query or a document that
            the folder does not hold.
    """
    folder = Path(folder)
    paths = {
        name: path
        for name in ("train", "dev", "test")
        for path in (folder / f"qrels_{name}.tsv", folder / "qrels" / f"{name}.tsv")
        if path.exists()
    }
    for name in ("train", "test"):
        if name not in paths:
            raise DataFormatError(f"{folder}: expected qrels/{name}.tsv or qrels_{name}.tsv, got neither.")
    corpus, queries = read_texts(folder / "corpus.jsonl"), read_texts(folder / "queries.jsonl")
    splits = {name: read_qrels(path) for name, path in paths.items()}
    for name, qrels in splits.items():
        _check_known(paths[name], "query", qrels, queries)
        _check_known(paths[name], "document", {document for row in qrels.values() for document in row}, corpus)
    return Collection(corpus, queries, splits["train"], splits["test"], dev=splits.get("dev"))


def _check_known(path: Path, kind: str, judged: Iterable[str], texts: Texts) -> None:
    unknown = set(judged).difference(texts.ids)
    if unknown:
        raise DataFormatError(
            f"{path}: expected each {kind} id to have its text, got {len(unknown)} without, such as {min(unknown)!r}."
        )
