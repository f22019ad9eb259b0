"""The results commands."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidInput, ResultNotFound
from coin_pipeline.results.publish import publish_document, publish_task
from coin_pipeline.storage.local import LocalStore

RUN_IDS = ("c0ffee00-a679-4b6b-9ea8-d3316a53fff2", "c0ffee00-b679-4b6b-9ea8-d3316a53fff2")


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


@pytest.fixture
def store(own_root: Path) -> LocalStore:
    """A store under DATA_ROOT with one task and one result."""
    store = LocalStore(own_root)
    publish_task(store, {"task_id": "t", "status": "completed"}, {"result.json": b'{"run_id":"t"}'})
    publish_document(store, {"run_id": "r"}, {"report.html": b"<html>"})
    return store


def test_verify_of_intact_results(store: LocalStore) -> None:
    """One line sums up what was read; results of the legacy platform count as unchecked."""
    (store.root / "results/old.json").write_text('{"run_id":"old"}')
    result = invoke("results", "verify")
    assert result.exit_code == 0
    assert result.output == (
        "3 results, 4 objects, 0.0 MiB: all intact\n1 object without a checksum, as the legacy platform stored them\n"
    )


def test_listed_day_matches_the_date_filter(store: LocalStore) -> None:
    """Both use Seoul days, as the heading states."""
    finished = {"execution_date": "2024-01-01T15:30:00Z"}
    publish_document(store, {"run_id": RUN_IDS[0], "strategy": "volume_zone_breakout", "metadata": finished}, {})
    listed = invoke("results", "list", "--date-from", "2024-01-02", "--date-to", "2024-01-02").output
    assert [line.split()[0] for line in listed.splitlines() if line.startswith(RUN_IDS[0][:8])] == [RUN_IDS[0]]
    assert "(Seoul)" in listed
    assert "2024-01-02" in listed
    assert "no stored result matches" in invoke("results", "list", "--date-to", "2024-01-01").output


@pytest.mark.parametrize(
    "options",
    [
        ("--timeframe", "1h"),
        ("--params", "window=20"),
        ("--min-total-return", "12.4"),
        ("--max-total-return", "12.6"),
        ("--min-sharpe", "1.4"),
        ("--max-sharpe", "1.6"),
        ("--kind", "backtest"),
    ],
)
def test_filters_of_the_list(store: LocalStore, options: tuple[str, str]) -> None:
    """Each keeps one of two results; returns are in percent, as the list shows them."""
    option, bound = options
    own = {"timeframe": "1h", "params": {"window": 20}, "version": "1.2.0"}
    other = {"timeframe": "1d", "params": {"window": 9}, "version": "sweep-1.0"}
    further = 0.5 if option.startswith("--max") else -0.5
    for run_id, fields, total in zip(RUN_IDS, (own, other), (0.125, further), strict=True):
        metrics = {"total_return": total, "sharpe": 12 * total, "trades": 3}
        publish_document(store, {"run_id": run_id, "strategy": "momentum", **fields, "metrics": metrics}, {})
    listed = invoke("results", "list", option, bound).output
    assert [line.split()[0] for line in listed.splitlines() if "c0ffee" in line] == [RUN_IDS[0]]


@pytest.mark.parametrize("width", [80, 106, 134, 180])
def test_a_terminal_shows_what_was_run_and_how_it_ended(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Ids are shortened where they are still unique, and a sweep is marked."""
    for name, value in {"COLUMNS": str(width), "FORCE_COLOR": "1", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    for run_id, version in zip(RUN_IDS, ("1.2.0", "sweep-1.0"), strict=True):
        fields = {"strategy": "momentum", "timeframe": "1h", "params": {"window": 20}, "version": version}
        metrics = {"total_return": 0.125, "sharpe": 1.5, "trades": 1234}
        publish_document(store, {"run_id": run_id, **fields, "metrics": metrics}, {})
    printed = invoke("results", "list").output
    listed = [line for line in printed.splitlines() if "c0ffee" in line]
    length = 36 if width == 180 else 10
    assert [line.split()[0] for line in listed] == [run_id[:length] for run_id in reversed(RUN_IDS)]
    assert printed.count("(sweep)") == 1
    for cell in ("1h", "+12.50 %", "1.50", "1,234", *(["window=20"] if width > 80 else [])):
        assert [cell in line for line in listed] == [True, True]
    assert max(map(len, listed)) <= width


def test_verify_names_changed_objects_and_fails(store: LocalStore) -> None:
    """The message names the result, the object and the problem; the exit code is 1."""
    (store.root / "tasks/t/result.json").write_bytes(b'{"run_id":"T"}')
    result = invoke("results", "verify")
    assert result.exit_code == 1
    assert "t: 'tasks/t/result.json' is corrupt" in result.output
    assert "2 results, 2 objects, 0.0 MiB: 1 damaged" in result.output


def test_verify_of_given_results(store: LocalStore) -> None:
    """A task, a synchronous run and an unknown id."""
    (store.root / "results/other.json").write_text("{")
    assert invoke("results", "verify", "t", "r").output.startswith("2 results, 3 objects, 0.0 MiB: all")
    (store.root / "tasks/t/result.json").unlink()
    assert invoke("results", "verify", "t").exit_code == 1
    with pytest.raises(ResultNotFound, match="nothing"):
        invoke("results", "verify", "nothing")


def test_the_beginning_of_an_id_stands_for_it(own_root: Path) -> None:
    """For one id or several; nothing but the longer id is printed."""
    store = LocalStore(own_root)
    ids = ("aaaa1111-a679-4b6b-9ea8-d3316a53fff2", "aaaa2222-a679-4b6b-9ea8-d3316a53fff2")
    for run_id in ids:
        publish_task(store, {"task_id": run_id}, {"result.json": f'{{"run_id":"{run_id}"}}'.encode()})
    invoke("results", "reindex")
    assert invoke("results", "pin", "aaaa1", "aaaa2").output == f"{ids[0]} is pinned\n{ids[1]} is pinned\n"
    assert json.loads(invoke("results", "show", "aaaa2", "--json").output)["run_id"] == ids[1]
    with pytest.raises(InvalidInput, match=f"'aaaa' is the beginning of several ids: {ids[0]}, {ids[1]}; write more"):
        invoke("results", "unpin", "aaaa")
    with pytest.raises(ResultNotFound, match="'aaaa3'"):
        invoke("results", "show", "aaaa3")


def test_a_whole_id_is_never_the_beginning_of_another(store: LocalStore) -> None:
    """Legacy ids may be short, and the result may have been copied in since the index was read."""
    publish_document(store, {"run_id": "rest"}, {})
    invoke("results", "reindex")
    publish_document(store, {"run_id": "re"}, {})
    assert json.loads(invoke("results", "show", "re", "--json").output)["run_id"] == "re"
    assert json.loads(invoke("results", "show", "res", "--json").output)["run_id"] == "rest"


@pytest.mark.parametrize("text", ["../t", "index", ""])
def test_a_text_that_begins_no_id_is_rejected(store: LocalStore, text: str) -> None:
    """It is not looked up."""
    assert store
    with pytest.raises(InvalidInput, match="is not a run id"):
        invoke("results", "show", text)
