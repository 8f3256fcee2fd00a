"""A lift's content as plain dictionaries, to compare a real one with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from graphlift.metric import Metric

CHANNELS = 5


class Plain:
    """Documents, texts and feedback of a lift under the cosine metric."""

    def __init__(self):
        self.documents, self.texts, self.relevant, self.irrelevant = {}, {}, {}, {}

    def add(self, vectors, ids, texts):
        for name, vector, text in zip(ids, prepared(vectors), texts, strict=True):
            self.documents[name], self.texts[name] = vector, text

    def remove(self, ids):
        for name in ids:
            del self.documents[name], self.texts[name]
        for said in (self.relevant, self.irrelevant):
            for documents in said.values():
                documents.difference_update(ids)

    def update(self, ids, vectors):
        for name, vector in zip(ids, prepared(vectors), strict=True):
            self.documents[name] = vector

    def feedback(self, query, relevant, irrelevant):
        key = prepared(query[None])[0].tobytes()
        good, bad = (said.setdefault(key, set()) for said in (self.relevant, self.irrelevant))
        good |= set(relevant)
        good -= set(irrelevant)
        bad |= set(irrelevant)
        bad -= set(relevant)

    def differs(self, lift):
        """What is not the same in a lift; empty if nothing is."""
        index = lift.index
        names = index.ids.array[index.removed.kept].tolist()
        rows = index.ids.rows(names)
        found = {name: vector.tobytes() for name, vector in zip(names, index.vectors[rows], strict=True)}
        texts = {name: lift.texts[row] for name, row in zip(names, rows.tolist(), strict=True)}
        wrong = []
        if found != {name: vector.tobytes() for name, vector in self.documents.items()}:
            wrong.append(("documents", sorted(found.keys() ^ self.documents.keys())))
        if texts != self.texts:
            wrong.append(("texts", texts))
        told = (None, None) if lift.lifted is None else (lift.lifted.told.relevant, lift.lifted.told.irrelevant)
        for name, memory, expected in zip(
            ("relevant", "irrelevant"), told, (self.relevant, self.irrelevant), strict=True
        ):
            said = {} if memory is None else said_in(memory, index)
            if said != {query: documents for query, documents in expected.items() if documents}:
                wrong.append((name, said))
        return wrong


def said_in(memory, index):
    """The answers of every query in a memory that has some, by ids."""
    pairs = zip(memory.queries.numpy(), memory.graded(), strict=True)
    return {query.tobytes(): {index.ids.array[row] for row in graded} for query, graded in pairs if graded}


def prepared(vectors):
    return Metric.COSINE.prepare(np.asarray(vectors, dtype=np.float32), "vectors")


def in_step(lift):
    """Whether what is kept in step equals what is computed in full (law 4)."""
    lifted = lift.lifted
    if lifted is None:
        return True
    hubness = lifted.space.hubness
    expected = lifted.lift_documents() if lifted.walk_index is not lifted.index else lifted.index.vectors
    answered, again = (
        lifted.space.answered,
        type(lifted.space.answered).of(lifted.memory, lifted.space.past_lifted, lifted.index.num_rows),
    )
    return (
        np.allclose(lifted.walk_index.vectors, expected, atol=1e-6)
        and torch.allclose(lifted.space.past_lifted, lifted.lift_queries(lifted.memory.queries), atol=1e-6)
        and torch.allclose(answered.sums[answered.place], again.sums[again.place], atol=1e-5)
        and torch.allclose(hubness.all(), replace(hubness, values=torch.full_like(hubness.values, torch.nan)).all())
        and len(lifted.space.links) == lifted.index.num_rows
        and lifted.space.frozen is lifted.index.x
        and len(lifted.past) == len(lifted.memory)
    )
