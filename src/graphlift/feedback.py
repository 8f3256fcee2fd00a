"""What people said of results outright: this answered the query, that did not."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graphlift.memory import Memory


@dataclass(frozen=True)
class Feedback:
    """Past queries with the documents that answered them, and with those that were shown and did not.

    Attributes:
        relevant: every query has at least one answer.
        irrelevant: likewise, with what did not answer in the place of answers.

    Example:
        >>> import torch
        >>> first = Feedback(Memory.of(torch.eye(2), [{1: 1.0}, {2: 1.0}]), Memory.empty(2))
        >>> later = Feedback(Memory.empty(2), Memory.of(torch.eye(2)[:1], [{1: 1.0}]))
        >>> both = first.updated(later)
        >>> both.relevant.graded(), both.irrelevant.graded()
        ([{2: 1.0}], [{1: 1.0}])
    """

    relevant: Memory
    irrelevant: Memory

    @classmethod
    def none(cls, channels: int) -> Feedback:
        """Nothing was said."""
        return cls(Memory.empty(channels), Memory.empty(channels))

    def __len__(self) -> int:
        return len(self.relevant.rows) + len(self.irrelevant.rows)

    def updated(self, later: Feedback) -> Feedback:
        """This feedback and later one; what both say of the same query and document, the later one says."""
        return Feedback(
            self.relevant.without(later.irrelevant).updated(later.relevant).answered(),
            self.irrelevant.without(later.relevant).updated(later.irrelevant).answered(),
        )

    def moved(self, rows: Tensor) -> Feedback:
        """The feedback after documents got other rows; see `Memory.moved`."""
        return Feedback(self.relevant.moved(rows).answered(), self.irrelevant.moved(rows).answered())
