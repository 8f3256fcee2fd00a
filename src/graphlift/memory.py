"""Past queries and the documents that answered them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from graphlift.errors import InputError
from graphlift.growing import grown

STRIDE = 1 << 32
"""More than any row, so that a pair (query, row) becomes the one number query * STRIDE + row."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Past queries as nodes of the graph, with links to the documents that answered them.

    The training queries of a fit are its first memory. The links are stored as one ragged list: the answers of
    query i are ``rows[offsets[i] : offsets[i + 1]]``, ascending.

    Attributes:
        queries: vectors in the index's own (frozen) space, float32 (Q, C).
        offsets: int64 (Q + 1,).
        rows: document rows of the index, int64 (E,).
        grades: how relevant each answer is, positive, float32 (E,).

    Example:
        >>> memory = Memory.of(torch.eye(3), [{4: 1.0, 2: 1.0}, {2: 1.0}, {}])
        >>> memory.answers(0).tolist(), len(memory)
        ([2, 4], 3)
        >>> memory.holds(torch.tensor([0, 1]), torch.tensor([4, 4])).tolist()
        [True, False]
    """

    queries: Tensor
    offsets: Tensor
    rows: Tensor
    grades: Tensor

    @classmethod
    def of(cls, queries: Tensor, answers: Sequence[Mapping[int, float]]) -> Memory:
        """A memory of queries (Q, C) and, for each, its relevant rows with their grades.

        Raises:
            InputError: queries and answers differ in number, or a grade is not positive.
        """
        if len(queries) != len(answers):
            raise InputError(f"`answers` must be one a query ({len(queries)}), got {len(answers)}.")
        ordered = [sorted(graded.items()) for graded in answers]
        counts = torch.tensor([0, *map(len, ordered)], dtype=torch.int64)
        rows = torch.tensor([row for graded in ordered for row, _ in graded], dtype=torch.int64)
        grades = torch.tensor([grade for graded in ordered for _, grade in graded], dtype=torch.float32)
        if len(grades) and not bool((grades > 0).all()):
            raise InputError(f"grades in `answers` must be positive, got {float(grades.min())}.")
        return cls(queries.float(), counts.cumsum(0), rows, grades)

    @classmethod
    def empty(cls, channels: int) -> Memory:
        """A memory of no query."""
        return cls.of(torch.empty(0, channels), [])

    def __len__(self) -> int:
        return len(self.queries)

    def __repr__(self) -> str:
        return f"Memory(queries={len(self)}, answers={len(self.rows)})"

    def answers(self, query: int) -> Tensor:
        """Rows of the documents that answered one query."""
        return self.rows[self.offsets[query] : self.offsets[query + 1]]

    def graded(self) -> list[dict[int, float]]:
        """The answers of every query with their grades, as `of` takes them."""
        rows, grades, offsets = self.rows.tolist(), self.grades.tolist(), self.offsets.tolist()
        return [dict(zip(rows[first:last], grades[first:last], strict=True)) for first, last in pairwise(offsets)]

    @property
    def counts(self) -> Tensor:
        """Number of answers of each query, (Q,)."""
        return self.offsets.diff()

    @cached_property
    def query_of_answer(self) -> Tensor:
        """The query that each entry of ``rows`` belongs to, (E,)."""
        return torch.repeat_interleave(torch.arange(len(self)), self.counts)

    @cached_property
    def warm_rows(self) -> Tensor:
        """Rows that answered any query, ascending."""
        return self.rows.unique()

    def answer_counts(self, num_documents: int) -> Tensor:
        """How many queries each document answered, (N,)."""
        return torch.bincount(self.rows, minlength=num_documents)

    def select(self, queries: Tensor | Iterable[int]) -> Memory:
        """The memory of some queries, by their numbers, in the given order."""
        chosen = torch.as_tensor(
            queries if isinstance(queries, Tensor | np.ndarray) else list(queries), dtype=torch.int64
        )
        entries, owner = self.entries(chosen)
        counts = torch.bincount(owner, minlength=len(chosen))
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        return Memory(self.queries[chosen], offsets, self.rows[entries], self.grades[entries])

    def pairs(self, queries: Tensor) -> Tensor:
        """All (query, row) pairs of some queries (n,), (P, 2)."""
        entries, owner = self.entries(queries)
        return torch.stack([queries[owner], self.rows[entries]], dim=1)

    def cold_to(self, other: Memory) -> int:
        """How many queries have no answer that answered a query of another memory."""
        warm = torch.isin(self.rows, other.warm_rows)
        return len(self) - len(self.query_of_answer[warm].unique())

    def entries(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """All answers of some queries (n,): places in ``rows``, and for each place which of the n it belongs to."""
        first, counts = self.offsets[queries], self.counts[queries]
        owner = torch.repeat_interleave(torch.arange(len(queries)), counts)
        within = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]
        return first[owner] + within, owner

    def extend(self, other: Memory) -> Memory:
        """This memory followed by another one."""
        if not len(other):
            return self
        return Memory(
            grown(self.queries, other.queries),
            torch.cat([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            torch.cat([self.rows, other.rows]),
            torch.cat([self.grades, other.grades]),
        )

    def merged(self) -> Memory:
        """The memory with equal queries made one, which has the answers of all of them, each with its best grade.

        Example:
            >>> memory = Memory.of(torch.ones(2, 3), [{4: 1.0}, {4: 2.0, 7: 1.0}]).merged()
            >>> len(memory), memory.rows.tolist(), memory.grades.tolist()
            (1, [4, 7], [2.0, 1.0])
        """
        if len(self) < 2:
            return self
        answers: dict[bytes, dict[int, float]] = {}
        first: list[int] = []
        for number, (query, graded) in enumerate(zip(map(bytes, self.queries.numpy()), self.graded(), strict=True)):
            if query not in answers:
                first.append(number)
            best = answers.setdefault(query, {})
            best.update({row: max(grade, best.get(row, 0.0)) for row, grade in graded.items()})
        return Memory.of(self.queries[first], list(answers.values()))

    def updated(self, other: Memory) -> Memory:
        """This memory after another, later one: where both judge a document for the same query, the later grade counts.

        Queries keep their numbers, and those that are new follow in their order.

        Example:
            >>> memory = Memory.of(torch.eye(2), [{4: 1.0}, {7: 1.0}])
            >>> later = Memory.of(torch.eye(3)[1:, :2], [{7: 2.0, 9: 1.0}, {4: 1.0}])
            >>> [graded for graded in memory.updated(later).graded()]
            [{4: 1.0}, {7: 2.0, 9: 1.0}, {4: 1.0}]
        """
        later = other.merged()
        number = self.numbers(later.queries)
        known = number >= 0
        if not known.any():
            return self.extend(later)
        new = later.select((~known).nonzero().flatten())
        again = later.select(known.nonzero().flatten())
        owner = number[known][again.query_of_answer]
        kept = ~torch.isin(self._keys, owner * STRIDE + again.rows)
        keys = torch.cat([self._keys[kept], owner * STRIDE + again.rows])
        return self._of_keys(keys, torch.cat([self.grades[kept], again.grades])).extend(new)

    def without(self, other: Memory) -> Memory:
        """This memory without the answers that another memory names for the same queries; every query stays.

        Example:
            >>> memory = Memory.of(torch.eye(2), [{4: 1.0, 7: 1.0}, {7: 1.0}])
            >>> memory.without(Memory.of(torch.eye(2)[:1], [{7: 1.0}])).graded()
            [{4: 1.0}, {7: 1.0}]
        """
        if not len(other.rows):
            return self
        number = self.numbers(other.queries)[other.query_of_answer]
        named = (number * STRIDE + other.rows)[number >= 0]
        kept = ~torch.isin(self._keys, named)
        return self._of_keys(self._keys[kept], self.grades[kept])

    def moved(self, rows: Tensor) -> Memory:
        """The memory after documents got other rows; every query stays, and answers that are gone are dropped.

        Args:
            rows: the new row of each old one, -1 where it is gone, (N,).

        Example:
            >>> memory = Memory.of(torch.eye(2), [{0: 1.0, 2: 2.0}, {1: 1.0}])
            >>> memory.moved(torch.tensor([5, -1, 3])).graded()
            [{3: 2.0, 5: 1.0}, {}]
        """
        new = rows[self.rows]
        if torch.equal(new, self.rows):
            return self
        kept = new >= 0
        return self._of_keys(self.query_of_answer[kept] * STRIDE + new[kept], self.grades[kept])

    def answered(self) -> Memory:
        """The queries that have an answer."""
        return self if bool((self.counts > 0).all()) else self.select(self.counts.nonzero().flatten())

    def numbers(self, queries: Tensor) -> Tensor:
        """The number of each query (B, C) in this memory, by its vector; -1 where it is not there, (B,)."""
        if not len(queries) or not len(self):
            return torch.full((len(queries),), -1)
        first = queries[:, 0].contiguous()
        alike = torch.isin(self.queries[:, 0], first).nonzero().flatten().tolist()  # most differ in the first channel
        number = {bytes(self.queries[place].numpy()): place for place in alike}
        return torch.tensor([number.get(bytes(query), -1) for query in queries.numpy()], dtype=torch.int64)

    def _of_keys(self, keys: Tensor, grades: Tensor) -> Memory:
        """The same queries with other answers, given as numbers like those of `_keys`, in any order."""
        keys, order = keys.sort()
        counts = torch.bincount(keys // STRIDE, minlength=len(self))
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        return Memory(self.queries, offsets, keys % STRIDE, grades[order])

    def known_to(self, other: Memory) -> Tensor:
        """Which queries another memory has too, by their vectors, (Q,)."""
        return other.numbers(self.queries) >= 0

    def holds(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Whether each query has each row as an answer; the shapes of both broadcast."""
        return self.grade(queries, rows) > 0

    def grade(self, queries: Tensor, rows: Tensor) -> Tensor:
        """The grade of each row for each query, 0 where it is no answer; the shapes of both broadcast."""
        wanted = (queries * STRIDE + rows).contiguous()
        if not len(self.rows):
            return torch.zeros(wanted.shape)
        place = torch.searchsorted(self._keys, wanted).clamp(max=len(self._keys) - 1)
        return torch.where(self._keys[place] == wanted, self.grades[place], 0.0)

    def holds_each(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Whether each of B queries has each of n rows as an answer, (B, n); faster than `holds` for whole matrices.

        Example:
            >>> memory = Memory.of(torch.eye(2), [{3: 1.0}, {5: 1.0}])
            >>> memory.holds_each(torch.tensor([0, 1]), torch.tensor([5, 3, 5])).int().tolist()
            [[0, 1, 0], [1, 0, 1]]
        """
        distinct, place = rows.unique(return_inverse=True)
        entries, owner = self.entries(queries)
        answers = self.rows[entries]
        column = torch.searchsorted(distinct, answers).clamp(max=len(distinct) - 1)
        hit = distinct[column] == answers
        held = torch.zeros(len(queries), len(distinct), dtype=torch.bool)
        held[owner[hit], column[hit]] = True
        return held[:, place]

    @cached_property
    def _keys(self) -> Tensor:
        """One ascending number for each link, as queries ascend and their rows do."""
        return self.query_of_answer * STRIDE + self.rows
