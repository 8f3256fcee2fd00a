"""What a store holds, as files."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from graphlift.errors import GraphliftError, StoreCorruptError
from graphlift.feedback import Feedback
from graphlift.graph import HnswGraph, Level
from graphlift.index.hnsw import HnswIndex
from graphlift.index.ids import Ids
from graphlift.index.removed import Removed
from graphlift.lifted import LiftedIndex
from graphlift.memory import Memory
from graphlift.metric import Metric
from graphlift.model import LiftModel, ModelConfig
from graphlift.search.similarity import Similarity
from graphlift.store.folder import read_version, write_version
from graphlift.store.former import Former
from graphlift.training.legacy import Legacy
from graphlift.training.report import FitReport

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Snapshot:
    """One state of a `graphlift.Lift`.

    Attributes:
        index: the frozen index.
        lifted: index, model and memory that serve; None before the first fit.
        report: of the last fit.
        texts: the documents' texts, where they are known, N of them.
        embedder: what makes vectors of texts in this index's space, where it is known.
        legacy: what the last published fit leaves to the next.
        former: what served before the last published fit.
    """

    index: HnswIndex
    lifted: LiftedIndex | None = None
    report: FitReport | None = None
    texts: list[str] | None = None
    embedder: str | None = None
    legacy: Legacy | None = None
    former: Former | None = None


class _IndexContent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    metric: Metric
    M: int
    ef_construction: int
    ef_search: int

    @classmethod
    def of(cls, index: HnswIndex) -> _IndexContent:
        return cls(metric=index.metric, M=index.M, ef_construction=index.ef_construction, ef_search=index.ef_search)

    def build(self, vectors: Tensor, graph: HnswGraph, ids: Ids, removed: Removed | None = None) -> HnswIndex:
        return HnswIndex.from_graph(
            vectors.numpy(),
            graph,
            ids,
            self.metric,
            M=self.M,
            ef_construction=self.ef_construction,
            ef_search=self.ef_search,
            removed=removed,
        )


class _Content(BaseModel):
    """What the manifest says of the files."""

    model_config = ConfigDict(extra="forbid")

    index: _IndexContent
    model: ModelConfig | None = None
    similarity_scale: float = 1.0
    past_index: _IndexContent | None = None
    embedder: str | None = None
    journal: int = 0
    ewc_strength: float | None = None
    former_model: ModelConfig | None = None
    former_ewc_strength: float | None = None


def write_snapshot(path: Path, snapshot: Snapshot, journal: int = 0) -> str:
    """Make a snapshot the current version of the store at ``path``.

    Args:
        path: the store.
        snapshot: with all rows in the graph.
        journal: number of the last change in the store's journal that the snapshot contains.

    Returns:
        The name of the version.

    Raises:
        StoreError: the path holds something else, or cannot be written.
    """
    index, lifted = snapshot.index, snapshot.lifted
    content = _Content(index=_IndexContent.of(index), embedder=snapshot.embedder, journal=journal)
    if lifted is not None:
        content.model = lifted.model.config
        content.similarity_scale = lifted.model.similarity.scale
        if isinstance(lifted.past, HnswIndex):
            content.past_index = _IndexContent.of(lifted.past)
    content.ewc_strength = _strength(snapshot.legacy)
    if snapshot.former is not None:
        content.former_model = snapshot.former.model.config
        content.former_ewc_strength = _strength(snapshot.former.legacy)

    def fill(folder: Path) -> None:
        tensors = {"frozen": index.x} | _graph_tensors("frozen", index.graph)
        if index.removed.count:
            tensors["removed"] = torch.from_numpy(index.removed.mask)
        save_file(tensors, folder / "index.safetensors")
        _write_json(folder / "ids.json", index.ids.array.tolist())
        if snapshot.texts is not None:
            _write_json(folder / "texts.json", snapshot.texts)
        if snapshot.report is not None:
            (folder / "report.json").write_text(snapshot.report.model_dump_json(indent=1), encoding="utf-8")
        if lifted is not None:
            if lifted.walk_index is not index:
                tensors = {"lifted": lifted.walk_index.x, "hubness": lifted.space.hubness.all()}
                if not _same_links(lifted.walk_index.graph, index.graph):
                    tensors |= _graph_tensors("lifted", lifted.walk_index.graph)
                save_file(tensors, folder / "lifted.safetensors")
            save_file(lifted.model.state_dict(), folder / "model.safetensors")
            tensors = _memory_tensors("", lifted.memory)
            tensors |= _memory_tensors("relevant.", lifted.told.relevant)
            tensors |= _memory_tensors("irrelevant.", lifted.told.irrelevant)
            if isinstance(lifted.past, HnswIndex):
                tensors |= {"past": lifted.past.x} | _graph_tensors("past", lifted.past.graph)
            save_file(tensors, folder / "memory.safetensors")
        if snapshot.legacy is not None:
            save_file(snapshot.legacy.tensors(), folder / "legacy.safetensors")
        if snapshot.former is not None:
            save_file(snapshot.former.tensors(), folder / "former.safetensors")

    return write_version(path, content.model_dump(mode="json"), fill)


def read_snapshot(path: Path) -> tuple[Snapshot, int]:
    """The current snapshot of a store, and the number of the last change in the journal that it contains.

    Raises:
        StoreError: there is no store, or it cannot be read; see `graphlift.store.folder.read_version`.
    """
    folder, manifest = read_version(path)
    try:
        content = _Content.model_validate(manifest.content)
        tensors = load_file(folder / "index.safetensors")
        removed = Removed(tensors["removed"].numpy()) if "removed" in tensors else None
        ids = Ids(_read_json(folder / "ids.json"), None if removed is None else removed.mask)
        graph = _graph("frozen", tensors)
        graph.validate()
        index = content.index.build(tensors["frozen"], graph, ids, removed)
        lifted = None if content.model is None else _read_lifted(folder, content, content.model, index, graph)
        report, texts, legacy = (folder / name for name in ("report.json", "texts.json", "legacy.safetensors"))
        snapshot = Snapshot(
            index,
            lifted,
            FitReport.model_validate_json(report.read_bytes()) if report.name in manifest.files else None,
            _read_json(texts) if texts.name in manifest.files else None,
            content.embedder,
            Legacy.of_tensors(load_file(legacy), content.ewc_strength) if legacy.name in manifest.files else None,
            _read_former(folder, content, index),
        )
        return snapshot, content.journal
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        SafetensorError,
        ValidationError,
        GraphliftError,
    ) as error:
        raise StoreCorruptError(f"the store {path} holds files that do not fit each other: {error}") from error


def _read_lifted(
    folder: Path, content: _Content, config: ModelConfig, index: HnswIndex, graph: HnswGraph
) -> LiftedIndex:
    similarity = Similarity(index.metric, content.similarity_scale)
    model = LiftModel(index.channels, similarity, config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    model.eval()
    walk, hubness = index, None
    if (folder / "lifted.safetensors").exists():
        tensors = load_file(folder / "lifted.safetensors")
        links = _graph("lifted", tensors) if "lifted.entry_point" in tensors else graph
        walk, hubness = content.index.build(tensors["lifted"], links, index.ids, index.removed), tensors["hubness"]
    tensors = load_file(folder / "memory.safetensors")
    memory, told = _memory("", tensors), None
    if "relevant.queries" in tensors:
        told = Feedback(_memory("relevant.", tensors), _memory("irrelevant.", tensors))
    past = None
    if content.past_index is not None:
        past = content.past_index.build(tensors["past"], _graph("past", tensors), Ids.counted(len(memory)))
    return LiftedIndex(index, model, memory, walk, past, told, hubness)


def _memory_tensors(prefix: str, memory: Memory) -> Tensors:
    return {prefix + field.name: getattr(memory, field.name).contiguous() for field in fields(memory)}


def _memory(prefix: str, tensors: Tensors) -> Memory:
    return Memory(**{field.name: tensors[prefix + field.name] for field in fields(Memory)})


def _read_former(folder: Path, content: _Content, index: HnswIndex) -> Former | None:
    if content.former_model is None:
        return None
    model = LiftModel(index.channels, Similarity(index.metric, content.similarity_scale), content.former_model)
    return Former.of_tensors(load_file(folder / "former.safetensors"), model, content.former_ewc_strength)


def _strength(legacy: Legacy | None) -> float | None:
    return None if legacy is None or legacy.ewc is None else legacy.ewc.strength


def _graph_tensors(name: str, graph: HnswGraph) -> Tensors:
    tensors = {f"{name}.entry_point": torch.tensor(graph.entry_point)}
    for number, level in enumerate(graph.levels):
        tensors[f"{name}.nodes.{number}"] = torch.from_numpy(level.nodes)
        tensors[f"{name}.neighbors.{number}"] = torch.from_numpy(level.neighbors)
    return tensors


def _graph(name: str, tensors: Tensors) -> HnswGraph:
    count = sum(key.startswith(f"{name}.nodes.") for key in tensors)
    levels = [
        Level(tensors[f"{name}.nodes.{number}"].numpy(), tensors[f"{name}.neighbors.{number}"].numpy())
        for number in range(count)
    ]
    return HnswGraph(tuple(levels), int(tensors[f"{name}.entry_point"]))


def _same_links(a: HnswGraph, b: HnswGraph) -> bool:
    return a is b or (
        (a.num_levels, a.entry_point) == (b.num_levels, b.entry_point)
        and all(np.array_equal(left.neighbors, right.neighbors) for left, right in zip(a.levels, b.levels, strict=True))
    )


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
