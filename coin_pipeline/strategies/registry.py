"""Which strategies there are: ours, those of installed packages, and those of strategy files."""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coin_pipeline.errors import (
    InvalidParams,
    InvalidStrategyFile,
    Problem,
    UnknownStrategy,
    did_you_mean,
    format_validation_message,
)
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout
from coin_pipeline.strategies.file_watcher import FileSnapshot
from coin_pipeline.strategies.loader import describe_failure, imported_files, load_strategies, unload_modules

ENTRY_POINTS = "coin_pipeline.strategies"
BUILT_IN: tuple[type[Strategy[Any]], ...] = (VolumeLongCandle, VolumeZoneBreakout)
TYPES = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "text"}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


class StrategyRegistry:
    """Strategies by name."""

    def __init__(self, strategies: Iterable[Strategy[Any]], source: "_Source | None" = None) -> None:
        self._strategies = {strategy.name: strategy for strategy in strategies}
        self._source = source

    def current(self) -> "StrategyRegistry":
        """Return this registry, or a newer one if its strategy files, or modules beside them, hold other code by now.

        A process that lives long asks for it before each use, so that it knows the strategies that a run started now
        would use. That costs a look at each file's state; any thread may ask.

        Raises:
            InvalidStrategyFile: As `load_registry`, for what the files hold now.
        """
        return self if self._source is None else self._source.registry()

    def names(self) -> list[str]:
        """Return the registered names in alphabetical order."""
        return sorted(self._strategies)

    def get(self, name: str) -> Strategy[Any]:
        """Return the strategy of this name.

        Raises:
            UnknownStrategy: Nobody registered it.
        """
        if name not in self._strategies:
            raise UnknownStrategy(name, self.names())
        return self._strategies[name]

    def resolve(self, name: str, params: Mapping[str, Any]) -> StrategyParams:
        """Return the validated parameters of a strategy, defaults filled in.

        Raises:
            UnknownStrategy: Nobody registered the name.
            InvalidParams: A key is unknown, or a value has the wrong type or lies out of range.
        """
        params_class = self.get(name).Params
        try:
            return params_class.model_validate(dict(params))
        except ValidationError as error:
            problems = [_problem(params_class, details) for details in error.errors(include_url=False)]
            raise InvalidParams(problems) from None


def load_registry(strategy_files: Sequence[Path] = ()) -> StrategyRegistry:
    """Collect our strategies, those of installed packages (entry points) and those of strategy files.

    Raises:
        InvalidStrategyFile: A file or an entry point gives no usable strategy, or one whose name is taken.
    """
    return _Source(strategy_files).registry()


class _Source:
    """Strategy files, and the registry of what they hold; loaded again when that is something else."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files, self._lock = tuple(files), Lock()
        self._registry: StrategyRegistry | None = None
        self._watched = FileSnapshot(())

    def registry(self) -> StrategyRegistry:
        """Return the registry of what the files hold now."""
        with self._lock:
            if self._registry is None or self._watched.has_changed():
                self._registry = self._load()
            return self._registry

    def _load(self) -> StrategyRegistry:
        watched = FileSnapshot(
            self._files
        )  # as they were before they are read: an edit in between is noticed next time
        if self._registry is not None:
            unload_modules(imported_files(self._files))
        loaded = StrategyRegistry(_collected(self._files), self)
        self._watched = FileSnapshot((*self._files, *imported_files(self._files)))
        if watched.has_changed():
            self._watched = watched
        return loaded


def _collected(strategy_files: Sequence[Path]) -> Iterable[Strategy[Any]]:
    found: dict[str, Strategy[Any]] = {strategy.name: strategy() for strategy in BUILT_IN}
    for point in _installed(tuple(sys.path)):
        _register(found, point.value, _load(point))
    for path in strategy_files:
        for strategy_class in load_strategies(path):
            _register(found, path, strategy_class)
    return found.values()


@lru_cache(maxsize=8)
def _installed(_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return what installed packages offer; to read all of them takes longer than a short backtest."""
    return tuple(entry_points(group=ENTRY_POINTS))


def describe_strategy(strategy: Strategy[Any]) -> dict[str, Any]:
    """Return name, description, JSON schema of the params, and warm-up bars with default params."""
    return {
        "name": strategy.name,
        "description": inspect.cleandoc(type(strategy).__doc__ or ""),
        "params": strategy.Params.model_json_schema(),
        "warm_up_bars": strategy.warm_up_bars(strategy.Params()),
    }


def format_bounds(schema: Mapping[str, Any]) -> list[str]:
    """Return the range that a property's JSON schema allows, such as ['>= 1', '<= 500']."""
    return [f"{sign} {schema[key]}" for key, sign in BOUNDS.items() if key in schema]


def numeric_limits(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the lowest and the highest number that a property's JSON schema takes; None where there is no such number.

    Of several schemas (`int | None`) those of numbers count. An integer above 0 is 1 or more; a fraction above 0 has no
    lowest value.
    """
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") in {"integer", "number"}]
    lows = [_limit(kind, "minimum", "exclusiveMinimum", 1) for kind in kinds]
    highs = [_limit(kind, "maximum", "exclusiveMaximum", -1) for kind in kinds]
    known = [[end for end in ends if end is not None] for ends in (lows, highs)]
    complete = [ends if len(ends) == len(kinds) else [] for ends in known]
    return min(complete[0], default=None), max(complete[1], default=None)


def _limit(schema: Mapping[str, Any], included: str, excluded: str, step: int) -> float | None:
    limit: float | None = schema.get(included)
    if excluded in schema:
        limit = schema[excluded] + step if schema["type"] == "integer" else None
    return limit


def _load(point: EntryPoint) -> type[Strategy[Any]]:
    try:
        loaded = point.load()
    except Exception as error:
        raise InvalidStrategyFile(point.value, describe_failure(error, "")) from error
    if not (inspect.isclass(loaded) and issubclass(loaded, Strategy)):
        raise InvalidStrategyFile(point.value, "is not a subclass of Strategy")
    return loaded


def _register(found: dict[str, Strategy[Any]], origin: object, strategy_class: type[Strategy[Any]]) -> None:
    name = getattr(strategy_class, "name", None)
    if not (isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,63}", name)):
        reason = f"{strategy_class.__name__} needs a name of lower-case letters, digits and _, not {name!r}"
        raise InvalidStrategyFile(origin, reason)
    if name in found and type(found[name]) is not strategy_class:
        raise InvalidStrategyFile(origin, f"the name {name!r} is taken by another strategy")
    try:  # the defaults of its params and its look-back are the user's code too
        strategy = strategy_class()
        strategy.warm_up_bars(strategy.Params())
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        reason = f"{strategy_class.__name__}.Params has no valid defaults: {details}"
        raise InvalidStrategyFile(origin, reason) from error
    except Exception as error:
        why = describe_failure(error, inspect.getfile(strategy_class))
        reason = f"{strategy_class.__name__} does not work with default params: {why}"
        raise InvalidStrategyFile(origin, reason) from error
    found[name] = strategy


def _problem(params_class: type[StrategyParams], details: ErrorDetails) -> Problem:
    message = format_validation_message(details["msg"])
    if not details["loc"]:
        return Problem("params", message)
    key = str(details["loc"][0])
    known = list(params_class.model_fields)
    if details["type"] == "extra_forbidden":
        printable = key if key.isidentifier() else ascii(key)
        message = f"is not a parameter{did_you_mean(key, known)}; known are {', '.join(known) or 'none'}"
        return Problem(f"params.{printable[:80]}", message)
    field = ".".join(str(part) for part in ("params", *details["loc"]))
    accepted = _accepted(params_class.model_json_schema()["properties"].get(key, {}))
    return Problem(field, f"{message[0].lower()}{message[1:]}, not {details['input']!r:.80}{accepted}")


def _accepted(schema: Mapping[str, Any]) -> str:
    """Say in words what a property's JSON schema takes; nothing for a type that has no words here."""
    if schema.get("type") not in TYPES:
        return ""
    bounds = " and".join(f" {bound}" for bound in format_bounds(schema))
    return f"; it takes {TYPES[schema['type']]}{bounds} (default {schema['default']!r})"
