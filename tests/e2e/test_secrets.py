"""Secrets of the settings are in nothing that a running platform writes, shows or exports."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from tests.conftest import store_candles
from tests.platforms import (
    BACKTEST,
    COIN,
    Platform,
    SharedPlatform,
    follow_backtest,
    leftover_processes,
    query_database,
    start_platform,
    submit_backtest,
    wait_until,
)
from tests.slack_server import SlackServer, serving_slack, status
from tests.smtp_server import PASSWORD, SmtpServer, serving_smtp

SECRETS = {
    "SLACK_WEBHOOK_URL": "plantedWebhookToken",
    "SMTP_PASSWORD": PASSWORD,
    "AWS_SECRET_ACCESS_KEY": "plantedAwsSecretKey",
    "AWS_SESSION_TOKEN": "plantedAwsSessionToken",
    "COIN_BACKUP_KEY": str(pyrage.x25519.Identity.generate()),
}
TABLES = """
select format('select row::text from %%I.%%I row', schemaname, tablename) from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
"""
RUNS = """{
  instance { info daemonHealth { allDaemonStatuses { lastHeartbeatErrors { message } } } }
  runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } pipelineName status } } }
  repositoriesOrError { ... on RepositoryConnection { nodes {
    sensors { name sensorState { ticks(limit: 20) { status error { message stack } skipReason } } }
    schedules { name scheduleState { ticks(limit: 20) { status error { message stack } } } }
    displayMetadata { key value }
  } } }
}"""
LOGS = """query($runId: ID!) { logsForRun(runId: $runId, limit: 1000) { ... on EventConnection {
  events { ... on MessageEvent { message stepKey } ... on ErrorEvent { error { message stack } } } } } }"""


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackServer]:
    """A running server, which repeats the secret in its first answers."""
    with serving_slack() as server:
        server.plan(status(500, SECRETS["SLACK_WEBHOOK_URL"].encode()), 3)
        yield server


@pytest.fixture(scope="module")
def smtp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpServer]:
    """A running server, which repeats the password in its first answer."""
    with serving_smtp(tmp_path_factory.mktemp("smtp")) as server:
        server.replies.append(f"451 {PASSWORD}")
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, slack: SlackServer, smtp: SmtpServer) -> Iterator[SharedPlatform]:
    """A platform with secrets in its settings, whose disk always counts as full."""
    root = tmp_path_factory.mktemp("platform")
    store_candles(root)
    environment = SECRETS | slack.environment | smtp.environment | {"COIN_ALERT_FREE_MIB": "1000000000"}
    platform = SharedPlatform(lambda: start_platform(root, **environment))
    yield platform
    platform.stop()


@pytest.fixture
def platform(shared: SharedPlatform) -> Iterator[Platform]:
    """That platform, after a backtest, a rejected one and an alert through both channels."""
    with shared.use() as platform:
        follow_backtest(platform.api, submit_backtest(platform))
        yield platform


def found_in(text: str | bytes, place: str) -> list[str]:
    """Return which secrets a text contains, each with the place."""
    content = text.encode() if isinstance(text, str) else text
    return [f"{name} in {place}" for name, secret in SECRETS.items() if secret.encode() in content]


def test_alerts_and_backtests_leave_secrets_nowhere(platform: Platform, slack: SlackServer, smtp: SmtpServer) -> None:
    """Files, every row of the database, pages, and arguments of processes, after answers that repeat the secrets."""
    wait_until(lambda: slack.accepted and smtp.accepted, 120)
    found = [
        *in_files(platform.root),
        *in_database(platform.root),
        *in_dagster_pages(platform),
        *in_responses(platform),
        *found_in("\n".join(leftover_processes(platform.root)), "arguments"),
        *found_in(json.dumps(slack.accepted), "Slack"),
        *found_in("".join(mail.message.as_string() for mail in smtp.accepted), "mail"),
    ]
    assert found == []
    logged = "".join(log.read_text() for log in (platform.root / "logs").glob("*.log"))  # of the daemon or the API
    assert "the webhook answered 500: ***" in logged
    assert "answered 451 ***" in logged


@pytest.mark.parametrize(
    "command",
    [
        ["alerts", "list", "--all"],
        ["alerts", "test"],
        ["migrate", "check"],
        ["storage", "check"],
    ],
)
def test_commands_print_no_secret(platform: Platform, slack: SlackServer, smtp: SmtpServer, command: list[str]) -> None:
    """Nor does what they store."""
    environment = {**os.environ, **SECRETS, **slack.environment, **smtp.environment, "DATA_ROOT": str(platform.root)}
    arguments = [*command, *(["--api", str(platform.api.base_url)] if command[0] == "migrate" else [])]
    result = subprocess.run([COIN, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert "No such command" not in result.stderr
    assert [*found_in(result.stdout + result.stderr, "output"), *in_files(platform.root)] == []


def in_files(root: Path) -> list[str]:
    """Return the files under DATA_ROOT, but for those of the database server, that contain secrets."""
    files = [path for path in root.rglob("*") if path.is_file() and root / "postgres" not in path.parents]
    assert any(path.name == "daemon.log" for path in files)
    return [entry for path in files for entry in found_in(path.read_bytes(), str(path.relative_to(root)))]


def in_database(root: Path) -> list[str]:
    """Return the tables that contain secrets."""
    statements = [statement for (statement,) in query_database(root, TABLES)]
    assert any("alert_delivery" in statement for statement in statements)
    rows = {statement: query_database(root, statement) for statement in statements}
    return [entry for statement, content in rows.items() for entry in found_in(repr(content), statement)]


def in_dagster_pages(platform: Platform) -> list[str]:
    """Return the pages of the Dagster UI that contain secrets: its settings, runs, their logs, and ticks."""
    overview = platform.graphql(RUNS)
    run_ids = [run["runId"] for run in overview["runsOrError"]["results"]]
    assert run_ids
    logs = [platform.graphql(LOGS, runId=run_id) for run_id in run_ids]
    return [*found_in(json.dumps(overview), "Dagster's pages"), *found_in(json.dumps(logs), "Dagster's logs")]


def in_responses(platform: Platform) -> list[str]:
    """Return the responses of the API, errors and exports included, that contain secrets."""
    run_id = platform.api.get("/api/backtests/history").json()["items"][0]["run_id"]
    paths = ("/", "/health", "/openapi.json", "/api/strategies", "/api/backtests/history", f"/api/backtests/{run_id}")
    responses = [platform.api.get(path) for path in paths]
    responses.append(platform.api.post("/api/backtests/run", json={**BACKTEST, "strategy": "missing"}))
    return [
        entry
        for response in responses
        for entry in found_in(repr(response.headers).encode() + response.content, str(response.url))
    ]
