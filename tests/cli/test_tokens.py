"""The commands on tokens and on the audit log."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.auth.audit import Action, new_entry, store_entries
from coin_pipeline.auth.tokens import Identity, parse_token, read_usable
from coin_pipeline.cli.app import coin
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import InvalidInput, TokenNotFound
from coin_pipeline.settings import load_settings
from tests.schemas import create_schema


@pytest.fixture(scope="module")
def own_database(data_root: Path) -> str:
    """URL of a database with the tables of the platform."""
    assert data_root.is_dir()
    url, name = database_url(load_settings()), f"test_{uuid.uuid4().hex}"
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    create_schema(own)
    return own


@pytest.fixture
def session(own_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session on the database that the commands use, without tokens and entries."""
    monkeypatch.setenv("DATABASE_URL", own_database)
    with closing(Session(own_database)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.api_token, coin.audit_entry"))
        yield session


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(coin, arguments)


def test_secret_is_printed_once(session: Session) -> None:
    """Standard output has nothing else, so that a script can store it; no list shows it."""
    created = run("token", "create", "ci", "--scope", "trade", "--scope", "run", "--expires", "90d")
    credential = parse_token(created.stdout.strip())
    assert credential
    (known,) = read_usable(session).values()
    assert known.verifies(credential)
    assert known.identity[1:] == ("ci", ("run", "trade"))
    secret = created.stdout.strip().split("_", 2)[2]
    assert not any(secret in run("token", "list", *more).output for more in ([], ["--json"], ["--all"]))
    assert secret not in run("audit", "list", "--json").output


def test_expiry_by_days_or_date(session: Session) -> None:
    """Both are stored in UTC."""
    assert session
    run("token", "create", "days", "--scope", "read", "--expires", "2d")
    run("token", "create", "date", "--scope", "read", "--expires", "2999-12-31")
    rows = {row["name"]: row["expires_at"] for row in json.loads(run("token", "list", "--json").stdout)}
    left = datetime.fromisoformat(rows["days"]) - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    assert datetime.fromisoformat(rows["date"]) == datetime(2999, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize("expires", ["tomorrow", "0d", "90", "2030-13-01"])
def test_invalid_expiry_is_rejected(session: Session, expires: str) -> None:
    """A typo must not create a token that works forever."""
    assert isinstance(run("token", "create", "ci", "--scope", "read", "--expires", expires).exception, InvalidInput)
    assert read_usable(session) == {}


def test_revoked_tokens_are_listed_on_request(session: Session) -> None:
    """The audit log still names them."""
    assert session
    run("token", "create", "ci", "--scope", "read")
    assert run("token", "revoke", "ci").stdout == "token ci is revoked\n"
    assert "no tokens" in run("token", "list").stdout
    assert "revoked" in run("token", "list", "--all").stdout
    assert isinstance(run("token", "revoke", "ci").exception, TokenNotFound)


def test_commands_are_in_the_audit_log(session: Session) -> None:
    """With the user who ran them."""
    assert session
    run("token", "create", "ci", "--scope", "read")
    run("token", "revoke", "ci")
    entries = json.loads(run("audit", "list", "--json").stdout)
    assert [(e["route"], e["target"], e["client"]) for e in entries] == [
        ("coin token revoke", "ci", "local"),
        ("coin token create", "ci", "local"),
    ]
    assert all(entry["actor"] for entry in entries)


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ([], [500, 403, 202]),
        (["--limit", "1"], [500]),
        (["--refused"], [500, 403]),
        (["--actor", "ci"], [403, 202]),
        (["--target", "4f1d"], [202]),
        (["--since", "2030-01-02"], [500, 403]),
        (["--until", "2030-01-02"], [403, 202]),
    ],
)
def test_audit_log_is_filtered(session: Session, options: list[str], statuses: list[int]) -> None:
    """By who, what, when and outcome; the newest first."""
    ci = Identity(1, "ci", ("run",))
    sent = [(ci, 202, "4f1d", 1), (ci, 403, None, 2), (None, 500, None, 3)]
    entries = [
        new_entry(identity, "192.0.2.7", "POST", Action("/api/sweeps", target), status)._replace(
            at=datetime(2030, 1, day, 23, 59, tzinfo=UTC)
        )
        for identity, status, target, day in sent
    ]
    store_entries(session, entries)
    store_entries(session, entries)  # each once
    assert [entry["status"] for entry in json.loads(run("audit", "list", "--json", *options).stdout)] == statuses
    assert str(statuses[0]) in run("audit", "list", *options).stdout
