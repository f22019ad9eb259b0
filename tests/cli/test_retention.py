"""coin retention, and pins, as a person types them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import NotPinned
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.storage.local import LocalStore


def invoke(*arguments: str) -> Result:
    """Run a command in this process; errors of ours come out as exceptions."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


@pytest.fixture
def store(data_root: Path) -> LocalStore:
    """The session's store, with a task that has expired and one whose manifest cannot be read."""
    store = LocalStore(data_root)
    ended = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    publish_task(
        store,
        {"version": "1.2.0", "task_id": "expired", "metadata": {"finished_at": ended}},
        {"result.json": b"x" * 3 * 2**20},
    )
    store.put("tasks/unreadable/manifest.json", b"{", overwrite=True)
    return store


def line(output: str, begin: str) -> list[str]:
    """Return the words of the line that begins so."""
    return next(text for text in output.splitlines() if text.strip().startswith(begin)).split()


def test_a_dry_run_says_what_would_be_removed_and_a_run_removes_it(store: LocalStore) -> None:
    """What, how many, how much and since when; then nothing is left to do; what cannot be read is told and kept."""
    before = list(store.entries("tasks"))
    dry = invoke("retention", "--dry-run")
    assert list(store.entries("tasks")) == before
    assert "would be removed" in dry.stdout
    since = f"{datetime.now(UTC) - timedelta(days=8):%Y-%m-%d}"
    assert line(dry.stdout, "expired tasks")[:5] == ["expired", "tasks", "1", "3.00", since]
    done = invoke("retention")
    assert not list(store.keys("tasks/expired"))
    assert line(done.stdout, "expired tasks") == line(dry.stdout, "expired tasks")
    assert line(done.stdout, "tasks/")[3] == "3.00"
    assert line(done.stdout, "free on")
    assert "kept: 'tasks/unreadable/manifest.json' is corrupt" in done.stderr
    assert invoke("retention").stdout.startswith("nothing was removed")
    store.delete("tasks/unreadable/manifest.json")


def test_a_pin_keeps_a_task_that_would_expire(store: LocalStore) -> None:
    """Until it is taken away."""
    assert invoke("results", "pin", "expired").stdout == "expired is pinned\n"
    kept = invoke("retention").stdout
    assert store.exists("tasks/expired/manifest.json")
    assert "kept by pins: 1" in kept
    assert invoke("results", "unpin", "expired").stdout == "expired expires 7 days after its end\n"
    invoke("retention")
    assert not store.exists("tasks/expired/manifest.json")
    with pytest.raises(NotPinned):
        invoke("results", "unpin", "expired")
    store.delete("tasks/unreadable/manifest.json")


def test_only_tasks_that_have_ended_need_a_pin(store: LocalStore) -> None:
    """An unknown one is an error, which keeps nobody from pinning the others; a result in results/ is kept anyway."""
    publish_document(store, {"run_id": "kept-anyway"}, b"page")
    assert "kept without a pin" in invoke("results", "pin", "kept-anyway").stdout
    assert not list(store.keys("pins"))
    done = invoke("results", "pin", "nobody-knows", "expired")
    assert (done.exit_code, done.stdout) == (1, "expired is pinned\n")
    assert "not pinned: no result or task has the id 'nobody-knows'" in done.stderr
    invoke("results", "unpin", "expired")
