"""The model: what is trained and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, Literal, Self, cast

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from graphlift.errors import InputError
from graphlift.nn.family import DEFAULT, member
from graphlift.nn.hierarchical import HierarchicalEncoder
from graphlift.nn.ranker import SubgraphRanker
from graphlift.nn.residual import ResidualLinear
from graphlift.search.axes import FEWEST
from graphlift.search.descent import Descent
from graphlift.search.discriminant import told
from graphlift.search.familiarity import UNCHECKED
from graphlift.search.similarity import Similarity
from graphlift.search.subgraph import Subgraphs


def _known(conv: str) -> str:
    member(conv)
    return conv


class ModelConfig(BaseModel):
    """Shape of a `LiftModel`.

    Attributes:
        ranker: ``"subgraph"``, or ``"evidence"`` for what serves before the first fit: the order of the walk, and
            what past queries near say of candidates, with nothing to learn.
        query_encoder: ``"linear"``, or ``"hierarchical"`` for the walk through the index's levels on top of it.
        num_walked: candidates of a query that the walk brings.
        num_recalled: further candidates, which near past queries were answered by.
        num_past: past queries near a query that vote for candidates.
        num_past_nodes: the nearest of them, which are nodes of its subgraph, too, and are listened to.
        num_shortlisted: candidates that exchange messages, the best by what is known of each alone; all of them where
            left out.
        sketch_channels: channels of a sketch, by which near past queries are looked for, and nodes of a subgraph are
            compared with each other, at most C; where left out, 64 or as many more as the documents take
            (`graphlift.search.axes.telling_axes`).
        hidden_channels: width of a node's state in the subgraph.
        num_layers: message passing steps in the subgraph.
        heads: attention heads of a layer.
        dropout: of node states, in training.
        conv: the layer in the subgraph and in the hierarchical encoder, by its name in `graphlift.nn.family`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranker: Literal["subgraph", "evidence"] = "subgraph"
    query_encoder: Literal["linear", "hierarchical"] = "linear"
    num_walked: int = Field(default=48, ge=1)
    num_recalled: int = Field(default=16, ge=0)
    num_past: int = Field(default=32, ge=1)
    num_past_nodes: int = Field(default=32, ge=0)
    num_shortlisted: int | None = Field(default=None, ge=1)
    sketch_channels: int | None = Field(default=None, ge=1)
    hidden_channels: int = Field(default=32, ge=1)
    num_layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    conv: Annotated[str, AfterValidator(_known)] = DEFAULT

    @classmethod
    def small(cls, **others: Any) -> Self:
        """Messages among few: a search takes less time beyond its walks, for a little quality.

        Example:
            >>> ModelConfig.small(heads=2).num_shortlisted
            24
        """
        return cls(**{"num_shortlisted": 24, "num_past_nodes": 8, "dropout": 0.1} | others)


def ranker_of(config: ModelConfig) -> SubgraphRanker:
    """A fresh ranker of this shape."""
    return SubgraphRanker(
        config.hidden_channels, config.num_layers, config.heads, config.dropout, config.conv, config.num_shortlisted
    )


class Served(nn.Module):
    """What learned in one turn: maps of queries and documents, and the ranker."""

    def __init__(self, query_map: ResidualLinear, document_map: ResidualLinear, ranker: SubgraphRanker) -> None:
        super().__init__()
        self.query_map, self.document_map, self.ranker = query_map, document_map, ranker


class LiftModel(nn.Module):
    """A lift of queries and documents for the walk, and a ranker of what the walk finds.

    A fresh model ranks exactly as the frozen index does.

    Args:
        channels: width C of the index's vectors.
        similarity: the index's, without unit.
        config: shape.
        axes: of sketches (`graphlift.search.axes.axes_of_sketches`), (C, D); the first channels of all where left out,
            as weights that are loaded bring theirs.

    Attributes:
        axes: of sketches (`graphlift.search.sketches`), (C, D).
        asked: queries by which the hubness of documents is measured (`graphlift.search.hubness`), frozen, (m, C); set
            before the ranker is trained.
        familiarity_bounds: a query is strange (`graphlift.search.familiarity`) if its nearest past query is less
            similar than the first, and no more warm documents are near it than the second; set after training.
        query_map, document_map, ranker: those that learned last.
        earlier: what learned before, and still serves queries of its kind, and lifts documents of its kind.
        query_boundary, document_boundary: what tells whose turn queries and documents are, one row a turn, of weights
            and an offset, (T, C + 1); without rows all are the newest's.

    Example:
        >>> from graphlift.metric import Metric
        >>> model = LiftModel(8, Similarity(Metric.COSINE), ModelConfig())
        >>> x = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
        >>> torch.allclose(model.lift_documents(x), x)
        True
    """

    axes: Tensor
    asked: Tensor
    familiarity_bounds: Tensor
    query_boundary: Tensor
    document_boundary: Tensor

    def __init__(self, channels: int, similarity: Similarity, config: ModelConfig, axes: Tensor | None = None) -> None:
        super().__init__()
        if axes is None:
            axes = torch.eye(channels)[:, : config.sketch_channels or FEWEST].contiguous()
        self.register_buffer("axes", axes)
        self.register_buffer("asked", torch.zeros(0, channels))
        self.register_buffer("familiarity_bounds", torch.tensor(UNCHECKED))
        self.channels, self.similarity, self.config = channels, similarity, config
        self.query_map, self.document_map = ResidualLinear(channels), ResidualLinear(channels)
        walks = config.query_encoder == "hierarchical"
        self.hierarchical = HierarchicalEncoder(channels, conv=config.conv) if walks else None
        self.ranker = ranker_of(config)
        self.earlier = nn.ModuleList()
        self.register_buffer("query_boundary", torch.zeros(0, channels + 1))
        self.register_buffer("document_boundary", torch.zeros(0, channels + 1))

    @property
    def served(self) -> Served:
        """What learned last."""
        return Served(self.query_map, self.document_map, self.ranker)

    @property
    def rankers(self) -> list[SubgraphRanker]:
        """All of them, the one that learned last behind the others."""
        return [*(each.ranker for each in self._earlier), self.ranker]

    @property
    def query_maps(self) -> list[ResidualLinear]:
        """Likewise."""
        return [*(each.query_map for each in self._earlier), self.query_map]

    @property
    def document_maps(self) -> list[ResidualLinear]:
        """Likewise."""
        return [*(each.document_map for each in self._earlier), self.document_map]

    @property
    def _earlier(self) -> list[Served]:
        return cast("list[Served]", list(self.earlier))

    def take_turns(self, earlier: Sequence[Served], query_boundary: Tensor, document_boundary: Tensor) -> None:
        """Let earlier maps and rankers, as they are, serve queries and documents of their kind."""
        self.earlier = nn.ModuleList(deepcopy(each).requires_grad_(False).eval() for each in earlier)
        self.query_boundary, self.document_boundary = query_boundary, document_boundary

    def forget_turns(self) -> None:
        """Let the newest maps and ranker serve all."""
        self.take_turns([], self.query_boundary[:0], self.document_boundary[:0])

    def turn_of_queries(self, queries: Tensor) -> Tensor:
        """Which of the `query_maps` and `rankers` serves each of queries (B, C), (B,)."""
        return self._turn(queries, self.query_boundary)

    def turn_of_documents(self, documents: Tensor) -> Tensor:
        """Which of the `document_maps` lifts each of documents (N, C), (N,)."""
        return self._turn(documents, self.document_boundary)

    def _turn(self, x: Tensor, boundary: Tensor) -> Tensor:
        if not len(boundary):
            return torch.full((len(x),), len(self.earlier))
        return told(boundary, x)

    def ranker_of_one(self, subgraph: Subgraphs) -> SubgraphRanker:
        """The ranker that scores a single query."""
        return self.rankers[int(subgraph.turn)]

    def forward(self, subgraphs: Subgraphs) -> Tensor:
        """Scores of candidates (B, n), each subgraph by the ranker whose turn it is."""
        if not len(self.earlier):
            return self.ranker(subgraphs)
        scores = torch.empty_like(subgraphs.similarity)
        for number in subgraphs.turn.unique().tolist():
            own = subgraphs.turn == number
            scores[own] = self.rankers[number](subgraphs[own])
        return scores

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights, of as many turns as there are, and as many axes and queries that were asked."""
        self.axes, self.asked = (torch.empty_like(state_dict[name]) for name in ("axes", "asked"))
        names = {name.split(".")[1] for name in state_dict if name.startswith("earlier.")}
        maps = [(ResidualLinear(self.channels), ResidualLinear(self.channels)) for _ in names]
        earlier = [Served(*of_turn, ranker_of(self.config)) for of_turn in maps]
        self.take_turns(earlier, *(torch.empty_like(state_dict[f"{of}_boundary"]) for of in ("query", "document")))
        return super().load_state_dict(state_dict, *args, **kwargs)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.query_map.lin.weight.device

    def lift_documents(self, documents: Tensor) -> Tensor:
        """Documents (N, C) lifted by the maps whose turn it is."""
        unit = self.similarity.unit
        if not len(self.document_boundary):
            return self.similarity.finish(self.document_map(documents / unit) * unit)
        turn, lifted = self.turn_of_documents(documents), torch.empty_like(documents)
        for number in turn.unique().tolist():
            lifted[turn == number] = self.document_maps[number](documents[turn == number] / unit) * unit
        return self.similarity.finish(lifted)

    def lift_queries(
        self, queries: Tensor, documents: Tensor, descent: Descent | None = None, turn: int | None = None
    ) -> Tensor:
        """Lifted queries (B, C).

        Args:
            queries: in the index's space, (B, C).
            documents: the index's vectors, (N, C).
            descent: the index's levels, which an encoder that walks them must be given.
            turn: which of the `query_maps` lifts them; the last one where left out.
        """
        unit, query_map = self.similarity.unit, self.query_map if turn is None else self.query_maps[turn]
        lifted = query_map(queries / unit) * unit
        if self.hierarchical is not None:
            if descent is None:
                raise InputError("`descent` must be given to a hierarchical encoder, got None.")
            lifted = self.hierarchical(lifted, documents, descent)
        return self.similarity.finish(lifted)

    def sketch_queries(self, queries: Tensor, lifted: Tensor) -> Tensor:
        """Sketches of queries (B, C), frozen and lifted side by side, so that near in both is near in one, (B, 2 D)."""
        return torch.cat([queries @ self.axes, lifted @ self.axes], dim=1)
