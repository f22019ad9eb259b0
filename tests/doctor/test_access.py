"""Check of who can reach the servers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coin_pipeline.auth.tokens import create_token, revoke_token
from coin_pipeline.database.session import Session
from coin_pipeline.doctor.access import access
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.settings import load_settings
from tests.schemas import create_schema


@pytest.fixture
def session(own_root: Path) -> Iterator[Session]:
    """A session on a database with the platform's tables and no token."""
    assert own_root.is_dir()
    url = load_settings().database_url
    assert url
    create_schema(url.get_secret_value())
    with closing(Session(url.get_secret_value())) as session:
        yield session


def finding(**settings: object) -> Finding:
    """Return what the check finds with these settings."""
    return access(Installation(load_settings().model_copy(update=settings), "", ""))


@pytest.mark.usefixtures("session")
def test_loopback_needs_no_token() -> None:
    """Unless COIN_AUTH=on."""
    assert finding().found == "only this machine reaches 127.0.0.1; 0 usable tokens"
    assert finding(coin_auth="on").state == "failed"


def test_tokens_that_are_required_on_loopback_are_explained(session: Session) -> None:
    """COIN_AUTH=on is the reason, not the address."""
    create_token(session, "dashboard", ["read"])
    found = finding(coin_auth="on").found
    assert found == "only this machine reaches 127.0.0.1; COIN_AUTH=on requires tokens; usable: 1"


def test_other_machines_need_a_usable_token(session: Session) -> None:
    """One that was revoked does not count."""
    assert finding(coin_bind="0.0.0.0").state == "failed"  # noqa: S104
    create_token(session, "dashboard", ["read"])
    assert finding(coin_bind="0.0.0.0").state == "ok"  # noqa: S104
    revoke_token(session, "dashboard")
    assert finding(coin_bind="0.0.0.0").state == "failed"  # noqa: S104


@pytest.mark.usefixtures("session")
def test_only_a_container_is_published_on_loopback() -> None:
    """Outside one, COIN_PUBLISHED_AT does not replace the token."""
    assert finding(coin_bind="0.0.0.0", coin_published_at="127.0.0.1").state == "failed"  # noqa: S104


def test_tokens_without_a_rate_limit_are_a_warning(session: Session) -> None:
    """One client could then occupy the API."""
    create_token(session, "dashboard", ["read"])
    assert finding(coin_published_at="10.0.0.1", coin_rate_limit=0).state == "warning"


def test_the_database_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is a token is unknown then."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    assert finding().state == "ok"
    assert finding(coin_auth="on").found.endswith("since the database is not running")
    assert not (tmp_path / "postgres").exists()
