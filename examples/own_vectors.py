"""Bring your own vectors and judgments as files; no text and no embedder is involved.

The files are made up here, in a temporary folder: documents are points in twelve clusters, and queries are documents
that were turned and stretched, as a frozen embedder may treat questions and answers differently.

    pip install graphlift
    python own_vectors.py
"""

import tempfile
from pathlib import Path

import numpy as np

import graphlift as gl
from graphlift.data import read_qrels, read_vectors, write_qrels

DOCUMENTS, QUERIES, CHANNELS = 1500, 700, 24


def write_files(folder: Path) -> None:
    """Write documents.npy, queries.npy, train.tsv and test.tsv."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(12, CHANNELS))
    documents = centers[rng.integers(12, size=DOCUMENTS)] + 0.7 * rng.normal(size=(DOCUMENTS, CHANNELS))
    asked = rng.integers(DOCUMENTS, size=QUERIES)
    turn = np.eye(CHANNELS) + 0.35 * rng.normal(size=(CHANNELS, CHANNELS))
    queries = (documents[asked] + 0.1 * rng.normal(size=(QUERIES, CHANNELS))) @ turn
    np.save(folder / "documents.npy", documents.astype(np.float32))
    np.save(folder / "queries.npy", queries.astype(np.float32))
    qrels = {f"q{query}": {f"d{document}": 1.0} for query, document in enumerate(asked)}
    write_qrels(folder / "train.tsv", {query: qrels[query] for query in list(qrels)[:500]})
    write_qrels(folder / "test.tsv", {query: qrels[query] for query in list(qrels)[500:]})


def main() -> None:
    """Read the files, fit, evaluate and search."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        documents = read_vectors(folder / "documents.npy")
        queries = read_vectors(folder / "queries.npy")
        train, test = read_qrels(folder / "train.tsv"), read_qrels(folder / "test.tsv")

    # Row r of a file is the document or the query with the r-th id.
    index = gl.HnswIndex.build(documents, ids=[f"d{row}" for row in range(len(documents))], metric="l2")
    query_ids = [f"q{row}" for row in range(len(queries))]
    lift = gl.Lift(index)
    report = lift.fit(queries, train, query_ids=query_ids, config=gl.FitConfig(seed=1))
    print(report.summary())

    comparison = lift.evaluate(queries, test, query_ids=query_ids)
    print("\n                frozen  lifted")
    for metric, before in comparison.all.frozen.items():
        print(f"{metric:15} {before:6.3f}  {comparison.all.lifted[metric]:6.3f}")

    hits = lift.search(queries[500:502], k=3)
    for query, ids, scores in zip(query_ids[500:], hits.ids, hits.scores, strict=False):
        answer = next(iter(test[query]))
        print(f"\n{query} asks for {answer}: " + ", ".join(f"{d} ({s:.2f})" for d, s in zip(ids, scores, strict=True)))


if __name__ == "__main__":
    main()
