"""Mixture of experts: three sets in one index

The documents of fontawesome, nl2bash and scifact together, and queries that do not say where they belong. A layer
lets the query listen to its 8 nearest documents: q' = q + W h, with h of 64 channels and 4 heads, W born zero. One
layer, or 4 experts of which a query uses one (twice with different weights of the balance loss in training). 150 steps
of contrast with 85 queries of each set. nDCG@10 on the test queries by an exact scan of all documents, one seed.
"Information" is the mutual information of expert and set as a share of the set's entropy: 1 if the expert tells the
set, 0 if it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.family.show import markdown
from benchmarks.ranking.measure import dev_score
from benchmarks.ranking.task import Task, load_task
from graphlift.graph import NeighborTable
from graphlift.nn import RuvectorConv
from graphlift.nn.experimental.experts import ExpertsConv, balance_loss

SETS, NEAREST, WIDTH, EXPERTS, STEPS, EACH, TEMPERATURE = ("fontawesome", "nl2bash", "scifact"), 8, 64, 4, 150, 85, 0.08
KINDS: dict[str, float | None] = {"one layer": None, "experts, balance 0": 0.0, "experts, balance 0.01": 0.01}


class Encoder(nn.Module):
    """A query that listens to the documents near it."""

    def __init__(self, channels: int, experts: bool) -> None:
        super().__init__()
        self.conv = ExpertsConv(channels, WIDTH, num_experts=EXPERTS, k=1) if experts else RuvectorConv(channels, WIDTH)
        self.lin_up = nn.Linear(WIDTH, channels)
        nn.init.zeros_(self.lin_up.weight)
        nn.init.zeros_(self.lin_up.bias)

    def forward(self, queries: Tensor, documents: Tensor, near: Tensor) -> Tensor:
        """Queries (B, C) of unit length, from documents (N, C) and the numbers of the nearest, (B, 8)."""
        table = NeighborTable(near, num_sources=len(documents))
        return F.normalize(queries + self.lin_up(self.conv((documents, queries), table)), dim=1)


def measure(data: Path, results: dict[str, Any]) -> Iterator[str]:
    """One piece for each kind."""
    tasks = [load_task(data / name) for name in SETS]
    documents = torch.cat([task.x for task in tasks])
    starts = [0, *torch.tensor([len(task.x) for task in tasks]).cumsum(0).tolist()]
    for kind, weight in KINDS.items():
        if kind in results:
            continue
        torch.manual_seed(0)
        encoder = Encoder(documents.shape[1], experts=weight is not None)
        fit(encoder, tasks, documents, starts, weight or 0.0)
        results[kind] = scores(encoder, tasks, documents, starts)
        yield f"{kind}: {results[kind]}"


def nearest(queries: Tensor, documents: Tensor) -> Tensor:
    """Numbers of the nearest documents, (Q, 8)."""
    return torch.cat([(part @ documents.T).topk(NEAREST).indices for part in queries.split(1024)])


def fit(encoder: Encoder, tasks: list[Task], documents: Tensor, starts: list[int], weight: float) -> None:
    """In-batch contrast, as many queries of each set a step."""
    near = [nearest(task.train.queries, documents) for task in tasks]
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3)
    for _ in range(STEPS):
        queries, table, positive = [], [], []
        for task, start, found in zip(tasks, starts, near, strict=False):
            drawn = torch.randint(len(task.train.rows), (EACH,))
            owner = task.train.query_of_answer[drawn]
            queries.append(task.train.queries[owner])
            table.append(found[owner])
            positive.append(task.train.rows[drawn] + start)
        moved = encoder(torch.cat(queries), documents, torch.cat(table))
        rows = torch.cat(positive)
        logits = moved @ documents[rows].T / TEMPERATURE
        same = (rows.unsqueeze(1) == rows) & ~torch.eye(len(rows), dtype=torch.bool)
        loss = F.cross_entropy(logits.masked_fill(same, -torch.inf), torch.arange(len(rows)))
        if isinstance(encoder.conv, ExpertsConv):
            loss = loss + weight * balance_loss(encoder.conv.route(torch.cat(queries)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def scores(encoder: Encoder, tasks: list[Task], documents: Tensor, starts: list[int]) -> dict[str, Any]:
    """nDCG@10 before and after on each set, and where its queries are sent."""
    found: dict[str, Any] = {"parameters": sum(p.numel() for p in encoder.parameters())}
    for name, task, start in zip(SETS, tasks, starts, strict=False):
        queries, near = task.test.queries, nearest(task.test.queries, documents)
        moved = encoder(queries, documents, near)
        values = [dev_score((q @ documents.T).topk(10).indices - start, task.test) for q in (queries, moved)]
        found[name] = {"frozen": values[0], "ndcg": values[1]}
        if isinstance(encoder.conv, ExpertsConv):
            sent = encoder.conv.route(queries).experts.flatten()
            found[name]["sent"] = (torch.bincount(sent, minlength=EXPERTS) / len(sent)).tolist()
    if isinstance(encoder.conv, ExpertsConv):
        found["information"] = information(torch.tensor([found[name]["sent"] for name in SETS]))
    return found


def information(sent: Tensor) -> float:
    """Mutual information of expert and set, sets counted alike, as a share of the set's entropy."""
    joint = sent / len(sent)
    apart = joint.sum(dim=0) * joint.sum(dim=1, keepdim=True)
    shared = torch.where(joint > 0, joint * (joint / apart).log(), 0.0).sum()
    return float(shared / torch.tensor(float(len(sent))).log())


def table(results: dict[str, Any]) -> str:
    """Quality of each kind, and where the queries of each set went."""
    rows, routes = [], []
    if results:
        first = next(iter(results.values()))
        rows.append(["frozen", *(f"{first[name]['frozen']:.3f}" for name in SETS), "-", "-"])
    for kind, found in results.items():
        information = f"{found['information']:.2f}" if "information" in found else "-"
        rows.append([kind, *(f"{found[name]['ndcg']:.3f}" for name in SETS), information, found["parameters"]])
        for name in SETS:
            if "sent" in found[name]:
                routes.append([kind, name, *(f"{share:.0%}" for share in found[name]["sent"])])
    quality = markdown(["queries", *SETS, "information", "parameters"], rows)
    return quality + "\n\n" + markdown(["kind", "set", *(f"expert {e + 1}" for e in range(EXPERTS))], routes)


def draw(results: dict[str, Any], figure: Figure) -> None:
    """Where the queries of each set went, a panel for each kind of routing."""
    routed = {kind: found for kind, found in results.items() if "information" in found}
    panels = figure.subplots(1, max(len(routed), 1), squeeze=False)[0]
    for axes, (kind, found) in zip(panels, routed.items(), strict=False):
        axes.imshow([found[name]["sent"] for name in SETS], vmin=0, vmax=1, cmap="Blues")
        axes.set_yticks(range(len(SETS)), SETS, fontsize=8)
        axes.set_xticks(range(EXPERTS), [f"expert {e + 1}" for e in range(EXPERTS)], fontsize=7)
        axes.set_title(kind, fontsize=9)
