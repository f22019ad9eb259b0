"""Alerts on asset checks."""

from datetime import UTC, datetime

from coin_pipeline.alerts.decisions_checks import CheckOutcome, decide_checks
from coin_pipeline.alerts.model import Alert, Incident, Recovery
from coin_pipeline.alerts.texts import Writer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WRITER = Writer("en", "https://dagster.example")
SOUND = CheckOutcome(
    asset="candles/1h",
    check="sound",
    passed=False,
    is_error=True,
    description="BTC_KRW: zero_price: 3",
    run_id="r1",
    evaluation_id="7",
)


def test_a_failed_check_is_reported_once_per_evaluation() -> None:
    """The alert has what the check found, what to do, and a link to the run."""
    (alert,) = decide_checks([SOUND], {}, WRITER)
    assert isinstance(alert, Alert)
    assert (alert.key, alert.occurrence) == ("check candles/1h sound", "7")
    assert alert.notification.title == "Check failed: sound of candles/1h"
    assert alert.notification.message.startswith("Why: BTC_KRW: zero_price: 3\nWhat to do: Backtests on these")
    assert (alert.notification.link, alert.notification.level) == ("https://dagster.example/runs/r1", "error")


def test_a_check_that_warns_is_a_warning() -> None:
    """Missing candles do not make backtests wrong."""
    (alert,) = decide_checks([SOUND._replace(is_error=False)], {}, WRITER)
    assert alert.notification.level == "warning"


def test_drift_of_a_forward_test_has_a_title_of_its_own() -> None:
    """Its checks are those of the asset `forward_tests`."""
    drift = SOUND._replace(asset="forward_tests", check="edge_holds", description="t1: decayed by 80 %")
    (alert,) = decide_checks([drift], {}, Writer("ko", "https://dagster.example"))
    assert alert.notification.title == "포워드 테스트 드리프트: edge_holds"
    assert "t1: decayed by 80 %" in alert.notification.message


def test_a_check_without_a_run_or_a_description_is_reported_too() -> None:
    """Such as one that was reported to Dagster from outside; the link leads to its asset."""
    (alert,) = decide_checks([SOUND._replace(run_id="", description="")], {}, WRITER)
    assert alert.notification.link == "https://dagster.example/assets/candles/1h?view=checks"
    assert "did not describe" in alert.notification.message


def test_a_check_that_passes_closes_its_incident() -> None:
    """A check without an open incident is not mentioned."""
    passing = [SOUND._replace(passed=True), SOUND._replace(passed=True, check="complete")]
    incidents = {SOUND.key: Incident(SOUND.key, NOON, NOON)}
    (recovery,) = decide_checks(passing, incidents, WRITER)
    assert isinstance(recovery, Recovery)
    assert (recovery.key, recovery.notification.title) == (SOUND.key, "Check passes again: sound of candles/1h")
