"""A platform on a server elsewhere: its connections, and what ops print."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.conftest import outside_server
from tests.platforms import (
    UNFINISHED,
    Platform,
    follow_backtest,
    query_database,
    submit_backtest,
    wait_until,
)

pytestmark = outside_server
RUNS, POLLERS, CONNECTIONS_EXPECTED = 24, 16, 60
CONNECTIONS = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
CAPTURED = """
query ($run: ID!) { runOrError(runId: $run) { ... on Run { eventConnection {
    events { ... on LogsCapturedEvent { fileKey } } } } } }"""
PRINTED = "query ($key: [String!]!) { capturedLogs(logKey: $key) { stdout } }"


def counts(platform: Platform, task_ids: list[str]) -> Iterator[int]:
    """Yield the number of connections until all tasks have ended, while clients poll them."""
    with ThreadPoolExecutor(POLLERS) as pollers:
        while True:
            paths = [f"/api/backtests/status/{task_id}" for task_id in task_ids]
            answers = [answer.json()["status"] for answer in pollers.map(platform.api.get, paths)]
            yield query_database(platform.root, CONNECTIONS)[0][0]
            if not UNFINISHED.intersection(answers):
                return


def printed(platform: Platform, task_id: str) -> str:
    """Return what the page of a run shows of the output of its ops."""
    events = platform.graphql(CAPTURED, run=task_id)["runOrError"]["eventConnection"]["events"]
    keys = [[task_id, "compute_logs", event["fileKey"]] for event in events if "fileKey" in event]
    return "".join(platform.graphql(PRINTED, key=key)["capturedLogs"]["stdout"] or "" for key in keys)


def test_connections_are_few_under_load(platform: Platform) -> None:
    """A full worker pool and many pollers leave room within the default of PostgreSQL."""
    task_ids = [submit_backtest(platform, params={"volume_window": 10 + number}) for number in range(RUNS)]
    most = max(counts(platform, task_ids))
    assert most < CONNECTIONS_EXPECTED


def test_the_ui_shows_what_a_strategy_prints(platform: Platform) -> None:
    """With COIN_COMPUTE_LOGS=on, by the query that the page of a run sends."""
    task_id = submit_backtest(platform, strategy="talkative")
    assert follow_backtest(platform.api, task_id)[-1]["status"] == "completed"
    wait_until(lambda: "seen 366 bars" in printed(platform, task_id))  # stored when the op ends, after its result
