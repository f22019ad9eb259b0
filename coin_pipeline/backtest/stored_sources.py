"""The parsed sources of this package on disk, next to its compiled modules: parsing them takes half a second.

An entry is used only while the file has the inode, the times and the size with which it was parsed, by the same parser
and version of Python. Where the folder is not writable, each process parses the files once.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import coin_pipeline
from coin_pipeline.backtest import source_file
from coin_pipeline.backtest.source_file import FileState, Source, read_source
from coin_pipeline.storage.atomic import atomic_write

_PACKAGE = Path(coin_pipeline.__file__).parent
_SETTLED_NS = 2_000_000_000
"""A file that was changed later than this before it was parsed may change again without another time stamp."""


class StoredSources:
    """Sources by file, with those that an earlier process has parsed.

    Args:
        package: Folder of the files that are stored.
        file: Where they are stored.
        settled_ns: Age from which a file is stored, ns.
    """

    def __init__(self, package: Path, file: Path, settled_ns: int = _SETTLED_NS) -> None:
        self._package = package
        self._file = file
        self._settled_ns = settled_ns
        self._parser = f"{sys.version} {hashlib.sha256(Path(source_file.__file__).read_bytes()).hexdigest()}"
        self._entries: dict[str, Any] = self._load()
        self._has_new = False

    def read(self, path: Path, state: FileState) -> Source:
        """Return the source of a file in its current state.

        Raises:
            InvalidStrategyFile: It is not Python.
            StorageFailed: It cannot be read.
        """
        name = os.path.relpath(path, self._package)
        known = self._entries.get(name)
        if known and known["state"] == [*state]:
            imports = tuple((dots, module, tuple(names)) for dots, module, names in known["imports"])
            return Source(known["digest"], imports, tuple(known["files"]))
        source = read_source(path, state)
        if (
            path.is_relative_to(self._package)
            and time.time_ns() - max(state.modified_ns, state.changed_ns) > self._settled_ns
        ):
            stored = {"digest": source.digest, "imports": source.imports, "files": source.files}
            self._entries[name] = {"state": [*state], **stored}
            self._has_new = True
        return source

    def save(self) -> None:
        """Store what was parsed, if the folder is writable."""
        if self._has_new:
            data = json.dumps({"parser": self._parser, "sources": self._entries}).encode()
            temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            with suppress(OSError):
                self._file.parent.mkdir(exist_ok=True)
                atomic_write(self._file, data, temporary, replace=True)
        self._has_new = False

    def _load(self) -> dict[str, Any]:
        try:
            stored = json.loads(self._file.read_bytes())
            return dict(stored["sources"]) if stored["parser"] == self._parser else {}
        except (OSError, ValueError, TypeError, KeyError):
            return {}


@contextmanager
def stored_sources() -> Iterator[StoredSources]:
    """Yield the stored sources of this package; on exit, store what was parsed, if Python stores compiled modules."""
    compiled = Path(cache_from_source(coin_pipeline.__file__))
    sources = StoredSources(_PACKAGE, compiled.with_suffix(".sources.json"))
    yield sources
    if not sys.dont_write_bytecode:
        sources.save()
