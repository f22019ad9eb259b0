"""Digests of the code behind a result: the modules of the engine and the strategy, and everything these import.

Nothing is executed to find them. Imports are read from syntax trees, as are names of files next to a strategy that
appear in its text, whether code that it loads by path or data. Names computed at run time, such as the argument of a
dynamic import, are not found.
"""

import hashlib
import importlib.util
import inspect
import json
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from coin_pipeline import engine
from coin_pipeline.backtest.source_file import FileState, Source, file_state, read_source
from coin_pipeline.backtest.stored_sources import stored_sources
from coin_pipeline.errors import InvalidStrategyFile
from coin_pipeline.strategies.base import Strategy

_PROJECT = "coin_pipeline"
_ENGINE = tuple(f"{engine.__name__}.{module.name}" for module in pkgutil.iter_modules(engine.__path__))
_RUNNER = f"{_PROJECT}.backtest.runner"  # from signals to a document
# The registry imports every strategy without changing any; candles have a digest of their own.
_EXCLUDED = frozenset({f"{_PROJECT}.strategies.registry", f"{_PROJECT}.candles.catalog"})
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class SourceDigests:
    """Digests of modules and files by name, and versions of the installed packages that the strategy imports."""

    modules: Mapping[str, str]
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Closure:
    """Modules that are reached from others.

    Attributes:
        modules: Digests by name.
        states: The files, as they were when they were read.
        packages: Installed packages that modules outside the project import.
        seen: All names that were followed.
    """

    modules: Mapping[str, str]
    states: Mapping[Path, FileState]
    packages: frozenset[str]
    seen: frozenset[str]

    def is_current(self) -> bool:
        """Return whether no file has been written since."""
        return all(file_state(path) == state for path, state in self.states.items())


_project_closures: dict[tuple[str, ...], _Closure] = {}


def source_digests(strategy: Strategy[Any], *others: str) -> SourceDigests:
    """Digest the engine, the code that assembles a result, the strategy, and everything these import.

    The standard library and installed packages are left out, unless the strategy is in one. Modules go by their names
    and other files by their paths relative to the strategy's file, so that digests do not depend on the folder.

    A strategy that is defined interactively, in a notebook, has no file: its compiled methods and the schema of its
    parameters are digested instead, without the functions that they call.

    Args:
        strategy: The strategy.
        *others: Names of further modules of this project.

    Raises:
        InvalidStrategyFile: A file is not Python, or another module has the name of one next to the strategy.
        StorageFailed: A file cannot be read.
    """
    kind = type(strategy)
    own, source = kind.__module__, _defining_file(kind)
    roots = [*_ENGINE, _RUNNER, *others]
    if source is None:
        roots += [base.__module__ for base in kind.__mro__[1:] if _top(base.__module__) == _PROJECT]
    elif _top(own) == _PROJECT:
        roots.append(own)
    closure = _project_closure(tuple(roots))
    modules = {**closure.modules}
    packages = closure.packages
    if source is None:
        modules[f"{own}:{kind.__qualname__}"] = _compiled_digest(kind)
    elif _top(own) != _PROJECT:
        custom = _custom_closure(own, source, closure.seen)
        modules.update(custom.modules)
        packages = custom.packages
    return SourceDigests(dict(sorted(modules.items())), {name: _version(name) for name in sorted(packages)})


def strategy_files(strategy: Strategy[Any]) -> tuple[Path, ...]:
    """Return the files of a strategy's code that are neither of this project nor of an installed package.

    Returns:
        The file that defines it, then those that it imports or names; empty if it is in a package.

    Raises:
        InvalidStrategyFile: A file is not Python, or another module has the name of one next to the strategy.
        StorageFailed: A file cannot be read.
    """
    own, source = type(strategy).__module__, _defining_file(type(strategy))
    if source is None or _top(own) == _PROJECT or _is_install_folder(str(source)):
        return ()
    known = _project_closure((*_ENGINE, _RUNNER)).seen
    files = {path.resolve() for path in _custom_closure(own, source, known).states} - {source}
    package = Path(engine.__file__).parents[1]
    return (source, *sorted(file for file in files if not file.is_relative_to(package)))


def _custom_closure(name: str, source: Path, excluded: frozenset[str]) -> _Closure:
    """Return what is reached from the module of a strategy outside the project."""
    start = [(parent, source if parent == name else _file_of(parent)) for parent in _with_parents(name)]
    return _follow(start, excluded, source, read_source)


def _project_closure(roots: tuple[str, ...]) -> _Closure:
    """Return what modules of this project import from it; it is determined again only if one of the files changes."""
    known = _project_closures.get(roots)
    if known is None or not known.is_current():
        start = [(name, _file_of(name)) for root in roots for name in _with_parents(root)]
        with stored_sources() as sources:
            known = _project_closures[roots] = _follow(start, _EXCLUDED, None, sources.read)
    return known


def _follow(
    pending: list[tuple[str, Path | None]],
    excluded: frozenset[str],
    source: Path | None,
    read: Callable[[Path, FileState], Source],
) -> _Closure:
    """Follow imports, and names of files next to the importer.

    Args:
        pending: Names of modules, and their files.
        excluded: Names that are not followed.
        source: File of the strategy; None if all modules are the project's.
        read: Parses a file.
    """
    first_party = {_PROJECT, *(_top(name) for name, _ in pending)}
    modules, states, packages = dict[str, str](), dict[Path, FileState](), set[str]()
    seen = {name for name, _ in pending} | excluded
    while pending:
        name, path = pending.pop()
        if path is None:  # a namespace package, or a name in a module that is not a module itself
            continue
        states[path] = file_state(path)
        parsed = read(path, states[path])
        modules[_label(name, path)] = parsed.digest
        imported = _imported(parsed, name, path)
        installed = {top for top in map(_top, imported) if top not in first_party and _is_installed(top)}
        following = [(target, _file_of(target)) for target in imported if _top(target) not in installed]
        if _top(name) != _PROJECT:
            packages |= installed
            if source is not None:
                files = [file for file in _neighbouring_files(parsed, path) if file != source]
                following += [(_relative(file, source), file) for file in files]
        if "." not in name:
            _reject_hidden(path, map(_top, imported))
        pending += [(target, file) for target, file in following if target not in seen]
        seen.update(target for target, _ in following)
    return _Closure(modules, states, frozenset(packages), frozenset(seen))


def _defining_file(kind: type[Strategy[Any]]) -> Path | None:
    """Return the file that defines a class; None if it was defined interactively."""
    signals = inspect.unwrap(kind.signals)
    if isinstance(signals, FunctionType) and not Path(signals.__code__.co_filename).is_file():
        return None
    try:
        return Path(inspect.getfile(kind)).resolve()
    except (OSError, TypeError):
        return None


def _compiled_digest(kind: type[Strategy[Any]]) -> str:
    """Digest a class by its compiled methods and the schema of its parameters."""
    methods = {name: value for name, value in sorted(vars(kind).items()) if isinstance(value, FunctionType)}
    tokens = [json.dumps(kind.Params.model_json_schema(), sort_keys=True)]
    tokens += [f"{name} {token}" for name, method in methods.items() for token in _code_tokens(method.__code__)]
    return hashlib.sha256("\n".join(tokens).encode()).hexdigest()


def _code_tokens(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_argcount))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_tokens(constant)
        else:  # the order of a set of strings differs from process to process
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


@lru_cache(maxsize=4096)
def _imported(source: Source, name: str, path: Path) -> tuple[str, ...]:
    """Return the absolute names that a module imports: packages, modules, and names in them that may be modules.

    The standard library is left out.
    """
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imported: list[str] = []
    for dots, module, names in source.imports:
        try:
            base = importlib.util.resolve_name("." * dots + module, package)
        except ImportError:  # more dots than packages: the import fails if it is ever executed
            continue
        if _top(base) not in sys.stdlib_module_names:
            imported += (*_with_parents(base), *(f"{base}.{attribute}" for attribute in names))
    return tuple(imported)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without executing it or its parents, unlike `importlib.util.find_spec`."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    parent = name.rpartition(".")[0]
    if not parent:
        return importlib.util.find_spec(name)
    package = _spec(parent)
    folders = package and package.submodule_search_locations
    return PathFinder.find_spec(name, folders) if folders else None


def _file_of(name: str) -> Path | None:
    return _project_file(name) if _top(name) == _PROJECT else _find(name)


@cache  # the project's files may be edited, but none appears or disappears while a process runs
def _project_file(name: str) -> Path | None:
    return _find(name)


def _find(name: str) -> Path | None:
    spec = _spec(name)
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _is_installed(top: str) -> bool:
    spec = _spec(top)
    locations = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    return any(_is_install_folder(location) for location in locations if location)


@cache
def _is_install_folder(location: str) -> bool:
    return not _INSTALLED.isdisjoint(Path(location).parts)


def _reject_hidden(importer: Path, names: Iterable[str]) -> None:
    """Reject a file whose import of a neighbour finds another module, as when two folders each have a `helpers`."""
    for name in names:
        neighbour, loaded = importer.with_name(f"{name}.py"), _file_of(name)
        if neighbour != importer and neighbour.is_file() and loaded and not loaded.samefile(neighbour):
            reason = f"imports {name}, which is {loaded} and not the file next to it; rename {neighbour.name}"
            raise InvalidStrategyFile(importer, reason)


def _neighbouring_files(source: Source, path: Path) -> list[Path]:
    return [file for name in source.files if (file := path.parent / name).is_file()]


def _relative(file: Path, source: Path) -> str:
    return Path(os.path.relpath(file, source.parent)).as_posix()


def _label(name: str, path: Path) -> str:
    """Return a module's name; the file's name for a module that was loaded by path, whose name contains that path."""
    return name if path.stem in {name.rpartition(".")[2], "__init__"} or "/" in name else path.name


@cache
def _version(package: str) -> str:
    """Return the version of an installed top-level package, whose distribution usually has the same name."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        distributions = metadata.packages_distributions().get(package, [])
        return ", ".join(metadata.version(distribution) for distribution in distributions) or "unknown"
