"""The code a result rests on: the modules of the engine, of the strategy and of what these import, by what they do.

Nothing is executed to find them. Imports are read from the syntax trees, and so are names of files beside a strategy
that stand in its text, be it code that it loads by path or data. What a program makes up while it runs, such as an
import by a computed name, is not seen.
"""

import ast
import hashlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from coin_pipeline import engine
from coin_pipeline.errors import InvalidStrategyFile
from coin_pipeline.storage.atomic import translate_os_errors
from coin_pipeline.strategies.base import Strategy

_PROJECT = "coin_pipeline"
_ENGINE = tuple(f"{engine.__name__}.{found.name}" for found in pkgutil.iter_modules(engine.__path__))
_RUNNER = f"{_PROJECT}.backtest.runner"  # from signals to a document
# The one knows every strategy, and the others change nothing; the other reads candles, which have their own digest.
_APART = frozenset({f"{_PROJECT}.strategies.registry", f"{_PROJECT}.market.catalog"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_FILE_NAME = re.compile(r"[\w-][\w./-]{0,200}\.\w{1,10}")
_IMPORTERS = frozenset({"import_module", "__import__"})


@dataclass(frozen=True, slots=True)
class SourceDigests:
    """Digests of modules and files by name, and the versions of the installed packages that the strategy imports."""

    modules: Mapping[str, str]
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What is kept of one file: its digest, its imports as (dots, module, names), and file names in its text."""

    digest: str
    imports: tuple[tuple[int, str, tuple[str, ...]], ...] = ()
    files: tuple[str, ...] = ()


def source_digests(strategy: Strategy[Any], *others: str) -> SourceDigests:
    """Follow the imports of the engine, of what assembles a result, of the strategy, and of other modules of ours.

    The standard library and installed packages are left out, unless it is the strategy's own package. Names are those
    of modules, and of files relative to the strategy's: the same wherever all of it lies.

    Raises:
        InvalidStrategyFile: A file is no Python, or a module beside the strategy is hidden by another of its name.
        StorageFailed: A file cannot be read.
    """
    own = type(strategy).__module__
    source = Path(inspect.getfile(type(strategy))).resolve()
    ours = {_PROJECT, _top(own)}
    waiting = [(name, _file_of(name)) for root in (*_ENGINE, _RUNNER, *others) for name in _with_parents(root)]
    waiting += [(name, source if name == own else _file_of(name)) for name in _with_parents(own)]
    seen = {name for name, _ in waiting} | _APART
    modules: dict[str, str] = {}
    packages: set[str] = set()
    while waiting:
        name, path = waiting.pop()
        if path is None:  # a namespace package, or a name in a module and no module itself
            continue
        read = _source(path)
        modules[_label(name, path)] = read.digest
        imported = _imported(read, name, path)
        installed = {top for top in map(_top, imported) if top not in ours and _is_installed(top)}
        found = [(wanted, _file_of(wanted)) for wanted in imported if _top(wanted) not in installed]
        if _top(name) != _PROJECT:
            packages |= installed
            found += [(_relative(file, source), file) for file in _files_beside(read, path) if file != source]
        if "." not in name:
            _refuse_hidden(path, map(_top, imported))
        waiting += [(wanted, file) for wanted, file in found if wanted not in seen]
        seen.update(wanted for wanted, _ in found)
    return SourceDigests(dict(sorted(modules.items())), {name: _version(name) for name in sorted(packages)})


@lru_cache(maxsize=4096)
def _imported(read: _Source, name: str, path: Path) -> tuple[str, ...]:
    """Return the absolute names that a module imports: packages, modules, and names in them that may be modules.

    Those of the standard library are left out.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for dots, module, names in read.imports:
        try:
            base = importlib.util.resolve_name("." * dots + module, package)
        except ImportError:  # more dots than packages: it raises when it runs, if it ever does
            continue
        if _top(base) not in sys.stdlib_module_names:
            found += (*_with_parents(base), *(f"{base}.{each}" for each in names))
    return tuple(found)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without executing it or its parents, which importlib's own search would."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    parent = name.rpartition(".")[0]
    if not parent:
        return importlib.util.find_spec(name)
    package = _spec(parent)
    folders = package and package.submodule_search_locations
    return PathFinder.find_spec(name, folders) if folders else None


def _file_of(name: str) -> Path | None:
    return _file_of_ours(name) if _top(name) == _PROJECT else _find(name)


@cache  # our files change, but which there are does not while a process lives
def _file_of_ours(name: str) -> Path | None:
    return _find(name)


def _find(name: str) -> Path | None:
    spec = _spec(name)
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _is_installed(top: str) -> bool:
    spec = _spec(top)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    return any(_INSTALLED & set(Path(place).parts) for place in places if place)


def _refuse_hidden(importer: Path, names: Iterable[str]) -> None:
    """Refuse a file that imports a neighbour's name and gets another module, as when two folders have one `helpers`."""
    for name in names:
        beside, loaded = importer.with_name(f"{name}.py"), _file_of(name)
        if beside != importer and beside.is_file() and loaded and not loaded.samefile(beside):
            reason = f"imports {name}, which is {loaded} and not the file beside it; give {beside.name} another name"
            raise InvalidStrategyFile(importer, reason)


def _files_beside(read: _Source, path: Path) -> list[Path]:
    return [file for name in read.files if (file := path.parent / name).is_file()]


def _relative(file: Path, source: Path) -> str:
    return Path(os.path.relpath(file, source.parent)).as_posix()


def _label(name: str, path: Path) -> str:
    """Return a module's name; for one that was loaded by path, under a name made from that path, its file's."""
    return name if path.stem in {name.rpartition(".")[2], "__init__"} or "/" in name else path.name


def _source(path: Path) -> _Source:
    with translate_os_errors(path.name):
        state = path.stat()
        return _read(path, state.st_ino, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _read(path: Path, *_version: int) -> _Source:
    data = path.read_bytes()
    if path.suffix != ".py":
        return _Source(hashlib.sha256(data).hexdigest())
    try:
        return _parsed(data)
    except (SyntaxError, ValueError) as error:
        raise InvalidStrategyFile(path, f"is no Python: {error}") from error


def _parsed(text: bytes) -> _Source:
    """Digest the syntax tree in prefix order, without positions, comments, docstrings and other idle text.

    Absent fields are left out, so that a version of Python whose trees have more of them finds the same digest.
    """
    tokens: list[str] = []
    imports: list[tuple[int, str, tuple[str, ...]]] = []
    files: list[str] = []
    stack: list[Any] = [ast.parse(text)]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.AST):
            fields = [(name, value) for name, value in ast.iter_fields(item) if value is not None and value != []]
            tokens.append(f"{type(item).__name__} {len(fields)}")
            for name, value in reversed(fields):
                stack += (value, name)
            imports += _imports_of(item)
        elif isinstance(item, list):
            kept = [each for each in item if not _is_idle_text(each)]
            tokens.append(f"[{len(kept)}")
            stack += reversed(kept)
        else:
            tokens.append(repr(item))
            if isinstance(item, str) and _FILE_NAME.fullmatch(item):
                files.append(item)
    return _Source(hashlib.sha256("\n".join(tokens).encode()).hexdigest(), tuple(imports), tuple(files))


def _imports_of(node: ast.AST) -> list[tuple[int, str, tuple[str, ...]]]:
    match node:
        case ast.Import(names=names):
            return [(0, alias.name, ()) for alias in names]
        case ast.ImportFrom(module=module, names=names, level=dots):
            return [(dots, module or "", tuple(alias.name for alias in names))]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            return [(0, name, ())] if called in _IMPORTERS and name.replace(".", "_").isidentifier() else []
    return []


def _is_idle_text(node: object) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


@cache
def _version(package: str) -> str:
    """Return the version of an installed top-level package, whose distribution most often has the same name."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        distributions = metadata.packages_distributions().get(package, [])
        return ", ".join(metadata.version(each) for each in distributions) or "unknown"
