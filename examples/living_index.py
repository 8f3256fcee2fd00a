"""A store that lives: feedback, new documents, changed and removed ones, each on the disk when the call returns.

The icons, their terms and the embedder come with packages, so nothing is downloaded:

    pip install "graphlift[demo]"
    python living_index.py
"""

import tempfile
from pathlib import Path

import graphlift as gl
from graphlift.data import load_embedder, load_icons

LATE = 200
"""Icons that come after the index was built."""


def main() -> None:
    """Build a store of most icons, and live with it."""
    icons, embedder = load_icons(seed=0), load_embedder("wordllama")
    vectors, ids, texts = embedder.embed(icons.corpus.texts), icons.corpus.ids, icons.corpus.texts
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        index = gl.HnswIndex.build(vectors[:-LATE], ids=ids[:-LATE])
        gl.Lift(index, texts=texts[:-LATE], embedder=embedder.name).save(store)

        with gl.open(store) as lift:
            live(lift, embedder)
            lift.add(vectors[-LATE:], ids[-LATE:], texts[-LATE:])
            print(f"\n{LATE} icons added; {lift.index.num_rows - lift.index.num_linked} of them wait to be linked")

            lift.remove(["mug-hot"])
            found = lift.search(embedder.embed(["hot drink"]), k=20).ids[0].tolist()
            print(f"'mug-hot' removed; among the first 20 now: {'mug-hot' in found}")

            try:
                gl.open(store)
            except gl.StoreLockedError as error:
                print(f"a second writer: {str(error).split(' is ')[1]}")
            copy = gl.load(store)  # readers need not wait: what was acknowledged is there
            print(f"a reader beside the writer sees {len(copy.index)} documents, the writer has {len(lift.index)}")

        with gl.open(store) as lift:
            print(f"\nopened again: {len(lift.index)} documents, {len(lift.lifted.told)} judgments; nothing was lost")
            lift.checkpoint()
            print(f"versions on the disk: {', '.join(sorted(path.name for path in (store / 'versions').iterdir()))}")


def live(lift: gl.Lift, embedder) -> None:
    """Tell what answered a query and what did not; the next search knows."""
    queries = embedder.embed(["hot drink", "a hot drink", "weather"])
    print("before:", *(", ".join(found) for found in lift.search(queries, k=4).ids), sep="\n    ")
    lift.feedback(queries[0], relevant_ids=["mug-saucer"], irrelevant_ids=["hotdog", "hotjar"])
    print("after feedback on the first:", *(", ".join(found) for found in lift.search(queries, k=4).ids), sep="\n    ")


if __name__ == "__main__":
    main()
