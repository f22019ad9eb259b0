"""Replaying and reusing runs, as a person types it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import NotReplayable
from tests.strategy_files import FILES, as_new_process, edit, write

COIN = Path(sys.executable).with_name("coin")


@pytest.fixture
def own(tmp_path: Path, candles: CandleCatalog) -> Iterator[Path]:
    """A strategy file with a helper beside it, and candles to run it on."""
    assert candles
    with as_new_process():
        yield write(tmp_path, FILES)


def invoke(*arguments: str) -> Result:
    """Run a command in this process, strategies and their helpers loaded anew."""
    with as_new_process():
        return CliRunner().invoke(coin, arguments, catch_exceptions=False)


def backtest(own: Path, *options: str) -> Result:
    """Run the strategy of one's own on generated candles."""
    days = ("--start", "2023-06-01", "--end", "2024-12-31")
    return invoke("backtest", "helped", "AAA_KRW", *days, "--strategy-file", str(own), *options)


def document_of(result: Result) -> dict[str, Any]:
    """Return the document that --json printed."""
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_a_run_its_replays_and_its_reuse(own: Path) -> None:
    """An edited comment changes nothing; an edited helper is another backtest, and a replay says so first."""
    first = document_of(backtest(own, "--json"))
    run_id, digest = first["run_id"], first["result_sha256"]
    assert first["reused_from"] is None
    again = document_of(backtest(own, "--json"))
    assert (again["run_id"], again["reused_from"]) == (run_id, run_id)
    shown = backtest(own).stdout
    assert f"reused from {run_id}, computed {first['metadata']['execution_date'][:19]} UTC" in shown

    edit(own.with_name("helped_levels.py"), "  # a rise", "")
    done = invoke("replay", run_id)
    assert (done.exit_code, done.stdout) == (0, f"identical: {digest}\n")
    assert document_of(backtest(own, "--json"))["reused_from"] == run_id
    fresh = document_of(backtest(own, "--fresh", "--json"))
    assert fresh["reused_from"] is None
    assert fresh["run_id"] != run_id
    assert fresh["result_sha256"] == digest

    edit(own.with_name("helped_levels.py"), "close > bars.open", "close > 1.01 * bars.open")
    done = invoke("replay", run_id, "--strategy-file", str(own))
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    said = first["fingerprint"]["modules"]["helped_levels"]
    assert lines[0].startswith(f"code of helped_levels: {said[:12]}… when it ran, ")
    assert lines[1].startswith(f"the result differs: {digest} when it ran, ")
    assert lines[2].startswith("first at symbols.0.signals.2.timestamp: 2023-06-08T00:00:00Z when it ran, ")
    assert len(lines) == 3
    other = document_of(backtest(own, "--json"))
    assert (other["reused_from"], other["run_id"] != run_id) == (None, True)
    assert other["result_sha256"] != digest


def test_a_replay_as_json(own: Path) -> None:
    """What differs, for programs: which input, its name, and both digests."""
    run_id = document_of(backtest(own, "--json"))["run_id"]
    edit(own.with_name("helped_levels.py"), "return bars", "unused = 1\n    return bars")
    done = invoke("replay", run_id, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["identical"], found["run_id"]) == (0, True, run_id)
    assert found["said_sha256"] == found["now_sha256"]
    assert [(each["what"], each["name"]) for each in found["differences"]] == [("code", "helped_levels")]
    assert f"identical all the same: {found['now_sha256']}" in invoke("replay", run_id).stdout


def test_a_helper_that_now_fails(own: Path) -> None:
    """The edit comes before the error that it raises."""
    run_id = document_of(backtest(own, "--json"))["run_id"]
    edit(own.with_name("helped_levels.py"), "return bars", "1 / 0\n    return bars")
    lines = invoke("replay", run_id).stdout.splitlines()
    assert lines[0].startswith("code of helped_levels: ")
    assert lines[1].startswith("the run now fails: strategy 'helped' failed on AAA_KRW: ")


def test_a_strategy_that_is_not_deterministic_is_an_alarm(own: Path) -> None:
    """Nothing that it was computed from differs, and the result does."""
    edit(own, "import numpy as np", "from pathlib import Path")
    edit(own, "hold=2", "hold=int(Path(__file__).with_name('mood').read_text())")
    own.with_name("mood").write_text("2")
    run_id = document_of(backtest(own, "--json"))["run_id"]
    assert invoke("replay", run_id).exit_code == 0
    own.with_name("mood").write_text("3")
    done = invoke("replay", run_id)
    assert done.exit_code == 1
    assert done.stdout.startswith("spec, candles, code and versions are the same, and yet the result differs:")


def test_an_older_result_cannot_be_replayed(data_root: Path) -> None:
    """One sentence that says why."""
    (data_root / "results").mkdir(exist_ok=True)
    (data_root / "results/elder.json").write_text('{"run_id": "elder", "symbols": []}')
    with pytest.raises(NotReplayable, match="does not say from what it was computed"):
        invoke("replay", "elder")


def test_a_new_process_reproduces_a_run_of_another(own: Path) -> None:
    """Nothing in memory takes part: another interpreter gives the same digest, and its exit code says so."""
    document = document_of(backtest(own, "--json"))
    command = [COIN, "replay", document["run_id"], "--strategy-file", str(own)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"identical: {document['result_sha256']}\n")
    edit(own, "hold=2", "hold=3")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("code of own.py: ")
