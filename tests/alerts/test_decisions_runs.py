"""Which ended runs are reported, and when their job counts as working again."""

from datetime import UTC, datetime, timedelta

import pytest

from coin_pipeline.alerts.decisions_runs import (
    EndedRun,
    FinishedRun,
    decide_ended_run,
    decide_job_recovery,
    runs_incidents,
)
from coin_pipeline.alerts.model import Incident
from coin_pipeline.alerts.texts import Writer

ENGLISH, KOREAN = Writer("en", "https://dagster.example"), Writer("ko", "https://dagster.example")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NIGHTLY = EndedRun("r1", "refresh_candles", "failed", is_scheduled=True, error="upbit is unavailable")
REQUESTED = EndedRun("r2", "backtest", "failed", is_scheduled=False, error="bad", client="10.0.0.7")


def incident(key: str, since_last: timedelta) -> Incident:
    """Return an incident whose latest alert is that old at noon."""
    return Incident(key, NOON - timedelta(days=1), NOON - since_last)


def finished(*, succeeded: bool, is_scheduled: bool = True, minutes_ago: int = 1) -> FinishedRun:
    """Return a run that ended some minutes before noon."""
    return FinishedRun("r9", succeeded, is_scheduled, NOON - timedelta(minutes=minutes_ago))


def test_an_alert_states_what_failed_on_what_why_and_what_to_do() -> None:
    """Title, error, advice, subject, steps, attempts and a link to the run."""
    run = NIGHTLY._replace(
        subject="upbit BTC_KRW", failed_steps=("collect_symbol[BTC_KRW]",), attempts=3, client="schedules"
    )
    alert = decide_ended_run(run, ENGLISH)
    assert alert
    assert alert.notification.title == "Candle collection: failed"
    assert alert.notification.message.startswith("Why: upbit is unavailable\nWhat to do: ")
    assert alert.notification.details == {
        "Job": "refresh_candles",
        "On": "upbit BTC_KRW",
        "Failed steps": "collect_symbol[BTC_KRW]",
        "Attempts": "3",
        "Run": "r1",
    }
    assert (alert.notification.link, alert.notification.level) == ("https://dagster.example/runs/r1", "error")


def test_an_alert_in_korean_quotes_the_error_as_it_is() -> None:
    """Labels and advice are Korean; the error is the op's."""
    alert = decide_ended_run(NIGHTLY, KOREAN)
    assert alert
    assert alert.notification.title == "캔들 수집 실패"
    assert alert.notification.message.startswith("원인: upbit is unavailable\n조치: ")
    assert alert.notification.details["작업"] == "refresh_candles"


def test_many_failed_steps_are_counted() -> None:
    """A collection of hundreds of markets fits into a message."""
    alert = decide_ended_run(NIGHTLY._replace(failed_steps=tuple(f"s{n}" for n in range(9))), ENGLISH)
    assert alert
    assert alert.notification.details["Failed steps"] == "s0, s1, s2, s3, s4 and 4 more"


def test_an_alert_on_a_request_names_its_client() -> None:
    """So that an operator can ask."""
    alert = decide_ended_run(REQUESTED, ENGLISH)
    assert alert
    assert alert.notification.details["Requested by"] == "10.0.0.7"


def test_failed_requests_of_all_clients_are_one_incident() -> None:
    """It is not that of the scheduled runs of the same job."""
    runs = [REQUESTED, REQUESTED._replace(run_id="r3", client="10.0.0.8"), REQUESTED._replace(is_scheduled=True)]
    alerts = [decide_ended_run(run, ENGLISH) for run in runs]
    assert [(alert.key, alert.occurrence) for alert in alerts if alert] == [
        ("request backtest", "r2"),
        ("request backtest", "r3"),
        ("job backtest", "r2"),
    ]


@pytest.mark.parametrize(
    ("kind", "level"),
    [("InvalidSpec", "warning"), ("StrategyFailed", "warning"), ("StorageFull", "error"), (None, "error")],
)
def test_a_request_that_failed_because_of_itself_is_a_warning(kind: str | None, level: str) -> None:
    """An error that the platform caused, or that is unknown, is an error."""
    alert = decide_ended_run(REQUESTED._replace(error_kind=kind), ENGLISH)
    assert alert
    assert alert.notification.level == level


@pytest.mark.parametrize(
    "run",
    [
        REQUESTED._replace(outcome="cancelled"),
        REQUESTED._replace(is_local=True),
        NIGHTLY._replace(is_local=True),
    ],
)
def test_users_are_not_alerted_to_what_they_did_or_saw(run: EndedRun) -> None:
    """A request is cancelled by a user, and a command prints its error."""
    assert decide_ended_run(run, ENGLISH) is None


def test_a_cancelled_run_of_a_schedule_is_a_warning() -> None:
    """The night's work was not done."""
    alert = decide_ended_run(NIGHTLY._replace(outcome="cancelled"), ENGLISH)
    assert alert
    assert (alert.key, alert.notification.level) == ("job refresh_candles", "warning")
    assert alert.notification.title == "Candle collection: cancelled"


def test_a_job_recovers_with_its_next_success() -> None:
    """The message links to the run that succeeded."""
    recovery = decide_job_recovery(incident("job backup", timedelta(days=1)), [finished(succeeded=True)], NOON, ENGLISH)
    assert recovery
    assert (recovery.key, recovery.notification.title) == ("job backup", "Backup: works again")
    assert recovery.notification.link == "https://dagster.example/runs/r9"


@pytest.mark.parametrize(
    ("key", "since_last", "runs"),
    [
        ("job backup", timedelta(days=1), []),
        ("job backup", timedelta(days=1), [finished(succeeded=False), finished(succeeded=True, minutes_ago=2)]),
        ("job backup", timedelta(days=1), [finished(succeeded=True, is_scheduled=False)]),
        ("job backup", timedelta(minutes=14), [finished(succeeded=True)]),
        ("request backtest", timedelta(minutes=59), [finished(succeeded=True, is_scheduled=False)]),
    ],
    ids=["no run", "failed since", "success of a request", "just failed", "a request just failed"],
)
def test_an_incident_lasts(key: str, since_last: timedelta, runs: list[FinishedRun]) -> None:
    """Until a run of its kind succeeds and none has failed for a while."""
    assert decide_job_recovery(incident(key, since_last), runs, NOON, ENGLISH) is None


def test_only_incidents_of_runs_are_looked_up() -> None:
    """Those of checks and conditions have rules of their own."""
    incidents = {key: incident(key, timedelta()) for key in ("disk /data", "job backup", "check candles/1d sound")}
    assert [job for job, _ in runs_incidents(incidents)] == ["backup"]
