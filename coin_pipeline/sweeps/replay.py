"""Computing the trials of a stored sweep again, and saying what differs: spec, candles, code, versions, or a trial."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.runner import CandleSource
from coin_pipeline.candles.fields import to_problems
from coin_pipeline.errors import InvalidSpec, LookAhead, NotReplayable, ObjectCorrupt, StrategyFailed
from coin_pipeline.results.replay import Difference, Replay, compare_inputs, first_difference
from coin_pipeline.results.store import Json, load_result, task_key
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import SweepPlan, split_into_chunks, sweep_fingerprint
from coin_pipeline.sweeps.spec import SweepSpec
from coin_pipeline.sweeps.trials import trials_digest

_BLOCK = 10_000
"""Rows that are compared at once."""


def is_sweep(document: Json) -> bool:
    """Tell the document of a sweep from that of a backtest."""
    return str(document.get("version")).startswith("sweep")


def replay_sweep(store: ObjectStore, catalog: CandleSource, registry: StrategyRegistry, run_id: str) -> Replay:
    """Evaluate every point of a stored sweep with the candles, the code and the packages that are here now.

    The digests in what is returned are those of the trials. Nothing that is stored is read in their place, or changed.

    Raises:
        ResultNotFound: nothing complete is stored under `run_id`.
        NotReplayable: the document does not say from what the sweep was computed.
        ObjectCorrupt: document or trials are not what their own digests say.
        CandlesNotFound: a symbol's candles are gone.
        UnknownStrategy: the strategy is not registered here.
        InvalidSpec: the spec is one of another release.
    """
    told = load_result(store, run_id)
    said: Json = told.get("fingerprint", {})
    if not is_sweep(told) or "modules" not in said:
        raise NotReplayable(run_id, told.get("version", "1.0"))
    trials = pq.read_table(pa.BufferReader(store.get(task_key(run_id, told["trials"]["file"]))))
    if (trials_digest(trials), digest_of(told["spec"])) != (told["trials"]["sha256"], said["spec"]):
        raise ObjectCorrupt(run_id, "the sweep is not what its own digests say, so it was changed after the run")
    spec = _spec_of(told)
    planned = split_into_chunks(catalog, registry, spec)
    candles = {each.symbol: each.sha256 for each in planned.chunks[0].candles}
    now = sweep_fingerprint(spec, candles, registry.get(spec.strategy))
    inputs = (
        *compare_inputs("spec", told["spec"], spec.model_dump(mode="json")),
        *compare_inputs("candles", said["candles"], candles),
        *compare_inputs("code", said["modules"], now["modules"]),
        *compare_inputs("versions", said["versions"], now["versions"]),
    )
    digest = told["trials"]["sha256"]
    try:
        again = _computed(catalog, registry, planned)
    except (InvalidSpec, LookAhead, StrategyFailed) as error:
        return Replay(run_id, digest, None, (*inputs, Difference("result", "", digest, str(error))))
    if trials_digest(again) == digest:
        return Replay(run_id, digest, digest, inputs)
    return Replay(run_id, digest, trials_digest(again), (*inputs, _first_trial(trials, again)))


def _spec_of(told: Json) -> SweepSpec:
    try:
        return SweepSpec.model_validate(told["spec"])
    except ValidationError as error:
        raise InvalidSpec(to_problems(error)) from None


def _computed(catalog: CandleSource, registry: StrategyRegistry, planned: SweepPlan) -> pa.Table:
    with TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        tables = [evaluate(catalog, registry, store, chunk, os.cpu_count() or 1) for chunk in planned.chunks]
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables])


def _first_trial(said: pa.Table, now: pa.Table) -> Difference:
    """Return the first figure that differs, of the first row that does; rows are numbered in the order of the file."""
    for first in range(0, max(len(said), len(now)), _BLOCK):
        before, after = ([*enumerate(table.slice(first, _BLOCK).to_pylist(), first)] for table in (said, now))
        if before != after:
            told, found = ({str(row): trial for row, trial in rows} for rows in (before, after))
            return first_difference("trials", told, found)
    return first_difference("", said.schema.to_string(), now.schema.to_string())
