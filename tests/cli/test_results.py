"""What a person does with stored results."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import ResultNotFound
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.storage.local import LocalStore


def invoke(*arguments: str) -> Result:
    """Run a command in this process; errors of ours come out as exceptions."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """Two results under a DATA_ROOT of the test's own."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    store = LocalStore(tmp_path)
    publish_task(store, {"task_id": "t", "status": "completed"}, {"result.json": b'{"run_id":"t"}'})
    publish_document(store, {"run_id": "r"}, b"<html>")
    return store


def test_verify_says_that_all_is_well(store: LocalStore) -> None:
    """One line with what was read; results of the older platform are counted as unchecked."""
    (store.root / "results/old.json").write_text('{"run_id":"old"}')
    done = invoke("results", "verify")
    assert done.exit_code == 0
    assert done.output == (
        "3 results, 4 objects, 0.0 MiB: all as they were stored\n"
        "1 object came without a checksum, as those of the older platform do\n"
    )


@pytest.mark.parametrize("width", [80, 100, 134])
def test_a_result_is_listed_under_the_day_by_which_it_is_found(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Days are those of Seoul in both, and the table says so; the id is whole however narrow the terminal is."""
    monkeypatch.setenv("COLUMNS", str(width))
    run_id = "c0ffee00-a679-4b6b-9ea8-d3316a53fff2"
    finished = {"execution_date": "2024-01-01T15:30:00Z"}
    publish_document(store, {"run_id": run_id, "strategy": "volume_zone_breakout", "metadata": finished}, b"")
    listed = invoke("results", "list", "--date-from", "2024-01-02", "--date-to", "2024-01-02").output
    assert [line.split()[0] for line in listed.splitlines() if line.startswith(run_id[:8])] == [run_id]
    assert "(Seoul)" in listed
    assert "2024-01-02" in listed
    assert "no stored result matches" in invoke("results", "list", "--date-to", "2024-01-01").output


def test_verify_names_what_was_changed_and_fails(store: LocalStore) -> None:
    """The result, the object and what is wrong with it; a script sees the exit code."""
    (store.root / "tasks/t/result.json").write_bytes(b'{"run_id":"T"}')
    done = invoke("results", "verify")
    assert done.exit_code == 1
    assert "t: 'tasks/t/result.json' is corrupt" in done.output
    assert "2 results, 2 objects, 0.0 MiB: 1 not as stored" in done.output


def test_verify_looks_at_those_that_are_named(store: LocalStore) -> None:
    """A task, a synchronous run, and what is none."""
    (store.root / "results/other.json").write_text("{")
    assert invoke("results", "verify", "t", "r").output.startswith("2 results, 3 objects, 0.0 MiB: all")
    (store.root / "tasks/t/result.json").unlink()
    assert invoke("results", "verify", "t").exit_code == 1
    with pytest.raises(ResultNotFound, match="nothing"):
        invoke("results", "verify", "nothing")
