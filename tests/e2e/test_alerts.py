"""Alerts of a whole platform, received by a real Slack webhook and a real mail server exactly once."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from coin_api.daemon_watch import SILENCE_S
from tests.conftest import store_candles
from tests.platforms import (
    Platform,
    SharedPlatform,
    follow_backtest,
    program_pids,
    query_database,
    start_platform,
    submit_backtest,
    wait_until,
)
from tests.slack_server import SlackServer, serving_slack
from tests.smtp_server import SmtpServer, serving_smtp

FAILING_STRATEGY = """
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams

class Failing(Strategy[StrategyParams]):
    name = "failing"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        if len(bars) > 300:  # the registry and the look-ahead check use fewer bars
            raise RuntimeError("planted failure")
        return Signals(entries=bars.close > bars.open, hold=1)
"""
FAILED, SILENT, BACK = "Backtest: failed", "The daemon does not report", "The daemon reports again"


@dataclass
class Workbench:
    """A platform and the servers that its alerts arrive at."""

    shared: SharedPlatform
    slack: SlackServer
    mail: SmtpServer

    def received(self, text: str) -> tuple[int, int]:
        """Return how many messages with a text Slack and the mail server have accepted."""
        return sum(text in each for each in self.slack.texts()), sum(text in each for each in self.mail.subjects())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A platform with both channels and a strategy that fails."""
    root = tmp_path_factory.mktemp("alerting")
    store_candles(root)
    (root / "failing.py").write_text(FAILING_STRATEGY)
    with ExitStack() as stack:
        slack = stack.enter_context(serving_slack())
        mail = stack.enter_context(serving_smtp(tmp_path_factory.mktemp("mail")))
        environment = {**slack.environment, **mail.environment, "COIN_ALERT_FREE_MIB": "0"}
        options = ("--strategy-file", str(root / "failing.py"))
        shared = SharedPlatform(lambda: start_platform(root, *options, **environment))
        yield Workbench(shared, slack, mail)
        shared.stop()


@pytest.mark.timeout(600)
def test_a_failed_run_and_a_silent_daemon_arrive_once(bench: Workbench) -> None:
    """Further failures are counted, not sent; the end of the silence arrives once as well."""
    with bench.shared.use() as platform:
        fail(platform)
        wait_until(lambda: bench.received(FAILED) == (1, 1), 120)
        daemon = program_pids(platform)["daemon"]
        os.kill(daemon, signal.SIGSTOP)
        wait_until(lambda: bench.received(SILENT) == (1, 1), SILENCE_S + 60)
        os.kill(daemon, signal.SIGCONT)  # it has lost its lock and exits; 'coin up' starts another
        wait_until(lambda: bench.received(BACK) == (1, 1), 120)
        fail(platform)
        wait_until(lambda: counted(platform) == 1)
        assert [bench.received(text) for text in (FAILED, SILENT, BACK)] == [(1, 1)] * 3


def fail(platform: Platform) -> None:
    """Submit a backtest that fails, and wait until it has failed."""
    task_id = submit_backtest(platform, strategy="failing")
    assert follow_backtest(platform.api, task_id)[-1]["status"] == "failed"


def counted(platform: Platform) -> int:
    """Return the number of alerts that are not messages of their own."""
    rows = query_database(platform.root, "select count(*) from coin.alert where message_at is null")
    return int(rows[0][0])
