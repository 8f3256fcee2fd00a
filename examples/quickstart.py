"""Index the Font Awesome icons, learn from search terms that people wrote for them, and search.

The icons, their terms and the embedder come with packages, so nothing is downloaded:

    pip install "graphlift[demo]"
    python quickstart.py
"""

import tempfile
from pathlib import Path

import graphlift as gl
from graphlift.data import load_embedder, load_icons

SHOWN = 5
"""Results of a search that are printed."""


def main() -> None:
    """Build, fit, evaluate, search, save and load."""
    icons = load_icons(seed=0)
    embedder = load_embedder("wordllama")
    documents = embedder.embed(icons.corpus.texts)  # (1885, 256)
    queries = embedder.embed(icons.queries.texts)

    index = gl.HnswIndex.build(documents, ids=icons.corpus.ids)
    lift = gl.Lift(index, texts=icons.corpus.texts, embedder=embedder.name)
    print(lift)

    # Some of the training terms teach and some others judge, so that this ends soon; `graphlift demo` takes all.
    terms = list(icons.train.items())
    train, dev = dict(terms[:1000]), dict(terms[1000:1300])
    report = lift.fit(queries, train, query_ids=icons.queries.ids, dev_qrels=dev)
    print(f"\n{report.summary()}")

    comparison = lift.evaluate(queries, icons.test, query_ids=icons.queries.ids)
    low, high = comparison.all.interval
    print(f"\nnDCG@10 on {comparison.all.queries} other terms, frozen and lifted (gain {low:+.3f} to {high:+.3f}):")
    for name in ("all", "warm", "cold"):
        part = getattr(comparison, name)
        if part is not None:
            print(f"  {name:5} {part.frozen['nDCG@10']:.3f}  {part.lifted['nDCG@10']:.3f}")

    for term in ("hot drink", "weather"):
        vector = embedder.embed([term])
        before, after = index.search(vector, k=SHOWN), lift.search(vector, k=SHOWN)
        print(f"\n{term}\n  frozen: {', '.join(before.ids[0])}\n  lifted: {', '.join(after.ids[0])}")

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        lift.save(store)
        same = gl.load(store).search(queries[:9], k=SHOWN).ids == lift.search(queries[:9], k=SHOWN).ids
        print(f"\nsaved and loaded; the same results: {bool(same.all())}")


if __name__ == "__main__":
    main()
