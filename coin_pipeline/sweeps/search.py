"""Points that Optuna proposes, batch by batch, from what came of those before."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import optuna
import pyarrow as pa

from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.search_space import Dimension, Range, Value
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import NumberedPoint, objectives_of

BATCH = 16


class SearchResult(NamedTuple):
    """The rows of each batch, and how many trials broke a constraint between params or repeated an earlier one."""

    tables: list[pa.Table]
    skipped: int
    duplicates: int


def search(
    spec: SweepSpec, registry: StrategyRegistry, rows_of: Callable[[Sequence[NumberedPoint]], pa.Table]
) -> SearchResult:
    """Ask for points and tell what came of them, until all trials are spent.

    A batch is asked for as a whole before any of it is told: what is proposed depends on the seed and on the batches
    before alone, never on which point was ready first, and no stand-in for pending trials is needed. The study is in
    memory: a search that starts over gets its first batches' rows from the store, and goes on from there.

    The sampler is the tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization",
    2011).

    Args:
        spec: What is swept.
        registry: Where the strategy is.
        rows_of: Returns the rows of a batch, stored or new.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=spec.seed))
    tables: list[pa.Table] = []
    known: dict[tuple[Value, ...], float | None] = {}
    refused = repeated = 0
    for first in range(0, spec.trials or 0, BATCH):
        asked = [study.ask() for _ in range(first, min(first + BATCH, spec.trials or 0))]
        points = [{one.name: _proposed(trial, one) for one in spec.space} for trial in asked]
        keys = [tuple(point.values()) for point in points]
        new = {key: place for place, key in reversed([*enumerate(keys)]) if key not in known}
        repeated += len(keys) - len(new)
        valid = [(place, spec.valid_params(registry, points[place])) for place in sorted(new.values())]
        taken = [(first + place, points[place], params) for place, params in valid if params is not None]
        refused += len(valid) - len(taken)
        tables.append(rows_of(taken))
        known |= dict.fromkeys(new)
        found = objectives_of(tables[-1], len(spec.symbols)).tolist()
        known |= {keys[number - first]: value for (number, _, _), value in zip(taken, found, strict=True)}
        for trial, key in zip(asked, keys, strict=True):
            _tell(study, trial, known[key])
    return SearchResult(tables, refused, repeated)


def _proposed(trial: optuna.Trial, one: Dimension) -> Value:
    """Let the sampler choose a value; of listed numbers it is told the order, not the distances."""
    if isinstance(one.values, Range):
        if one.values.is_integer:
            return trial.suggest_int(one.name, int(one.values.low), int(one.values.high))
        return trial.suggest_float(one.name, one.values.low, one.values.high)
    places = range(len(one.values))
    if one.is_numeric:
        return one.values[trial.suggest_int(one.name, 0, places[-1])]
    return one.values[trial.suggest_categorical(one.name, places)]


def _tell(study: optuna.Study, trial: optuna.Trial, objective: float | None) -> None:
    if objective is None or objective != objective:  # noqa: PLR0124 - only NaN differs from itself
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, objective)
