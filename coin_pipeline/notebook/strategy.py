"""Strategy arguments: a registered name, a strategy file, a class or an instance."""

import re
from pathlib import Path
from typing import Any, TypeAlias

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.settings import load_settings
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.loader import load_strategies
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry

StrategyLike: TypeAlias = str | Path | Strategy[Any] | type[Strategy[Any]]


def resolve_strategy(strategy: StrategyLike) -> tuple[str, StrategyRegistry]:
    """Return the name of a strategy and a registry that holds it.

    Args:
        strategy: A registered name, the path of a strategy file that defines one strategy, a subclass of `Strategy`
            or an instance of one. A text that ends in `.py` is a path.

    Raises:
        InvalidInput: The argument is none of these, or the class has no valid name.
        InvalidStrategyFile: The file does not import or defines no strategy.
    """
    if isinstance(strategy, str) and not strategy.endswith(".py"):
        return strategy, load_registry(load_settings().coin_strategy_files)
    if isinstance(strategy, str | Path):
        strategy = _only_strategy(Path(strategy))
    if isinstance(strategy, type) and issubclass(strategy, Strategy):
        strategy = strategy()
    if not isinstance(strategy, Strategy):
        raise _invalid("pass a registered name, the path of a strategy file, or a subclass of Strategy")
    name = getattr(strategy, "name", None)
    if not (isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,63}", name)):
        raise _invalid(f"{type(strategy).__name__} needs a name of lower-case letters, digits and _, not {name!r}")
    return name, StrategyRegistry([strategy])


def _only_strategy(path: Path) -> type[Strategy[Any]]:
    classes = load_strategies(path)
    if len(classes) > 1:
        names = ", ".join(kind.__name__ for kind in classes)
        raise _invalid(f"{path.name} defines several strategies ({names}); import one and pass the class")
    return classes[0]


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput([Problem("strategy", reason)])
