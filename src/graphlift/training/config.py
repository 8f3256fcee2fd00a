"""Everything that a user may set about a fit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from graphlift.model import ModelConfig


class LoopConfig(BaseModel):
    """How long and how fast a stage trains: AdamW with linear warm-up and cosine decay.

    Attributes:
        epochs: passes over the examples.
        max_steps: fewer epochs where there would be more steps than this.
        batch_size: examples a step.
        lr: highest learning rate.
        weight_decay: AdamW's.
        warmup_steps: steps of linear rise.
        clip_norm: gradients are scaled down to this norm.
        patience: epochs without a better score on held-out queries before training stops early.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=1)
    max_steps: int = Field(default=600, ge=1)
    batch_size: int = Field(ge=2)
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_steps: int = Field(default=20, ge=1)
    clip_norm: float = Field(default=1.0, gt=0)
    patience: int = Field(default=5, ge=1)


class ParaphraseConfig(BaseModel):
    """How a fit goes where documents ask, too (see `graphlift.training.paraphrases`).

    They bring many more texts than there are queries, so the lift may learn longer and in finer detail.

    Attributes:
        share: of the lift's pairs in which another answer of the query asks in its place, where it has one that may.
        per_query: so many answers of each query ask in its place where the ranker learns.
        temperature: of the contrastive loss.
        lift: schedule of the lift.
        ranker: schedule of the ranker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(default=0.7, gt=0, le=1)
    per_query: int = Field(default=2, ge=0, le=16)
    temperature: float = Field(default=0.05, gt=0)
    lift: LoopConfig = LoopConfig(epochs=100, max_steps=1000, batch_size=256, lr=2e-3)
    ranker: LoopConfig = LoopConfig(epochs=5, batch_size=64, lr=5e-4, weight_decay=0.05, warmup_steps=30)


class MoreConfig(BaseModel):
    """How a fit goes on from the weights that serve.

    Attributes:
        lift: schedule of the lift.
        ranker: schedule of the ranker.
        max_ranked: the ranker learns from at most so many new queries, and as many old ones; documents that ask count.
        replay: size of the sample of old pairs that is mixed into every batch, one for each new pair; 0 for none.
        ewc: strength of the pull back to weights that old queries need (`graphlift.continual.EWC`); 0 for none.
            Importances are scaled to a mean of 1, for the lift and for the ranker.
        ewc_decay: share of the old importances that is left after another time; the weights then have one anchor
            (online EWC). Where left out, every time keeps an anchor of its own.
        turns: whether queries that a linear boundary tells from the new ones keep the maps and the ranker that served
            them, and their documents likewise.
        max_loss: old queries may lose so much nDCG@10 in the mean, by sample, and no more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lift: LoopConfig = LoopConfig(epochs=20, max_steps=300, batch_size=256, lr=6e-4)
    ranker: LoopConfig = LoopConfig(
        epochs=16, max_steps=600, batch_size=64, lr=2e-3, weight_decay=0.05, warmup_steps=30
    )
    max_ranked: int = Field(default=4000, ge=1)
    replay: int = Field(default=5000, ge=0)
    ewc: float = Field(default=0.0, ge=0)
    ewc_decay: float | None = Field(default=None, ge=0, le=1)
    turns: bool = True
    max_loss: float = Field(default=0.01, ge=0)


class FitConfig(BaseModel):
    """A fit.

    Attributes:
        model: shape of the model.
        lift: schedule of the lift of queries and documents.
        ranker: schedule of the ranker.
        temperature: of the contrastive loss.
        answers_per_query: at most so many relevant documents of a query an epoch.
        random_negatives: random documents a batch, next to the other documents of the batch.
        hard_negatives: whether each query also brings one of its own first results that is not relevant; found
            anew every epoch, at the price of a search of all training queries.
        local_weight: weight of the loss that keeps linked documents together, 0 for none.
        nested: widths of prefixes of the lifted vectors that are trained to search, too, so that vectors may be cut
            to these.
        teachers: so many rankers that hear all candidates teach one with a shortlist; one without learns by itself.
        paraphrases: how documents ask, too, where they are texts of the same kind as queries and a lift that they
            teach is better for held-out queries; None for never.
        folds: the ranker learns on candidates from lifts that were fitted without the query; so many such lifts.
        dev_fraction: share of the training queries that is held out where no dev queries are given.
        more: how a later fit goes on from this one's weights.
        confidence: how sure the gate must be that held-out queries gain, by paired bootstrap.
        cold_price: how much nDCG@10 held-out queries may lose, so that documents that nobody has asked for yet rank
            higher; the fit chooses the largest `cold_bonus` within it, none at 0, and a search can set another.
        seed: fixes every random choice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelConfig = ModelConfig()
    lift: LoopConfig = LoopConfig(epochs=20, batch_size=256, lr=6e-4)
    ranker: LoopConfig = LoopConfig(
        epochs=12, max_steps=400, batch_size=64, lr=2e-3, weight_decay=0.05, warmup_steps=30
    )
    temperature: float = Field(default=0.08, gt=0)
    answers_per_query: int = Field(default=4, ge=1)
    random_negatives: int = Field(default=1024, ge=1)
    hard_negatives: bool = False
    local_weight: float = Field(default=0.0, ge=0)
    nested: tuple[int, ...] = ()
    teachers: int = Field(default=3, ge=0)
    paraphrases: ParaphraseConfig | None = ParaphraseConfig()
    folds: int = Field(default=2, ge=2)
    dev_fraction: float = Field(default=0.15, gt=0, lt=1)
    more: MoreConfig = MoreConfig()
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    cold_price: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0, lt=2**63)
