"""``graphlift add``: more documents."""

from __future__ import annotations

from graphlift.cli.console import say
from graphlift.cli.documents import Corpus, DocumentVectors, IdFile, read_documents
from graphlift.cli.options import Store
from graphlift.lift import open


def add(store: Store, corpus: Corpus = None, vectors: DocumentVectors = None, ids: IdFile = None) -> None:
    """Add documents to a store. All of them are there when the command ends well, and none if it does not."""
    with open(store) as lift:
        documents = read_documents(lift, corpus, ids, vectors)
        lift.add(documents.vectors, documents.ids, documents.texts)
        say(f"{store}: {len(documents.ids)} added, {len(lift.index)} documents")
