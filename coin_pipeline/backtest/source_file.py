"""A source file as digests see it: its syntax tree, its imports and the file names in its text."""

import ast
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from coin_pipeline.errors import InvalidStrategyFile
from coin_pipeline.storage.atomic import translate_os_errors

_FILE_NAME = re.compile(r"[\w-][\w./-]{0,200}\.\w{1,10}")
_IMPORTERS = frozenset({"import_module", "__import__"})


class FileState(NamedTuple):
    """What changes when a file is written: its inode, its times of modification and change in ns, its size in bytes."""

    inode: int
    modified_ns: int
    changed_ns: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file's digest, its imports as (dots, module, names), and the file names in its text."""

    digest: str
    imports: tuple[tuple[int, str, tuple[str, ...]], ...] = ()
    files: tuple[str, ...] = ()


def file_state(path: Path) -> FileState:
    """Return the current state of a file.

    Raises:
        StorageFailed: It cannot be read.
    """
    with translate_os_errors(path.name):
        state = path.stat()
    return FileState(state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size)


def read_source(path: Path, state: FileState) -> Source:
    """Return the source of a file in its current state; a file that has not changed is not read again.

    Raises:
        InvalidStrategyFile: It is not Python.
        StorageFailed: It cannot be read.
    """
    with translate_os_errors(path.name):
        return _read(path, state)


@lru_cache(maxsize=4096)
def _read(path: Path, _state: FileState) -> Source:
    data = path.read_bytes()
    if path.suffix != ".py":
        return Source(hashlib.sha256(data).hexdigest())
    try:
        return _parse(data)
    except (SyntaxError, ValueError) as error:
        raise InvalidStrategyFile(path, f"is not valid Python: {error}") from error


def _parse(text: bytes) -> Source:
    """Digest a syntax tree in prefix order, without positions, comments, docstrings and other unused strings.

    Absent fields are left out, so that a Python version whose trees have more fields finds the same digest.
    """
    tokens: list[str] = []
    imports: list[tuple[int, str, tuple[str, ...]]] = []
    files: list[str] = []
    unused: set[int] = set()  # imports for type checkers only
    stack: list[Any] = [ast.parse(text)]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.AST):
            fields = [(name, value) for name, value in ast.iter_fields(item) if value is not None and value != []]
            tokens.append(f"{type(item).__name__} {len(fields)}")
            for name, value in reversed(fields):
                stack += (value, name)
            if isinstance(item, ast.If) and getattr(item.test, "id", "") == "TYPE_CHECKING":
                unused.update(id(node) for statement in item.body for node in ast.walk(statement))
            if id(item) not in unused:
                imports += _imports_of(item)
        elif isinstance(item, list):
            kept = [node for node in item if not _is_unused_string(node)]
            tokens.append(f"[{len(kept)}")
            stack += reversed(kept)
        else:
            tokens.append(repr(item))
            if isinstance(item, str) and _FILE_NAME.fullmatch(item):
                files.append(item)
    return Source(hashlib.sha256("\n".join(tokens).encode()).hexdigest(), tuple(imports), tuple(files))


def _imports_of(node: ast.AST) -> list[tuple[int, str, tuple[str, ...]]]:
    match node:
        case ast.Import(names=names):
            return [(0, alias.name, ()) for alias in names]
        case ast.ImportFrom(module=module, names=names, level=dots):
            return [(dots, module or "", tuple(alias.name for alias in names))]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            return [(0, name, ())] if called in _IMPORTERS and name.replace(".", "_").isidentifier() else []
    return []


def _is_unused_string(node: object) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
