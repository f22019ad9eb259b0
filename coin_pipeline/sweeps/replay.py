"""Replay of a stored sweep: recomputes its trials and reports differences in inputs and trials."""

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.candles.fields import parse_fields
from coin_pipeline.errors import InvalidSpec, LookAhead, NotDeterministic, NotReplayable, ObjectCorrupt, StrategyFailed
from coin_pipeline.results.replay import Difference, Replay, compare_inputs, differences
from coin_pipeline.results.store import Json, load_result, task_key
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import SweepPlan, candle_inputs, split_into_chunks, sweep_fingerprint
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import trials_digest

_BLOCK = 10_000
"""Rows compared at a time."""


def is_sweep(document: Json) -> bool:
    """Return whether a document is that of a sweep and not of a backtest."""
    return str(document.get("version")).startswith("sweep")


def replay_sweep(store: ObjectStore, catalog: CandleSource, registry: StrategyRegistry, run_id: str) -> Replay:
    """Evaluate every point of a stored sweep with the current candles, code and packages.

    Stored trials are neither reused nor changed.

    Returns:
        The digests of the stored and of the recomputed trials, and the differences.

    Raises:
        ResultNotFound: No complete result is stored under `run_id`.
        NotReplayable: The document does not record its inputs.
        ObjectCorrupt: The document or the trials do not match their own digests.
        CandlesNotFound: The candles of a symbol no longer exist.
        UnknownStrategy: The strategy is not registered.
        InvalidSpec: The spec is from another release.
    """
    document = load_result(store, run_id)
    stored: Json = document.get("fingerprint", {})
    if not is_sweep(document) or "modules" not in stored:
        raise NotReplayable(run_id, document.get("version", "1.0"))
    trials = pq.read_table(pa.BufferReader(store.get(task_key(run_id, document["trials"]["file"]))))
    if (trials_digest(trials), digest_of(document["spec"])) != (document["trials"]["sha256"], stored["spec"]):
        raise ObjectCorrupt(run_id, "the sweep does not match its own digests, so it was changed after the run")
    spec = parse_fields(SweepSpec, document["spec"])
    planned = split_into_chunks(catalog, registry, spec)
    candles = candle_inputs(planned.chunks[0].candles)
    now = sweep_fingerprint(spec, candles, registry.get(spec.strategy))
    inputs = (
        *compare_inputs("spec", document["spec"], spec.model_dump(mode="json")),
        *compare_inputs("candles", stored["candles"], candles),
        *compare_inputs("code", stored["modules"], now["modules"]),
        *compare_inputs("versions", stored["versions"], now["versions"]),
    )
    digest = document["trials"]["sha256"]
    try:
        recomputed = _recompute(catalog, registry, planned)
    except (InvalidSpec, LookAhead, NotDeterministic, StrategyFailed) as error:
        return Replay(run_id, digest, None, (*inputs, Difference("result", "", digest, str(error))))
    if trials_digest(recomputed) == digest:
        return Replay(run_id, digest, digest, inputs)
    return Replay(run_id, digest, trials_digest(recomputed), (*inputs, _first_difference(trials, recomputed)))


def _recompute(catalog: CandleSource, registry: StrategyRegistry, planned: SweepPlan) -> pa.Table:
    with TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        tables = [evaluate(catalog, registry, store, chunk, os.cpu_count() or 1) for chunk in planned.chunks]
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables])


def _first_difference(stored: pa.Table, current: pa.Table) -> Difference:
    """Return the first differing figure of the first differing row; rows are numbered in file order."""
    for first in range(0, max(len(stored), len(current)), _BLOCK):
        before, after = ([*enumerate(table.slice(first, _BLOCK).to_pylist(), first)] for table in (stored, current))
        if before != after:
            old, new = ({str(row): trial for row, trial in rows} for rows in (before, after))
            return replace(next(differences("trials", old, new)), kind="result")
    return next(differences("", stored.schema.to_string(), current.schema.to_string()))
