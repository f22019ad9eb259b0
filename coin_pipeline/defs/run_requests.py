"""Submissions as Dagster runs: the job to launch, its run config and its tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea, complete_stored_spec
from coin_pipeline.backtest.symbol_excerpt import first_symbols
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import (
    CLASS_TAG,
    EXCHANGE_TAG,
    POINTS_TAG,
    SERIES_TAG,
    SPEC_TAG,
    STRATEGY_TAG,
    SYMBOLS_TAG,
    SYNC,
    TIMEFRAME_TAG,
)

if TYPE_CHECKING:  # a backtest needs neither
    from coin_pipeline.candles.refresh_spec import RefreshSpec
    from coin_pipeline.sweeps.request import SweepRequest
    from coin_pipeline.sweeps.spec import SweepSpec

JobName = Literal[
    "backtest", "sweep", "retention", "refresh_candles", "forward_test", "backup", "restore_drill", "backup_cleanup"
]


"""Symbols that a tag lists."""
PLAN_OP = "plan_refresh"
"""Name of the op that takes the config of a run."""
REQUEST_OPS: Mapping[str, str] = {"backtest": "load_candles", "sweep": "plan_sweep", "refresh_candles": PLAN_OP}
"""Name of the op whose config is the request, by job."""


@dataclass(frozen=True, slots=True)
class RunSubmission:
    """Everything a run is created from.

    Attributes:
        job: Name of the job.
        config: Its run config.
        tags: Shown in the UI; SPEC_TAG identifies a repeated submission.
    """

    job: JobName
    config: dict[str, Any]
    tags: dict[str, str]


def backtest_submission(spec: BacktestSpec, area: ResultArea) -> RunSubmission:
    """Return the submission of a backtest whose result is stored in `area`; a client waits for one in `results`."""
    fields = {**complete_stored_spec(spec.model_dump(mode="json")), "min_coverage": spec.min_coverage, "shelf": area}
    tags = _spec_tags(spec) | ({CLASS_TAG: SYNC} if area == "results" else {})
    return _submission("backtest", {REQUEST_OPS["backtest"]: fields}, tags)


def sweep_submission(
    request: "SweepRequest", spec: "SweepSpec", *, workers: int | None = None, fresh: bool = False
) -> RunSubmission:
    """Return the submission of a sweep.

    Args:
        request: The request, which the run resolves again.
        spec: What the request resolves to.
        workers: Threads per chunk; None for the default of the evaluation.
        fresh: Evaluate chunks even if their rows are already stored.
    """
    fields = {**request.model_dump(mode="json"), "min_coverage": request.min_coverage}
    ops = {REQUEST_OPS["sweep"]: fields, "evaluate_chunk": {"workers": workers, "fresh": fresh}}
    return _submission("sweep", ops, {**_spec_tags(spec), POINTS_TAG: str(len(spec.points()))})


def request_fields(job: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request in the config of a run; none if the Launchpad started it without config.

    Args:
        job: Name of the job, one of `REQUEST_OPS`.
        config: Config of the run.
    """
    fields: dict[str, Any] = config.get("ops", {}).get(REQUEST_OPS[job], {}).get("config", {})
    return fields


def retention_submission(*, dry_run: bool) -> RunSubmission:
    """Return the submission of a retention run; a dry run only reports what would be removed."""
    return _submission("retention", {"remove_expired": {"dry_run": dry_run}}, {})


def refresh_submission(spec: "RefreshSpec") -> RunSubmission:
    """Return the submission of a candle refresh."""
    fields = spec.model_dump(mode="json")
    tags = {SPEC_TAG: digest_of(fields), EXCHANGE_TAG: spec.exchange, SERIES_TAG: str(len(spec.series))}
    subject = {SYMBOLS_TAG: first_symbols(spec.symbols), TIMEFRAME_TAG: ", ".join(spec.timeframes)}
    return _submission("refresh_candles", {PLAN_OP: fields}, tags | subject)


def forward_submission(test_id: str | None) -> RunSubmission:
    """Return the submission of a run that advances one forward test, or all active ones."""
    return _submission("forward_test", {"collect_new_candles": {"test_id": test_id}}, {})


def _submission(job: JobName, op_configs: dict[str, dict[str, Any]], tags: dict[str, str]) -> RunSubmission:
    ops = {op: {"config": config} for op, config in op_configs.items()}
    return RunSubmission(job, {"ops": ops, "loggers": QUIET_LOGGERS}, tags)


def _spec_tags(spec: BacktestSpec) -> dict[str, str]:
    return {SPEC_TAG: _submission_digest(spec), **subject_tags(spec.strategy, spec.symbols, spec.timeframe)}


def subject_tags(strategy: str, symbols: Sequence[str], timeframe: str) -> dict[str, str]:
    """Return tags that the list of runs can be filtered by."""
    return {STRATEGY_TAG: strategy, SYMBOLS_TAG: first_symbols(symbols), TIMEFRAME_TAG: timeframe}


def _submission_digest(spec: BacktestSpec) -> str:
    """Return the digest of a submission; another `min_coverage` makes another submission, which may be admitted."""
    if spec.min_coverage == BacktestRequest.model_fields["min_coverage"].default:
        return spec.digest
    return digest_of({"spec": spec.digest, "min_coverage": spec.min_coverage})
