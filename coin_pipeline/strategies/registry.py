"""Registry of strategies: built-in ones, those of installed packages, and those of strategy files."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coin_pipeline.errors import (
    Coded,
    InvalidParams,
    InvalidStrategyFile,
    Problem,
    UnknownStrategy,
    coded,
    did_you_mean,
    plain_number,
    validation_message,
)
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout
from coin_pipeline.strategies.entry_points import installed_strategies
from coin_pipeline.strategies.file_watcher import FileSnapshot
from coin_pipeline.strategies.loader import (
    call_warm_up_bars,
    describe_failure,
    imported_files,
    load_strategies,
    unload_modules,
)

BUILT_IN: tuple[type[Strategy[Any]], ...] = (VolumeLongCandle, VolumeZoneBreakout)
TYPES = {"integer": "an_integer", "number": "a_number", "boolean": "true_or_false", "string": "a_text"}
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


class StrategyRegistry:
    """Strategies by name."""

    def __init__(self, strategies: Iterable[Strategy[Any]], source: "_Source | None" = None) -> None:
        self._strategies = {strategy.name: strategy for strategy in strategies}
        self._source = source

    @property
    def files(self) -> tuple[Path, ...] | None:
        """The strategy files that it was loaded from; None if it was built from objects."""
        return None if self._source is None else self._source.files

    def current(self) -> "StrategyRegistry":
        """Return this registry, or a reloaded one if its strategy files or the modules they import have changed.

        Long-lived processes call this before each use, so that they see the same strategies as a run started now. The
        cost is one ``stat`` per file. It is thread-safe.

        Raises:
            InvalidStrategyFile: The current content of a file is not valid; see `load_registry`.
        """
        return self if self._source is None else self._source.registry()

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._strategies)

    def get(self, name: str) -> Strategy[Any]:
        """Return the strategy with this name.

        Raises:
            UnknownStrategy: The name is not registered.
        """
        if name not in self._strategies:
            raise UnknownStrategy(name, self.names())
        return self._strategies[name]

    def resolve(self, name: str, params: Mapping[str, Any]) -> StrategyParams:
        """Return the validated parameters of a strategy, with defaults filled in.

        Raises:
            UnknownStrategy: The name is not registered.
            InvalidParams: A key is unknown, or a value has the wrong type or is out of range.
        """
        params_class = self.get(name).Params
        try:
            return params_class.model_validate(dict(params))
        except ValidationError as error:
            problems = [_problem(params_class, details) for details in error.errors(include_url=False)]
            raise InvalidParams(problems) from None


def load_registry(strategy_files: Sequence[Path] = ()) -> StrategyRegistry:
    """Load the built-in strategies, those of installed packages (entry points) and those of strategy files.

    Raises:
        InvalidStrategyFile: A file or an entry point provides no usable strategy, or one whose name is taken.

    Example:
        >>> registry = load_registry()
        >>> registry.names()
        ['volume_long_candle', 'volume_zone_breakout']
        >>> registry.resolve("volume_long_candle", {"body_pct": 0.03}).hold_period_bars
        1
    """
    return _Source(strategy_files).registry()


class _Source:
    """Strategy files and the registry loaded from them; reloads it when their content changes."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files, self._lock = tuple(files), Lock()
        self._registry: StrategyRegistry | None = None
        self._snapshot = FileSnapshot(())

    def registry(self) -> StrategyRegistry:
        """Return the registry of the current content."""
        with self._lock:
            if self._registry is None or self._snapshot.has_changed():
                self._registry = self._load()
            return self._registry

    def _load(self) -> StrategyRegistry:
        before = FileSnapshot(self.files)  # taken before reading, so that an edit during the load is noticed later
        if self._registry is not None:
            unload_modules(imported_files(self.files))
        loaded = StrategyRegistry(_load_all(self.files), self)
        self._snapshot = FileSnapshot((*self.files, *imported_files(self.files)))
        if before.has_changed():
            self._snapshot = before
        return loaded


def _load_all(strategy_files: Sequence[Path]) -> Iterable[Strategy[Any]]:
    strategies: dict[str, Strategy[Any]] = {strategy.name: strategy() for strategy in BUILT_IN}
    for point in installed_strategies():
        _register(strategies, point.value, _load_entry_point(point))
    for path in strategy_files:
        for strategy_class in load_strategies(path):
            _register(strategies, path, strategy_class)
    return strategies.values()


def describe_strategy(strategy: Strategy[Any]) -> dict[str, Any]:
    """Return the name, description, JSON schema of the params, and warm-up bars for default params."""
    return {
        "name": strategy.name,
        "description": inspect.cleandoc(type(strategy).__doc__ or ""),
        "params": strategy.Params.model_json_schema(),
        "warm_up_bars": call_warm_up_bars(strategy, strategy.Params()),
    }


def format_bounds(schema: Mapping[str, Any]) -> list[str]:
    """Return the bounds in a property's JSON schema as text, such as ['>= 1', '<= 500']."""
    return [coded(key, limit=plain_number(schema[key])) for key in BOUNDS if key in schema]


def numeric_limits(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the lowest and the highest number that a property's JSON schema accepts; None if there is no such number.

    In a union (`int | None`), only the numeric schemas count. An integer above 0 is at least 1; a float above 0 has no
    lowest value.
    """
    numeric = [option for option in schema.get("anyOf", [schema]) if option.get("type") in {"integer", "number"}]
    lows = [_limit(option, "minimum", "exclusiveMinimum", 1) for option in numeric]
    highs = [_limit(option, "maximum", "exclusiveMaximum", -1) for option in numeric]
    known = [[limit for limit in limits if limit is not None] for limits in (lows, highs)]
    complete = [limits if len(limits) == len(numeric) else [] for limits in known]
    return min(complete[0], default=None), max(complete[1], default=None)


def _limit(schema: Mapping[str, Any], inclusive: str, exclusive: str, step: int) -> float | None:
    limit: float | None = schema.get(inclusive)
    if exclusive in schema:
        limit = schema[exclusive] + step if schema["type"] == "integer" else None
    return limit


def _load_entry_point(point: EntryPoint) -> type[Strategy[Any]]:
    try:
        loaded = point.load()
    except Exception as error:
        raise InvalidStrategyFile(point.value, describe_failure(error, "")) from error
    if not (inspect.isclass(loaded) and issubclass(loaded, Strategy)):
        raise InvalidStrategyFile(point.value, "is not a subclass of Strategy")
    return loaded


def _register(strategies: dict[str, Strategy[Any]], origin: object, strategy_class: type[Strategy[Any]]) -> None:
    name = getattr(strategy_class, "name", None)
    if not (isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,63}", name)):
        reason = f"{strategy_class.__name__} needs a name of lower-case letters, digits and _, not {name!r}"
        raise InvalidStrategyFile(origin, reason)
    if name in strategies and type(strategies[name]) is not strategy_class:
        raise InvalidStrategyFile(origin, f"the name {name!r} is taken by another strategy")
    try:  # default params and warm_up_bars are user code as well
        strategy = strategy_class()
        call_warm_up_bars(strategy, strategy.Params())
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        reason = f"{strategy_class.__name__}.Params has no valid defaults: {details}"
        raise InvalidStrategyFile(origin, reason) from error
    except Exception as error:
        failure = describe_failure(error, inspect.getfile(strategy_class))
        reason = f"{strategy_class.__name__} does not work with default params: {failure}"
        raise InvalidStrategyFile(origin, reason) from error
    strategies[name] = strategy


def _problem(params_class: type[StrategyParams], details: ErrorDetails) -> Problem:
    message = validation_message(details, with_value=False)
    if not details["loc"]:
        return Problem("params", message)
    key = str(details["loc"][0])
    known = list(params_class.model_fields)
    if details["type"] == "extra_forbidden":
        printable = key if key.isidentifier() else ascii(key)
        message = coded("not_a_parameter", hint=did_you_mean(key, known), known=", ".join(known) or "none")
        return Problem(f"params.{printable[:80]}", message)
    field = ".".join(str(part) for part in ("params", *details["loc"]))
    accepted = _accepted(params_class.model_json_schema()["properties"].get(key, {}))
    value = f"{details['input']!r:.80}"
    return Problem(field, coded("invalid_parameter", message=_uncapitalized(message), value=value, accepted=accepted))


def _uncapitalized(message: str) -> str:
    text = f"{message[0].lower()}{message[1:]}"
    return Coded(text, message.code, message.values) if isinstance(message, Coded) else text


def _accepted(schema: Mapping[str, Any]) -> str:
    """Describe the values that a property's JSON schema accepts; empty for a type without a description."""
    if schema.get("type") not in TYPES:
        return ""
    kind, default = coded(TYPES[schema["type"]]), repr(schema["default"])
    return coded("accepted", kind=kind, bounds=_bounds(schema), default=default)


def _bounds(schema: Mapping[str, Any]) -> str:
    bounds = format_bounds(schema)
    if len(bounds) > 1:
        return coded("bounds", low=bounds[0], high=bounds[-1])
    return coded("bound", only=bounds[0]) if bounds else ""
