"""The job and the schedule of forward tests on a real instance, with a fake exchange."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import HOUR_NS, MINUTE_NS, day_of, utc
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.forward.schedules import forward_tests
from coin_pipeline.defs.run_requests import forward_submission
from coin_pipeline.errors import ExchangeUnavailable
from coin_pipeline.forward.due import due_candle
from coin_pipeline.forward.spec import parse_forward
from coin_pipeline.forward.start import start
from coin_pipeline.orchestration.failures import failure_from_events
from tests.dagster_instance import instance
from tests.exchanges import FakeExchange
from tests.forward.conftest import SYMBOLS
from tests.forward.reading import decisions, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from coin_pipeline.forward.records import ForwardTest
    from tests.forward.conftest import Workbench

__all__ = ["instance"]
DOWN = ExchangeUnavailable("upbit", "does not respond")


@pytest.fixture
def collecting(workbench: Workbench, tmp_path: Path) -> Workbench:
    """A workbench at the real time whose candles come from an exchange; none are stored yet."""
    workbench.catalog = CandleCatalog(tmp_path)
    workbench.now = utc(time.time_ns())
    return workbench


def start_collecting(workbench: Workbench, **fields: object) -> ForwardTest:
    """Start a test with the candles of two days and a half, all of which have closed."""
    request = {"strategy": "volume_zone_breakout", "timeframe": "4h", "symbols": SYMBOLS, "warm_up": "none"}
    request["start_date"] = day_of(utc(time.time_ns() - 48 * HOUR_NS), "Asia/Seoul")
    parsed = parse_forward({**request, **fields})
    return start(workbench.ledger, workbench.catalog, workbench.registry, parsed)


def advance(
    instance: dg.DagsterInstance, workbench: Workbench, exchange: FakeExchange, test_id: str | None = None
) -> dg.ExecuteInProcessResult:
    """Run the job."""
    resources = {"candles": workbench.catalog, "exchange": lambda _name: exchange, "ledger": workbench.ledger}
    submission = forward_submission(test_id)
    job = build_defs(resources).resolve_job_def(submission.job)
    return job.execute_in_process(submission.config, instance, raise_on_error=False)


def tick(instance: dg.DagsterInstance, workbench: Workbench) -> dg.RunRequest | str:
    """Return the request of a tick of the schedule, or why it skips."""
    with dg.build_schedule_context(instance=instance, resources={"ledger": workbench.ledger}) as context:
        result = forward_tests.evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else str(result.skip_message)


def test_schedule_requests_a_candle_once(instance: dg.DagsterInstance, collecting: Workbench) -> None:
    """A tick that is evaluated twice has the same key; after the run, nothing is due, and a stopped test never is."""
    assert "no candle" in str(tick(instance, collecting))
    test = start_collecting(collecting)
    first, second = tick(instance, collecting), tick(instance, collecting)
    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.RunRequest)
    assert first.run_key == second.run_key
    assert advance(instance, collecting, FakeExchange(time.time_ns())).success
    assert "no candle" in str(tick(instance, collecting))
    other = start_collecting(collecting)
    collecting.advancer.stop(other.test_id)
    assert "no candle" in str(tick(instance, collecting))
    assert len(decisions(collecting.ledger, test, SYMBOLS[0])) >= 11


def test_run_page_shows_what_happened(instance: dg.DagsterInstance, collecting: Workbench) -> None:
    """Decisions, late ones and fills, in total and by symbol."""
    test = start_collecting(collecting, symbols=SYMBOLS[:1])
    result = advance(instance, collecting, FakeExchange(time.time_ns()), str(test.test_id))
    own = decisions(collecting.ledger, test, SYMBOLS[0])
    outputs = [event.step_output_data for event in result.all_events if event.is_successful_output]
    metadata = outputs[-1].metadata
    assert outputs[-1].step_output_handle.step_key == "advance_tests"
    assert metadata["decisions"].value == len(own)
    assert metadata["late"].value == sum(decision.late for decision in own)
    (row,) = metadata["symbols"].records
    assert (row.data["test"], row.data["symbol"]) == (str(test.test_id), SYMBOLS[0])


def test_an_id_from_the_launchpad_that_is_not_a_uuid_is_named(
    instance: dg.DagsterInstance, collecting: Workbench
) -> None:
    """The run fails with the sentence that the API answers with."""
    result = advance(instance, collecting, FakeExchange(time.time_ns()), "newest")
    message, kind = failure_from_events(result.all_events)
    assert (kind, "'newest'" in message) == ("ForwardTestNotFound", True)


def test_failed_collection_does_not_stop_the_others(instance: dg.DagsterInstance, collecting: Workbench) -> None:
    """The run fails with the reason; the other symbol is decided, and the failed one once its candles come."""
    test = start_collecting(collecting)
    exchange = FakeExchange(time.time_ns(), faults={SYMBOLS[0]: DOWN})
    failed = advance(instance, collecting, exchange)
    message, kind = failure_from_events(failed.all_events)
    assert kind == "ForwardTestsFailed"
    assert f"{SYMBOLS[0]} 4h: {DOWN}" in message
    assert state_of(collecting.ledger, test, SYMBOLS[0]).last_bar is None
    assert state_of(collecting.ledger, test, SYMBOLS[1]).last_bar is not None
    exchange.faults.clear()
    assert advance(instance, collecting, exchange).success
    last = [state_of(collecting.ledger, test, symbol).last_bar for symbol in SYMBOLS]
    assert last[0] == last[1]


def test_candle_that_does_not_come_is_not_requested_every_minute(
    instance: dg.DagsterInstance, collecting: Workbench
) -> None:
    """After a run that found none, the next ticks skip until the next attempt is due."""
    start_collecting(collecting)
    request = tick(instance, collecting)
    assert isinstance(request, dg.RunRequest)
    instance.create_run_for_job(
        build_defs().resolve_job_def("forward_test"), tags=request.tags, status=dg.DagsterRunStatus.SUCCESS
    )
    assert "already looked for" in str(tick(instance, collecting))


def test_missing_candle_is_looked_for_less_and_less_often(collecting: Workbench) -> None:
    """As long as no candle comes, further attempts are due 2, 5, 15 and 30 minutes after its close, then hourly."""
    test = start_collecting(collecting)
    state = state_of(collecting.ledger, test, SYMBOLS[0])
    close = due_candle(test, state, time.time_ns())
    assert close is not None
    waits = (0, 1, 2, 4, 5, 14, 15, 29, 30, 59, 60, 119, 120)
    attempts = [close.attempt(close.close + minutes * MINUTE_NS) for minutes in waits]
    assert attempts == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert len({close.key(close.close + minutes * MINUTE_NS) for minutes in waits}) == 7
