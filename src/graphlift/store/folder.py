"""The folder that a store is: numbered versions, a pointer to the current one, and hashes of every file.

```text
STORE/
├── CURRENT                names the version that counts; replaced in one step
└── versions/
    └── 000002/
        ├── manifest.json  format, sizes and SHA-256 of the other files, and what describes the content
        └── ...
```

A version is written under another name, flushed, renamed, and only then named by CURRENT. A process killed at any
moment leaves a store that is the old one or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from graphlift._version import __version__
from graphlift.atomic import replacing_file, sync
from graphlift.errors import StoreCorruptError, StoreError, StoreVersionError

FORMAT = 8
"""Raised whenever an older graphlift could not read what this one writes."""
ABANDONED = 3600
"""Seconds after which a half-written version counts as left behind by a killed process."""
CURRENT, VERSIONS, MANIFEST = "CURRENT", "versions", "manifest.json"


class FileEntry(BaseModel):
    """What a file of a version must be."""

    size: int
    sha256: str


class Manifest(BaseModel):
    """What a version holds.

    Attributes:
        format: number of the layout.
        graphlift: version that wrote it.
        files: every other file of the version.
        content: describes what the files mean.
    """

    model_config = ConfigDict(extra="forbid")

    format: int
    graphlift: str
    files: dict[str, FileEntry]
    content: dict[str, Any]


def is_store(path: Path) -> bool:
    """Whether a folder holds a store."""
    return (path / CURRENT).is_file()


def current_version(path: Path) -> bytes | None:
    """What names the current version, to be compared; None where there is no store."""
    try:
        return (path / CURRENT).read_bytes()
    except OSError:
        return None


def check_target(path: Path) -> None:
    """Refuse early what `write_version` could not write to.

    Raises:
        StoreError: the path holds something else, or cannot be written.
    """
    if path.exists() and not is_store(path) and (not path.is_dir() or any(path.iterdir())):
        raise StoreError(f"{path} exists and is not a graphlift store; name a new or an empty folder.")
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        raise StoreError(f"the store {path} cannot be written: {existing} is read-only.")


def write_version(path: Path, content: dict[str, Any], fill: Callable[[Path], None]) -> str:
    """Add a version to a store and make it the current one; older ones than the one before it are removed.

    Args:
        path: the store; made where it does not exist.
        content: goes into the manifest.
        fill: writes the files into the folder it is given.

    Returns:
        The name of the version.

    Raises:
        StoreError: the folder holds something else, or cannot be written.
    """
    check_target(path)
    try:
        versions = path / VERSIONS
        versions.mkdir(parents=True, exist_ok=True)
        number = max((int(p.name) for p in versions.iterdir() if p.name.isdigit()), default=0) + 1
        beside = versions / f".{uuid.uuid4().hex}"
        beside.mkdir()
        try:
            fill(beside)
            files = {file.name: _entry(file) for file in sorted(beside.iterdir())}
            manifest = Manifest(format=FORMAT, graphlift=__version__, files=files, content=content)
            (beside / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
            for file in beside.iterdir():
                sync(file)
            sync(beside)
            beside.rename(versions / f"{number:06d}")
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync(versions)
        with replacing_file(path / CURRENT) as pointer:
            digest = _sha256(versions / f"{number:06d}" / MANIFEST)
            pointer.write_text(json.dumps({"version": f"{number:06d}", "manifest": digest}), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise StoreError(f"the store {path} cannot be written: {error}.") from error
    _remove_old(versions, number)
    return f"{number:06d}"


def read_version(path: Path) -> tuple[Path, Manifest]:
    """The current version's folder and manifest, after every file was checked.

    Raises:
        StoreError: there is no store at this path, or it cannot be read.
        StoreVersionError: a newer graphlift wrote it, or one from before the first release.
        StoreCorruptError: a file is missing, truncated or altered.
    """
    if not is_store(path):
        raise StoreError(f"{path} is not a graphlift store: it has no file {CURRENT}.")
    try:
        pointer = json.loads((path / CURRENT).read_text(encoding="utf-8"))
        folder = path / VERSIONS / str(int(pointer["version"])).zfill(6)
        text = (folder / MANIFEST).read_bytes()
        if hashlib.sha256(text).hexdigest() != pointer["manifest"]:
            raise StoreCorruptError(f"{folder / MANIFEST} was altered: its hash is not the one in {CURRENT}.")
        document = json.loads(text)
        if document["format"] > FORMAT:
            raise StoreVersionError(
                f"{path} has format {document['format']}, written by graphlift {document['graphlift']}; "
                f"this graphlift {__version__} reads up to format {FORMAT}. Upgrade graphlift to read it."
            )
        if document["format"] < FORMAT:  # none of them was ever released
            raise StoreVersionError(
                f"{path} has format {document['format']}, which graphlift {__version__} no longer reads; make it anew."
            )
        manifest = Manifest.model_validate(document)
        with ThreadPoolExecutor() as pool:  # hashing waits for nobody: two large files take the time of one
            list(pool.map(_check, (folder / name for name in manifest.files), manifest.files.values()))
    except FileNotFoundError as error:
        raise StoreCorruptError(f"the store {path} is incomplete: {error.filename} is missing.") from error
    except OSError as error:
        raise StoreError(f"the store {path} cannot be read: {error}.") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise StoreCorruptError(f"the store {path} is not readable: {CURRENT} or {MANIFEST} is damaged.") from error
    return folder, manifest


def size_of_version(path: Path) -> int:
    """Bytes of the current version's files."""
    name = json.loads((path / CURRENT).read_text(encoding="utf-8"))["version"]
    return sum(file.stat().st_size for file in (path / VERSIONS / name).iterdir())


def _entry(file: Path) -> FileEntry:
    return FileEntry(size=file.stat().st_size, sha256=_sha256(file))


def _check(file: Path, expected: FileEntry) -> None:
    size = file.stat().st_size
    if size != expected.size:
        raise StoreCorruptError(f"{file} has {size} bytes, {expected.size} were written: it is truncated or foreign.")
    if _sha256(file) != expected.sha256:
        raise StoreCorruptError(f"{file} was altered: its hash is not the one in {MANIFEST}.")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _remove_old(versions: Path, number: int) -> None:
    """Keep the current version and the one before it; nothing depends on whether this succeeds."""
    for folder in versions.iterdir():
        old = folder.name.isdigit() and int(folder.name) < number - 1
        if old or (folder.name.startswith(".") and time.time() - folder.stat().st_mtime > ABANDONED):
            shutil.rmtree(folder, ignore_errors=True)
