"""Documents that ask: where they are texts of the same kind as queries, one stands in for a query that it answered."""

from __future__ import annotations

import torch
from torch import Tensor

from graphlift.memory import Memory
from graphlift.sampling import fold_of, some
from graphlift.search.discriminant import discriminant, told

MIN_TEXTS = 200
"""With fewer queries, or fewer documents that answered them, nobody can tell whether they are of one kind."""
SAMPLED = 4096
"""So many of either are looked at."""
ALIKE = 0.4
"""Queries and documents are of one kind where a boundary is wrong about this share of them; a coin is about half."""
TRIES = 8
"""So many answers are drawn for a query until one may stand in for it."""
JUDGES, SILENT = -1, -2
"""Roles of documents that ask only to judge, and of those that never ask."""
JUDGING = 8
"""One of so many documents asks only to judge."""


def can_paraphrase(memory: Memory, documents: Tensor) -> bool:
    """Whether documents (N, C) may stand in for the queries that they answered.

    Most queries have another answer to ask for, and a linear boundary between queries and their documents, drawn by
    one half of either, does not tell the other half apart.

    Example:
        >>> texts = torch.randn(900, 4)
        >>> memory = Memory.of(texts[:300], [{2 * query: 1.0, 2 * query + 1: 1.0} for query in range(300)])
        >>> can_paraphrase(memory, texts[300:]), can_paraphrase(memory, texts[300:] + 3.0)
        (True, False)
    """
    answers = memory.warm_rows
    if min(len(memory), len(answers)) < MIN_TEXTS or bool((memory.counts > 1).float().mean() < 0.5):
        return False
    queries = memory.queries[some(torch.arange(len(memory)), SAMPLED, seed=0)]
    return mistaken(queries, documents[some(answers, SAMPLED, seed=0)]) >= ALIKE


def mistaken(queries: Tensor, documents: Tensor) -> float:
    """What share of queries (Q, C) and of documents (n, C) falls to the other kind, in the mean of the two.

    Half of either draws the boundary, the other halves are told apart by it.

    Source: the classifier two-sample test, Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (2017), with
    Fisher's discriminant.
    """
    generator = torch.Generator().manual_seed(0)
    halves = (x[torch.randperm(len(x), generator=generator)].chunk(2) for x in (queries, documents))
    known, new = zip(*halves, strict=True)
    kind = torch.repeat_interleave(torch.arange(2), torch.tensor([len(x) for x in known]))
    boundary = discriminant(torch.cat(known), kind, 2)
    return sum(float((told(boundary, x) != number).float().mean()) for number, x in enumerate(new)) / 2


def roles(documents: Tensor, memory: Memory, folds: int) -> Tensor:
    """What each of documents (N, C) does where documents ask, by its vector alone, (N,).

    The number of a fold, as of queries, where it teaches; `JUDGES` where it asks only to judge; `SILENT` where it is a
    past query itself, since the memory knows what it would ask for.

    Example:
        >>> texts = torch.randn(90, 4)
        >>> role = roles(texts, Memory.of(texts[:9], [{9: 1.0}] * 9), folds=2)
        >>> bool((role[:9] == SILENT).all()), sorted(set(role[9:].tolist()))
        (True, [-1, 0, 1])
    """
    part = fold_of(documents, folds * JUDGING)
    role = torch.where(part // folds == 0, JUDGES, part % folds)
    return torch.where(memory.numbers(documents) >= 0, SILENT, role)


def stand_ins(
    memory: Memory,
    queries: Tensor,
    generator: torch.Generator,
    besides: Tensor | None = None,
    may_ask: Tensor | None = None,
) -> Tensor:
    """A random answer of each of some queries, which asks in its place, (B,); -1 where none was found.

    Args:
        memory: whose answers are drawn from.
        queries: by their numbers, (B,).
        generator: fixes what is drawn.
        besides: one row for each query that it must not be, such as the answer that is asked for, (B,).
        may_ask: which documents may stand in at all, (N,); all where left out.

    Example:
        >>> memory = Memory.of(torch.eye(2), [{4: 1.0, 2: 1.0}, {2: 1.0}])
        >>> stand_ins(memory, torch.tensor([0, 1]), torch.Generator(), besides=torch.tensor([2, 2])).tolist()
        [4, -1]
    """
    found = torch.full_like(queries, -1)
    first, counts = memory.offsets[queries], memory.counts[queries]
    for _ in range(TRIES):
        draw = torch.rand(len(queries), generator=generator, dtype=torch.float64)
        rows = memory.rows[(first + (draw * counts).long()).clamp(max=len(memory.rows) - 1)]
        fit = (found < 0) & (counts > 0)
        if besides is not None:
            fit &= rows != besides
        if may_ask is not None:
            fit &= may_ask[rows]
        found = torch.where(fit, rows, found)
    return found
