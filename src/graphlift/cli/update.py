"""``graphlift update``: documents changed."""

from __future__ import annotations

from graphlift.cli.console import say
from graphlift.cli.documents import Corpus, DocumentVectors, IdFile, read_documents
from graphlift.cli.options import Store
from graphlift.lift import open


def update(store: Store, corpus: Corpus = None, vectors: DocumentVectors = None, ids: IdFile = None) -> None:
    """Give documents of a store new texts and vectors; what they answered stays in the memory."""
    with open(store) as lift:
        documents = read_documents(lift, corpus, ids, vectors)
        lift.update(documents.ids, documents.vectors, documents.texts)
        say(f"{store}: {len(documents.ids)} updated, {len(lift.index)} documents")
