"""The report as one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy.typing as npt

from graphlift.atomic import replacing_file
from graphlift.errors import InputError, require
from graphlift.evaluation.comparison import Comparison
from graphlift.lift import Lift
from graphlift.report import plots
from graphlift.report.attention import listenings
from graphlift.report.examples import Example
from graphlift.report.facts import facts
from graphlift.report.headline import MEASURES, headline, rows
from graphlift.report.life import life_of
from graphlift.report.structure import structure
from graphlift.report.wording import shortened, signed
from graphlift.store import Event
from graphlift.training.report import FitReport, Stage

TEMPLATE = "report.html.jinja"
TOP = 3
"""Results of an example that are shown."""


def write_report(
    path: str | Path,
    *,
    lift: Lift,
    comparison: Comparison | None,
    title: str,
    examples: Sequence[Example] = (),
    attention: Mapping[str, npt.ArrayLike] | None = None,
    past_texts: Sequence[str] | None = None,
    life: Sequence[Event] = (),
) -> Path:
    """Write what a fit gained and what the network listens to, as one HTML file that needs nothing else.

    The same input gives the same bytes. A killed process leaves the old file or the new one.

    Args:
        path: the file; folders that lack are made.
        lift: what serves, with the report of its last fit.
        comparison: frozen against lifted on queries that the fit has not seen, where there is one.
        title: above everything.
        examples: queries whose results are worth seeing, in any order; `pick_examples` finds some.
        attention: example queries whose subgraphs are worth seeing, text -> vector (C,); one or two are enough.
            Their relevant hits are marked where ``examples`` has the same query.
        past_texts: texts of the past queries in memory, one each, where they are known; else a past query is
            named by the documents that answered it.
        life: what happened to the store, oldest first (`graphlift.store.read_history`).

    Returns:
        The path.

    Raises:
        InputError: an argument is not what it should be; nothing is written.
        MissingExtraError: jinja2 or matplotlib is not installed.

    Example:
        >>> import tempfile, numpy as np
        >>> from graphlift.index.hnsw import HnswIndex
        >>> lift = Lift(HnswIndex.build(np.eye(4)))
        >>> path = write_report(tempfile.mkdtemp() + "/report.html", lift=lift, comparison=None, title="Cups")
        >>> "No fit yet" in path.read_text(encoding="utf-8")
        True
    """
    require("matplotlib", extra="report")
    path = _checked(Path(path), lift, comparison, title, examples, attention)
    page: dict[str, Any] = {
        "title": shortened(title),
        "headline": headline(lift, comparison),
        "measures": list(MEASURES.values()),
        "rows": [] if comparison is None else rows(comparison),
        "interval_plot": None if comparison is None else _interval_plot(comparison),
        "gain_plots": None if comparison is None else _gain_plots(comparison),
        "gains": sorted((e for e in examples if e.gain > 0), key=lambda e: -e.gain),
        "regressions": sorted((e for e in examples if e.gain < 0), key=lambda e: e.gain),
        "training": None if lift.report is None else _training(lift.report),
        "report": lift.report,
        "structure": (graph := structure(lift)),
        "level_plot": plots.levels([len(level.nodes) for level in graph.graph.levels]),
        "degree_plot": plots.degrees(graph.graph.levels[0].degrees, graph.graph.in_degrees),
        "listenings": listenings(lift, attention or {}, past_texts),
        "relevant": {example.query: example.relevant for example in examples},
        "life": life_of(life),
        "facts": facts(lift),
        "top": TOP,
    }
    html = _environment().from_string(_template()).render(page)
    try:
        with replacing_file(path) as beside:
            beside.write_bytes(html.encode("utf-8", "replace"))
    except OSError as error:
        raise InputError(f"`path` must be a file that can be written, got {str(path)!r}: {error.strerror}.") from error
    return path


@dataclass(frozen=True)
class Curve:
    """One training curve: what is drawn, of which stage, and how long that took."""

    stage: str
    measure: str
    seconds: float
    svg: str


def _training(report: FitReport) -> dict[str, Any]:
    """Curves, choices and times of a fit."""
    return {
        "curves": [curve for stage in report.stages for curve in _curves(stage)],
        "choices": plots.bars(
            list(report.dev_ndcg),
            list(report.dev_ndcg.values()),
            [f"{score:.3f}" for score in report.dev_ndcg.values()],
            strong="lift and ranker",
        )
        if report.dev_ndcg
        else None,
        "seconds": plots.bars(
            [stage.name for stage in report.stages],
            [stage.seconds for stage in report.stages],
            [f"{stage.seconds:.1f} s" for stage in report.stages],
        )
        if report.stages
        else None,
    }


def _curves(stage: Stage) -> list[Curve]:
    history = stage.history
    measures = {"training loss": history.losses, "held-out nDCG@10": history.scores}
    return [
        Curve(
            stage.name, measure, stage.seconds, plots.curve(values, history.best_epoch, rises=values is history.scores)
        )
        for measure, values in measures.items()
        if values
    ]


def _interval_plot(comparison: Comparison) -> str:
    judged = [row for row in rows(comparison) if not row.few] or rows(comparison)[:1]
    means = [row.part.lifted["nDCG@10"] - row.part.frozen["nDCG@10"] for row in judged]
    return plots.intervals([row.name for row in judged], means, [row.part.interval for row in judged])


def _gain_plots(comparison: Comparison) -> dict[str, str]:
    """The same drawing for a desk and for a phone."""
    differences = comparison.lifted_ndcg - comparison.frozen_ndcg
    return {"wide": plots.gains(differences, width=860, height=260), "narrow": plots.gains(differences)}


def _checked(
    path: Path,
    lift: Lift,
    comparison: Comparison | None,
    title: str,
    examples: Sequence[Example],
    attention: Mapping[str, npt.ArrayLike] | None,
) -> Path:
    if path.is_dir():
        raise InputError(f"`path` must be a file to write, got the folder {str(path)!r}.")
    if not isinstance(lift, Lift):
        raise InputError(f"`lift` must be a Lift, got {type(lift).__name__}.")
    if comparison is not None and not isinstance(comparison, Comparison):
        raise InputError(f"`comparison` must be a Comparison or None, got {type(comparison).__name__}.")
    if not isinstance(title, str) or not title.strip():
        raise InputError(f"`title` must be a text, got {title!r}.")
    if attention is not None and not isinstance(attention, Mapping):
        raise InputError(f"`attention` must map texts to vectors, got {type(attention).__name__}.")
    for example in examples:
        if not isinstance(example, Example):
            raise InputError(f"`examples` must be of Example, got {type(example).__name__}.")
    return path


def _environment() -> Any:
    """Jinja with autoescape on: texts of documents and queries are anybody's."""
    jinja2 = require("jinja2", extra="report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"shortened": shortened, "signed": signed}
    return environment


def _template() -> str:
    return (resources.files(__package__) / TEMPLATE).read_text(encoding="utf-8")
