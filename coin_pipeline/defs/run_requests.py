"""Submissions in Dagster's words: which job, with which config, under which tags."""

from dataclasses import dataclass
from typing import Any, Literal

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea
from coin_pipeline.candles.refresh_spec import RefreshSpec
from coin_pipeline.defs.candles.config import PLAN_OP
from coin_pipeline.orchestration.executors import QUIET_LOGGERS
from coin_pipeline.orchestration.run_tags import EXCHANGE_TAG, POINTS_TAG, SERIES_TAG, SPEC_TAG
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.sweeps.spec import SweepSpec


@dataclass(frozen=True, slots=True)
class RunSubmission:
    """What a run is made from.

    Attributes:
        job: Name of the job.
        config: Its run config.
        tags: By which people find the run in the UI, and by which a repeated submission knows its run.
    """

    job: Literal["backtest", "sweep", "retention", "refresh_candles"]
    config: dict[str, Any]
    tags: dict[str, str]


def backtest_submission(spec: BacktestSpec, shelf: ResultArea) -> RunSubmission:
    """Return what makes Dagster run a backtest."""
    asked = {**spec.model_dump(mode="json"), "min_coverage": spec.min_coverage}
    config = {"load_candles": {"config": {**asked, "shelf": shelf}}}
    return RunSubmission("backtest", {"ops": config, "loggers": QUIET_LOGGERS}, _tags(spec))


def sweep_submission(
    request: SweepRequest, spec: SweepSpec, *, workers: int | None = None, fresh: bool = False
) -> RunSubmission:
    """Return what makes Dagster run the sweep that `request` resolves to."""
    config = {
        "plan_sweep": {"config": {**request.model_dump(mode="json"), "min_coverage": request.min_coverage}},
        "evaluate_chunk": {"config": {"workers": workers, "fresh": fresh}},
    }
    return RunSubmission(
        "sweep", {"ops": config, "loggers": QUIET_LOGGERS}, {**_tags(spec), POINTS_TAG: str(len(spec.points()))}
    )


def retention_submission(*, dry_run: bool) -> RunSubmission:
    """Return what makes Dagster remove what is no longer kept, or only find it."""
    config = {"remove_expired": {"config": {"dry_run": dry_run}}}
    return RunSubmission("retention", {"ops": config, "loggers": QUIET_LOGGERS}, {})


def refresh_submission(spec: RefreshSpec) -> RunSubmission:
    """Return what makes Dagster collect candles."""
    asked = spec.model_dump(mode="json")
    tags = {SPEC_TAG: digest_of(asked), EXCHANGE_TAG: spec.exchange, SERIES_TAG: str(len(spec.series))}
    return RunSubmission("refresh_candles", {"ops": {PLAN_OP: {"config": asked}}, "loggers": QUIET_LOGGERS}, tags)


def _tags(spec: BacktestSpec) -> dict[str, str]:
    return {SPEC_TAG: _asked(spec), "coin/strategy": spec.strategy, "coin/timeframe": spec.timeframe}


def _asked(spec: BacktestSpec) -> str:
    """Return the digest of a submission: who asks again with another `min_coverage` may be admitted this time."""
    usual = spec.min_coverage == BacktestRequest.model_fields["min_coverage"].default
    return spec.digest if usual else digest_of({"spec": spec.digest, "min_coverage": spec.min_coverage})
