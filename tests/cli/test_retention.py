"""The retention command, and pins."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import NotPinned
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.storage.local import LocalStore


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


@pytest.fixture
def store(data_root: Path) -> LocalStore:
    """The session's store, with an expired task and a task whose manifest is unreadable."""
    store = LocalStore(data_root)
    ended = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    publish_task(
        store,
        {"version": "1.2.0", "task_id": "expired", "metadata": {"finished_at": ended}},
        {"result.json": b"x" * 3 * 2**20},
    )
    store.put("tasks/unreadable/manifest.json", b"{", overwrite=True)
    return store


def line_words(output: str, prefix: str) -> list[str]:
    """Return the words of the first line that starts with `prefix`."""
    return next(text for text in output.splitlines() if text.strip().startswith(prefix)).split()


def test_dry_run_lists_what_a_run_removes(store: LocalStore) -> None:
    """Both show kind, count, size and age; unreadable tasks are reported and kept; a second run removes nothing."""
    before = list(store.entries("tasks"))
    dry = invoke("retention", "--dry-run")
    assert list(store.entries("tasks")) == before
    assert "would be removed" in dry.stdout
    since = f"{datetime.now(UTC) - timedelta(days=8):%Y-%m-%d}"
    assert line_words(dry.stdout, "expired tasks")[:5] == ["expired", "tasks", "1", "3.00", since]
    result = invoke("retention")
    assert not list(store.keys("tasks/expired"))
    assert line_words(result.stdout, "expired tasks") == line_words(dry.stdout, "expired tasks")
    assert line_words(result.stdout, "tasks/")[3] == "3.00"
    assert line_words(result.stdout, "free on")
    assert "kept: 'tasks/unreadable/manifest.json' is corrupt" in result.stderr
    assert invoke("retention").stdout.startswith("nothing was removed")
    store.delete("tasks/unreadable/manifest.json")


def test_tasks_are_kept_for_the_days_of_the_setting(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task ended eight days ago."""
    for days, is_kept in (("9", True), ("8", False)):
        monkeypatch.setenv("TASK_RESULT_TTL_DAYS", days)
        invoke("retention")
        assert store.exists("tasks/expired/manifest.json") == is_kept
    store.delete("tasks/unreadable/manifest.json")


def test_pinned_task_does_not_expire(store: LocalStore) -> None:
    """Unpinned, the task expires again."""
    assert invoke("results", "pin", "expired").stdout == "expired is pinned\n"
    kept = invoke("retention").stdout
    assert store.exists("tasks/expired/manifest.json")
    assert "kept by pins: 1" in kept
    assert (
        invoke("results", "unpin", "expired").stdout == "expired is unpinned; tasks expire 7 days after they finish\n"
    )
    invoke("retention")
    assert not store.exists("tasks/expired/manifest.json")
    with pytest.raises(NotPinned):
        invoke("results", "unpin", "expired")
    store.delete("tasks/unreadable/manifest.json")


def test_pin_of_results_and_unknown_ids(store: LocalStore) -> None:
    """A result in results/ needs no pin; an unknown id is an error but does not prevent pinning the others."""
    publish_document(store, {"run_id": "kept-anyway"}, {"report.html": b"page"})
    assert "no pin needed" in invoke("results", "pin", "kept-anyway").stdout
    assert not list(store.keys("pins"))
    result = invoke("results", "pin", "unknown", "expired")
    assert (result.exit_code, result.stdout) == (1, "expired is pinned\n")
    assert "not pinned: no result or task has the id 'unknown'" in result.stderr
    invoke("results", "unpin", "expired")
