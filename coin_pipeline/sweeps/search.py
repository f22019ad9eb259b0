"""Optuna search: points proposed in batches from the results of earlier batches."""

from collections.abc import Callable
from typing import NamedTuple

import optuna
import pyarrow as pa

from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.search_space import Dimension, PointColumns, Range, Value
from coin_pipeline.sweeps.spec import SweepSpec, ValidPoints
from coin_pipeline.sweeps.trials import objectives_of

BATCH = 16


class SearchResult(NamedTuple):
    """The outcome of a search.

    Attributes:
        tables: The trials of each batch.
        skipped: Number of proposals that violated a constraint between parameters.
        duplicates: Number of proposals that repeated an earlier one.
    """

    tables: list[pa.Table]
    skipped: int
    duplicates: int


def search(spec: SweepSpec, registry: StrategyRegistry, rows_of: Callable[[ValidPoints], pa.Table]) -> SearchResult:
    """Run an Optuna search until all trials are spent.

    A whole batch is proposed before any of its results are reported, so the proposals depend only on the seed and on
    earlier batches, never on which point finished first, and pending trials need no placeholder. The study is in
    memory: a resumed search reads its first batches from the store and continues from there.

    The sampler is the tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization",
    2011).

    Args:
        spec: The sweep.
        registry: The strategies.
        rows_of: Returns the trials of a batch, stored or new.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=spec.seed))
    tables: list[pa.Table] = []
    known: dict[tuple[Value, ...], float | None] = {}
    skipped = duplicates = 0
    for first in range(0, spec.trials or 0, BATCH):
        proposals = [study.ask() for _ in range(first, min(first + BATCH, spec.trials or 0))]
        points = [{dim.name: _suggest(trial, dim) for dim in spec.space} for trial in proposals]
        keys = [tuple(point.values()) for point in points]
        new = {key: index for index, key in reversed([*enumerate(keys)]) if key not in known}
        duplicates += len(keys) - len(new)
        indices = sorted(new.values())
        proposed = PointColumns.of(spec.space, [first + i for i in indices], [points[i] for i in indices])
        batch = spec.valid_points(registry, proposed)
        skipped += len(proposed) - len(batch)
        tables.append(rows_of(batch))
        known |= dict.fromkeys(new)
        objectives = objectives_of(tables[-1], len(spec.symbols)).tolist()
        numbers = batch.points.numbers.tolist()
        known |= {keys[number - first]: value for number, value in zip(numbers, objectives, strict=True)}
        for trial, key in zip(proposals, keys, strict=True):
            _report(study, trial, known[key])
    return SearchResult(tables, skipped, duplicates)


def _suggest(trial: optuna.Trial, dim: Dimension) -> Value:
    """Let the sampler choose a value; for listed numbers it knows their order but not their distances."""
    if isinstance(dim.values, Range):
        if dim.values.is_integer:
            return trial.suggest_int(dim.name, int(dim.values.low), int(dim.values.high))
        return trial.suggest_float(dim.name, dim.values.low, dim.values.high)
    indices = range(len(dim.values))
    if dim.is_numeric:
        return dim.values[trial.suggest_int(dim.name, 0, indices[-1])]
    return dim.values[trial.suggest_categorical(dim.name, indices)]


def _report(study: optuna.Study, trial: optuna.Trial, objective: float | None) -> None:
    if objective is None or objective != objective:  # noqa: PLR0124 - only NaN differs from itself
        study.tell(trial, state=optuna.trial.TrialState.FAIL)  # prose: ok
    else:
        study.tell(trial, objective)  # prose: ok
