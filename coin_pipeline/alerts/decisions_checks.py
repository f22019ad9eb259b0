"""Alerts on asset checks: those of candles, and those of forward tests, which find drift."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coin_pipeline.alerts import texts
from coin_pipeline.alerts.model import Alert, Event, Incident, Recovery
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.notifications.message import Notification

FORWARD_TESTS = "forward_tests"
"""Asset whose checks find drift."""


class CheckOutcome(NamedTuple):
    """The latest evaluation of an asset check.

    Attributes:
        asset: Key of the asset, its parts separated by slashes.
        check: Name of the check.
        passed: Whether it passed.
        is_error: Whether a failure is an error rather than a warning.
        description: What it found; empty if it did not report anything.
        run_id: Run that evaluated it; empty if it was reported without one.
        evaluation_id: The evaluation.
    """

    asset: str
    check: str
    passed: bool
    is_error: bool
    description: str
    run_id: str
    evaluation_id: str

    @property
    def key(self) -> str:
        """Key of the incident of this check."""
        return f"check {self.asset} {self.check}"


def decide_checks(outcomes: Sequence[CheckOutcome], incidents: Mapping[str, Incident], writer: Writer) -> list[Event]:
    """Return an alert for each evaluation that failed, and a recovery for each open incident whose check passes.

    Args:
        outcomes: The latest evaluation of each check, of runs that have ended: before, it covers some markets only.
        incidents: Open incidents by key.
        writer: Writes the texts.
    """
    failed = [_alert(outcome, writer) for outcome in outcomes if not outcome.passed]
    passing = [outcome for outcome in outcomes if outcome.passed and outcome.key in incidents]
    return [*failed, *(_recovery(outcome, writer) for outcome in passing)]


def _alert(outcome: CheckOutcome, writer: Writer) -> Alert:
    title = texts.DRIFT_FAILED if outcome.asset == FORWARD_TESTS else texts.CHECK_FAILED
    found = outcome.description or writer.write(texts.NO_DESCRIPTION)
    details = {texts.SUBJECT: outcome.asset, texts.CHECK: outcome.check, texts.RUN: outcome.run_id}
    notification = Notification(
        title=writer.write(title, check=outcome.check, asset=outcome.asset),
        message=writer.reason(found, writer.write(texts.CHECK_ADVICE.get(outcome.check, texts.OTHER_CHECK_ADVICE))),
        level="error" if outcome.is_error else "warning",
        details={writer.write(label): value for label, value in details.items() if value},
        link=writer.link(f"runs/{outcome.run_id}") if outcome.run_id else _page(outcome, writer),
    )
    return Alert(outcome.key, outcome.evaluation_id, notification)


def _recovery(outcome: CheckOutcome, writer: Writer) -> Recovery:
    notification = Notification(
        title=writer.write(texts.CHECK_RECOVERED, check=outcome.check, asset=outcome.asset),
        message=writer.write(texts.CHECK_PASSES),
        link=_page(outcome, writer),
    )
    return Recovery(outcome.key, notification)


def _page(outcome: CheckOutcome, writer: Writer) -> str:
    return writer.link(f"assets/{outcome.asset}?view=checks")
