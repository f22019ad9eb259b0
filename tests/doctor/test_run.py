"""The checks as a whole: at once, bounded in time, complete, and without any effect."""

import json
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from coin_pipeline.cli.app import coin
from coin_pipeline.doctor.examinations import EXAMINATIONS
from coin_pipeline.doctor.model import Check, Examination, Finding, Installation
from coin_pipeline.doctor.run import LIMIT_S, examine, run_checks
from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.languages import Text
from coin_pipeline.settings import Settings, load_settings
from tests.platforms import free_ports

PROCESSES = ["database", "migrations", "dagster_tables", "code_location", "worker_pool", "daemon", "api", "dagster_ui"]
AT = Installation(Settings(), "http://127.0.0.1:1", "http://127.0.0.1:1")
ADVICE = Text("do this", "이렇게 하십시오")


@pytest.fixture
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT of a platform that was never started, whose ports are free."""
    root = tmp_path / "data"
    monkeypatch.setenv("DATA_ROOT", str(root))
    for name, port in zip(("COIN_API_URL", "COIN_UI_URL"), free_ports(2), strict=True):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    return root


def examined(probe: object, name: str = "it") -> Examination:
    """Return an examination with a probe."""
    return Examination(name, Text("It", "그것"), probe, ADVICE)  # type: ignore[arg-type]


def by_name(checks: list[Check]) -> dict[str, Check]:
    """Return the checks by name."""
    return {check.name: check for check in checks}


def test_a_check_that_hangs_fails_and_the_others_are_reported() -> None:
    """It does not keep the program from ending either."""
    never = threading.Event()

    def hang(_: Installation) -> Finding:
        never.wait()
        raise AssertionError

    checks = examine([examined(hang, "hangs"), examined(lambda _: Finding("ok", "fine"), "works")], AT, 0.3)
    assert [(check.name, check.state, check.found) for check in checks] == [
        ("hangs", "failed", "not finished within 0.3 s"),
        ("works", "ok", "fine"),
    ]
    assert checks[0].advice.startswith("Run 'coin doctor' again")
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "hangs")
    never.set()


def test_time_that_the_command_has_used_counts(nothing_runs: Path) -> None:
    """On a machine that takes long to import the checks, they get less, but never none."""
    assert not nothing_runs.exists()
    began = time.monotonic()
    checks = by_name(run_checks(load_settings(), spent_s=3600))
    assert time.monotonic() - began < LIMIT_S
    assert checks["settings"].state == "ok"


def test_checks_run_at_once() -> None:
    """Each waits for the other."""
    both = threading.Barrier(2, timeout=10)

    def meet(_: Installation) -> Finding:
        both.wait()
        return Finding("ok", "met")

    assert {check.state for check in examine([examined(meet, "a"), examined(meet, "b")], AT, 20)} == {"ok"}


@pytest.mark.parametrize(
    ("error", "found"),
    [(ServiceUnavailable("the pool is away"), "the pool is away"), (KeyError("port"), "KeyError: 'port'")],
)
def test_an_error_of_a_check_is_its_finding(error: Exception, found: str) -> None:
    """With the advice of the check."""

    def fail(_: Installation) -> Finding:
        raise error

    assert examine([examined(fail)], AT, 10) == [Check("it", "It", "failed", found, "do this")]


def test_nothing_to_do_where_all_is_well() -> None:
    """The advice of the check is for problems."""
    assert examine([examined(lambda _: Finding("ok", "fine"))], AT, 10)[0].advice == ""


def test_a_platform_that_was_never_started_is_reported_and_left_as_it_is(nothing_runs: Path) -> None:
    """Each process has failed, each problem has an advice, and nothing was started or created."""
    checks = by_name(run_checks(load_settings()))
    assert [*checks] == [examination.name for examination in EXAMINATIONS]
    assert [name for name in PROCESSES if checks[name].state != "failed"] == []
    assert {check.advice != "" for check in checks.values() if check.state != "ok"} == {True}
    assert (checks["versions"].state, checks["time_zone"].state, checks["settings"].state) == ("ok", "ok", "ok")
    assert not nothing_runs.exists()


def test_the_command_prints_what_to_do_in_korean(nothing_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the language of the alerts; it exits with 1, since nothing runs."""
    assert not nothing_runs.exists()
    monkeypatch.setenv("COIN_ALERT_LANGUAGE", "ko")
    result = CliRunner().invoke(coin, ["doctor"])
    assert result.exit_code == 1
    assert "실패  워커 풀" in result.output
    assert "'coin up' 또는 'docker compose up -d'로 플랫폼을 시작하십시오" in result.output


def test_the_command_prints_json(nothing_runs: Path) -> None:
    """With the counts by state."""
    assert not nothing_runs.exists()
    document = json.loads(CliRunner().invoke(coin, ["doctor", "--json", "--language", "en"]).output)
    assert len(document["checks"]) == sum(document["counts"].values()) == len(EXAMINATIONS)
    assert set(document["checks"][0]) == {"name", "title", "state", "found", "advice"}


def test_invalid_settings_are_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, and what to do; nothing else can be checked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("COIN_WORKER=3\n")
    result = CliRunner().invoke(coin, ["doctor", "--json"])
    (check,) = json.loads(result.output)["checks"]
    assert (result.exit_code, check["name"], check["state"]) == (1, "settings", "failed")
    assert "COIN_WORKER: is not a setting (did you mean 'COIN_WORKERS'?)" in check["found"]
