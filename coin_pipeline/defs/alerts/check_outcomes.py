"""The latest evaluation of each asset check, as the decisions need it."""

from collections.abc import Collection
from typing import NamedTuple

import dagster as dg

from coin_pipeline.alerts.decisions_checks import CheckOutcome

_UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]


class _Evaluated(NamedTuple):
    outcome: CheckOutcome
    at: float


def read_outcomes(
    instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey], after: float
) -> list[CheckOutcome]:
    """Return the latest evaluation of each check whose run has ended.

    A run that collects several markets evaluates a check after each of them, so an evaluation of an unfinished run is
    incomplete.

    Args:
        instance: The Dagster instance.
        checks: Keys of the checks.
        after: Evaluations before this time, s since the epoch, are left out.
    """
    evaluated = _latest(instance, checks)
    run_ids = {outcome.run_id for outcome, at in evaluated if outcome.run_id and at >= after}
    if not run_ids:
        return [outcome for outcome, at in evaluated if at >= after]
    unfinished = set(instance.get_run_ids(dg.RunsFilter(run_ids=[*run_ids], statuses=_UNFINISHED)))
    return [outcome for outcome, at in evaluated if at >= after and outcome.run_id not in unfinished]


def _latest(instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey]) -> list[_Evaluated]:
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key([*checks])
    found = []
    for key, record in records.items():
        evaluation = record.evaluation
        if isinstance(evaluation, dg.AssetCheckEvaluation):  # not one that is planned only
            outcome = CheckOutcome(
                asset="/".join(key.asset_key.path),
                check=key.name,
                passed=evaluation.passed,
                is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
                description=evaluation.description or "",
                run_id=record.run_id,
                evaluation_id=str(record.id),
            )
            found.append(_Evaluated(outcome, record.create_timestamp))
    return found
