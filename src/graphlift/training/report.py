"""What a fit did, and why."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from graphlift.training.history import History


class Stage(BaseModel):
    """One stage of training.

    Attributes:
        name: for people.
        history: losses and scores, an epoch each.
        seconds: wall time.
    """

    name: str
    history: History
    seconds: float


class Batch(BaseModel):
    """Queries that came between two fits, and what a later fit did to them.

    Attributes:
        queries: how many of them judged.
        before, after: their nDCG@10 by what served before that later fit and by its new version.
    """

    model_config = ConfigDict(extra="forbid")

    queries: int
    before: float
    after: float


class FitReport(BaseModel):
    """What a fit did, and why; part of the store.

    Attributes:
        published: whether the new model serves now.
        reason: one sentence on that.
        seed: of the fit.
        train_queries, dev_queries: how many were trained on, and how many were held out.
        cold_dev_queries: how many of the held-out ones share no relevant document with training.
        dev_given: whether the held-out queries were given or taken from the training queries.
        dev_ndcg: nDCG@10 of the held-out queries by what served before, by the lift alone, by the whole model.
        interval: 95 % paired bootstrap interval of the gain in nDCG@10 over what served before.
        cold_bonus: what searches add to the score of documents that answered no past query, unless told otherwise.
        cold_cost: what that costs held-out queries in nDCG@10.
        paraphrased: whether documents taught in the place of queries, too, as both are texts of one kind.
        stages: in the order of their training.
        refitted: whether lift and memory of the published model were made once more, of the held-out queries too.
        recall: share of the true 10 nearest lifted documents that the walk finds, by sample.
        past_queries: of a fit that went on: how many queries that had been learned before judged, too.
        past_ndcg: nDCG@10 of these by what served before and by the new version, without their own answers.
        past_batches: the same apart for what came before the first fit, between the first and the second, and so on.
        relinked: whether the lifted documents needed new links, because recall fell with the old ones.
        seconds: wall time of the whole fit.
    """

    model_config = ConfigDict(extra="forbid")

    published: bool
    reason: str
    seed: int
    train_queries: int
    dev_queries: int
    cold_dev_queries: int
    dev_given: bool
    dev_ndcg: dict[str, float]
    interval: tuple[float, float]
    cold_bonus: float = 0.0
    cold_cost: float = 0.0
    paraphrased: bool = False
    stages: list[Stage]
    refitted: bool = False
    recall: float | None = None
    relinked: bool = False
    past_queries: int = 0
    past_ndcg: dict[str, float] = {}
    past_batches: list[Batch] = []
    seconds: float

    def summary(self) -> str:
        """A few lines for people."""
        origin = "more were given to judge by" if self.dev_given else "more were held out"
        scores = ", ".join(f"{name} {score:.3f}" for name, score in self.dev_ndcg.items())
        lines = [
            ("Published: " if self.published else "Not published: ") + self.reason,
            f"{self.train_queries} queries trained on; {self.dev_queries} {origin} ({self.cold_dev_queries} cold).",
            f"nDCG@10 of held-out queries: {scores}.",
        ]
        if self.paraphrased:
            lines.append("Documents read like queries here: those that share an answered query taught as queries, too.")
        if self.past_queries:
            scores = ", ".join(f"{name} {score:.3f}" for name, score in self.past_ndcg.items())
            lines.append(f"nDCG@10 of {self.past_queries} queries learned before: {scores}.")
        if self.cold_bonus:
            lines.append(
                f"Documents that answered no past query get a bonus of {self.cold_bonus:g}, "
                f"which costs held-out queries {self.cold_cost:.3f} nDCG@10."
            )
        if self.recall is not None:
            links = "new links" if self.relinked else "the index's own links"
            lines.append(f"Recall@10 of the lifted walk over {links}: {self.recall:.3f}.")
        return "\n".join(lines)
