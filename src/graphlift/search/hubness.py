"""How near documents are to whatever is asked: to be near a hub says little, as it is near to everything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from graphlift.growing import grown
from graphlift.search.similarity import Similarity

NEAREST = 10
"""So many of the queries that are nearest to a document say how near it is to queries at all."""
MAX_ASKED = 4096
"""So many queries are asked, by sample."""
CHUNK = 1024
"""Documents that are compared at a time."""


@dataclass(frozen=True, eq=False)
class Hubness:
    """The mean similarity of documents to those of some queries that are nearest to each, frozen and lifted.

    It is computed for documents when they are first met, and stays. With no more queries than `NEAREST` it is 0.

    Attributes:
        similarity: how vectors compare.
        documents: frozen and lifted, (N, C).
        asked: queries, frozen and lifted, (m, C).
        values: of each document the mean, frozen and lifted, and the similarity of the first query that is not in it,
            likewise; NaN where not met yet, (N, 4).

    Source: the mean similarities of cross-domain similarity local scaling, Conneau et al., "Word translation without
    parallel data" (2018).

    Example:
        >>> x = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
        >>> asked = torch.nn.functional.normalize(torch.randn(30, 8), dim=1)
        >>> from graphlift.metric import Metric
        >>> hubness = Hubness.of(Similarity(Metric.COSINE), (x, x), (asked, asked))
        >>> frozen, lifted = hubness.around(torch.tensor([[0, 4]]))
        >>> torch.allclose(frozen[0, 1], (asked @ x[4]).topk(10).values.mean())
        True
    """

    similarity: Similarity
    documents: tuple[Tensor, Tensor]
    asked: tuple[Tensor, Tensor]
    values: Tensor = field(repr=False)

    @classmethod
    def of(
        cls,
        similarity: Similarity,
        documents: tuple[Tensor, Tensor],
        asked: tuple[Tensor, Tensor],
        values: Tensor | None = None,
    ) -> Hubness:
        """The hubness of documents (N, C) among queries (m, C), either frozen and lifted; ``values`` if known."""
        unmet = _unmet(len(documents[0])) if values is None else values
        return cls(similarity, documents, asked, unmet)

    def around(
        self, rows: Tensor, queries: Tensor | None = None, to_query: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Means of documents, frozen and lifted, in the shape of ``rows``.

        Args:
            rows: of documents, (B, n).
            queries: frozen vectors of queries which must not count for their own documents, (B, C).
            to_query: their similarity to the documents, frozen and lifted, (B, n).
        """
        unmet = rows.unique()
        unmet = unmet[self.values[unmet, 0].isnan()]
        if len(unmet):
            self.values[unmet] = self._measured(unmet)
        frozen, lifted, *beyond = self.values[rows].unbind(dim=-1)
        if queries is None or to_query is None:
            return frozen, lifted
        counted = torch.tensor([bytes(query) in self._known for query in queries.numpy()]).unsqueeze(1)
        # If the query is among the nearest, the first one that is not takes its place.
        more = [((to - b).clamp(min=0) / NEAREST) * counted for to, b in zip(to_query, beyond, strict=True)]
        return frozen - more[0], lifted - more[1]

    def all(self) -> Tensor:
        """``values`` of all documents."""
        self.around(self.values[:, 0].isnan().nonzero().flatten())
        return self.values

    def extended(self, documents: tuple[Tensor, Tensor]) -> Hubness:
        """The same for documents of which the first are those of this one."""
        values = grown(self.values, _unmet(len(documents[0]) - len(self.values)))
        return replace(self, documents=documents, values=values)

    @cached_property
    def _known(self) -> set[bytes]:
        return {bytes(query) for query in self.asked[0].numpy()}

    @torch.inference_mode()
    def _measured(self, rows: Tensor) -> Tensor:
        """``values`` of some documents."""
        if len(self.asked[0]) <= NEAREST:
            return torch.tensor([0.0, 0.0, torch.inf, torch.inf]).expand(len(rows), -1)
        return torch.cat([self._nearest(chunk) for chunk in rows.split(CHUNK)])

    def _nearest(self, rows: Tensor) -> Tensor:
        means, beyond = [], []
        for documents, asked in zip(self.documents, self.asked, strict=True):
            near = self.similarity.pairwise(documents[rows], asked).topk(NEAREST + 1, dim=1).values
            means.append(near[:, :NEAREST].mean(dim=1))
            beyond.append(near[:, NEAREST])
        return torch.stack([*means, *beyond], dim=1)


def _unmet(count: int) -> Tensor:
    with torch.inference_mode(False):
        return torch.full((count, 4), torch.nan)
