"""Everything that one would need to do it again."""

from __future__ import annotations

from graphlift._version import __version__
from graphlift.lift import Lift
from graphlift.report.wording import counted


def facts(lift: Lift) -> dict[str, dict[str, str]]:
    """Group -> name -> value."""
    groups = {
        "Index": {
            "documents (N)": f"{len(lift.index):,}",
            "channels (C)": f"{lift.index.channels:,}",
            "metric": lift.index.metric.value,
            "M": str(lift.index.M),
            "ef_construction": str(lift.index.ef_construction),
            "ef_search": str(lift.index.ef_search),
            "embedder": lift.embedder or "not known",
        }
    }
    if lift.lifted is not None:
        memory = lift.lifted.memory
        groups["Memory"] = {
            "queries": counted(len(memory), "past query", "past queries"),
            "answers": f"{len(memory.rows):,}",
        }
    if lift.lifted is not None and lift.lifted.learned:
        model = lift.lifted.model
        groups["Model"] = {
            "query encoder": model.config.query_encoder,
            "candidates per query": f"{model.config.num_walked} walked, {model.config.num_recalled} recalled",
            "past queries per query": f"{model.config.num_past} vote, {model.config.num_past_nodes} are listened to",
            "ranker": f"{counted(model.config.num_layers, f'{model.config.conv} layer')}, "
            f"{model.config.hidden_channels} wide, {model.config.heads} heads, "
            f"messages among {model.config.num_shortlisted or 'all'} candidates",
            "rankers": str(len(model.rankers)),
            "weights": f"{sum(p.numel() for p in model.parameters()):,}",
        }
    if lift.report is not None:
        report = lift.report
        groups["Last fit"] = {
            "graphlift": __version__,
            "seed": str(report.seed),
            "training queries": f"{report.train_queries:,}",
            "held-out queries": f"{report.dev_queries:,}, {report.cold_dev_queries:,} of them cold",
            "held out": "given" if report.dev_given else "taken from training",
            "published": "yes" if report.published else "no",
            "trained again on all": "yes" if report.refitted else "no",
            "took": f"{report.seconds:.1f} s",
        }
    else:
        groups["Index"]["graphlift"] = __version__
    return groups
