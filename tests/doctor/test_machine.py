"""Checks of the machine."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from coin_pipeline.doctor import machine
from coin_pipeline.doctor.model import Installation
from coin_pipeline.settings import Settings, load_settings
from tests.s3 import S3Server


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation in an empty folder."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data"
    root.mkdir(mode=0o700)
    return Installation(Settings(data_root=root), "", "")


def test_unused_settings_are_listed(at: Installation) -> None:
    """Those of the legacy platform."""
    Path(".env").write_text("REDIS_HOST=localhost\nRQ_QUEUE=default\n")
    assert machine.settings(at)[:2] == ("warning", "without effect: REDIS_HOST, RQ_QUEUE")


def test_secrets_that_others_can_read_are_reported(at: Installation) -> None:
    """With the command that fixes it."""
    Path(".env").write_text("ENVIRONMENT=test\n")
    Path(".env").chmod(0o644)
    assert machine.settings(at)[1:] == (
        ".env has mode 644, so other users of this machine can read its secrets",
        "Run 'chmod 600 .env'.",
    )
    Path(".env").chmod(0o600)
    assert machine.settings(at).state == "ok"


def test_secrets_are_not_printed(at: Installation) -> None:
    """Only the names of settings are."""
    settings = Settings(smtp_password=SecretStr("planted-secret"), data_root=at.settings.data_root)
    finding = machine.settings(Installation(settings, "", ""))
    assert finding.state == "ok"
    assert "SMTP_PASSWORD" in finding.found
    assert "planted-secret" not in finding.found


@pytest.mark.parametrize("limit_mib", [0, 1 << 40])
def test_a_full_disk_fails(at: Installation, limit_mib: int) -> None:
    """Below COIN_ALERT_FREE_MIB."""
    settings = at.settings.model_copy(update={"coin_alert_free_mib": limit_mib})
    failed = machine.disk(Installation(settings, "", "")).state == "failed"
    assert failed == (limit_mib > 0)


def test_the_disk_of_a_folder_that_does_not_exist_yet_is_checked(at: Installation) -> None:
    """It is that of its parent."""
    missing = {"data_root": at.settings.data_root / "a" / "b", "dagster_home": None}
    settings = at.settings.model_copy(update=missing)
    assert str(at.settings.data_root) in machine.disk(Installation(settings, "", "")).found


def test_a_data_root_that_others_can_read_is_reported(at: Installation) -> None:
    """They can enter it at most, as root's database server does."""
    assert machine.data_root(at).state == "ok"
    at.settings.data_root.chmod(0o755)
    assert machine.data_root(at).advice.startswith(f"Run 'chmod 700 {at.settings.data_root}'")
    at.settings.data_root.chmod(0o711)
    assert machine.data_root(at).state == "ok"


def test_the_difference_of_clocks_has_the_sign_of_this_machine() -> None:
    """A reference that is behind means that this machine is ahead."""

    def read() -> datetime:
        time.sleep(0.2)
        return datetime.now(UTC) - timedelta(seconds=60)

    assert machine.clock_offset(read) == pytest.approx(60, abs=15)


def test_the_clock_is_compared_with_the_database_server(own_root: Path) -> None:
    """Which is another machine if DATABASE_URL names it."""
    assert own_root.is_dir()
    finding = machine.clock(Installation(load_settings(), "", ""))
    assert (finding.state, finding.found.partition(", ")[2]) == ("ok", "within 5 s of the database server")


def test_the_clock_is_compared_with_the_object_store(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time in the head of its response."""
    s3_server.store("clock-bucket")
    for name, value in s3_server.environment("clock-bucket").items():
        monkeypatch.setenv(name, value)
    assert "the object store" in machine.clock(Installation(load_settings(), "", "")).found
