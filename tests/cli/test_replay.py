"""Replay and reuse of runs on the command line."""

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
def strategy_file(tmp_path: Path, candles: CandleCatalog) -> Iterator[Path]:
    """A strategy file with a helper module next to it, and stored candles."""
    assert candles
    with as_new_process():
        yield write(tmp_path, FILES)


def invoke(*arguments: str) -> Result:
    """Run a command in this process, with strategies and helpers reloaded."""
    with as_new_process():
        return CliRunner().invoke(coin, arguments, catch_exceptions=False)


def backtest(strategy_file: Path, *options: str) -> Result:
    """Run the custom strategy on synthetic candles."""
    days = ("--start", "2023-06-01", "--end", "2024-12-31")
    return invoke("backtest", "helped", "AAA_KRW", *days, "--strategy-file", str(strategy_file), *options)


def document_of(result: Result) -> dict[str, Any]:
    """Return the document that --json printed."""
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_reuse_and_replay_follow_code_changes(strategy_file: Path) -> None:
    """An edited comment changes nothing; an edited helper is a different backtest, which a replay reports first."""
    first = document_of(backtest(strategy_file, "--json"))
    run_id, digest = first["run_id"], first["result_sha256"]
    assert first["reused_from"] is None
    again = document_of(backtest(strategy_file, "--json"))
    assert (again["run_id"], again["reused_from"]) == (run_id, run_id)
    shown = backtest(strategy_file).stdout
    assert f"reused from {run_id}, computed {first['metadata']['execution_date'][:19]} UTC" in shown
    listed = [line for line in invoke("results", "list").stdout.splitlines() if line.startswith(run_id)]
    assert ["(reused)" in line for line in listed] == [True, True, False]

    edit(strategy_file.with_name("helped_levels.py"), "  # a rise", "")
    result = invoke("replay", run_id)
    assert (result.exit_code, result.stdout) == (0, f"identical: {digest}\n")
    assert document_of(backtest(strategy_file, "--json"))["reused_from"] == run_id
    fresh = document_of(backtest(strategy_file, "--fresh", "--json"))
    assert fresh["reused_from"] is None
    assert fresh["run_id"] != run_id
    assert fresh["result_sha256"] == digest

    edit(strategy_file.with_name("helped_levels.py"), "close > bars.open", "close > 1.01 * bars.open")
    result = invoke("replay", run_id, "--strategy-file", str(strategy_file))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    stored = first["fingerprint"]["modules"]["helped_levels"]
    assert lines[0].startswith(f"code of helped_levels: stored {stored[:12]}…, now ")
    assert lines[1].startswith(f"the result differs: stored {digest}, now ")
    assert lines[2].startswith("first difference at symbols.0.signals.2.timestamp: stored 2023-06-08T00:00:00Z, now ")
    assert len(lines) == 3
    other = document_of(backtest(strategy_file, "--json"))
    assert (other["reused_from"], other["run_id"] != run_id) == (None, True)
    assert other["result_sha256"] != digest


def test_a_replay_as_json(strategy_file: Path) -> None:
    """The JSON has the changed inputs and both digests."""
    run_id = document_of(backtest(strategy_file, "--json"))["run_id"]
    edit(strategy_file.with_name("helped_levels.py"), "return bars", "unused = 1\n    return bars")
    result = invoke("replay", run_id, "--json")
    comparison = json.loads(result.stdout)
    assert (result.exit_code, comparison["identical"], comparison["run_id"]) == (0, True, run_id)
    assert comparison["said_sha256"] == comparison["now_sha256"]
    assert [(change["what"], change["name"]) for change in comparison["differences"]] == [("code", "helped_levels")]
    assert f"identical despite these changes: {comparison['now_sha256']}" in invoke("replay", run_id).stdout


def test_replay_of_a_helper_that_now_fails(strategy_file: Path) -> None:
    """The changed helper is reported before the error it raises."""
    run_id = document_of(backtest(strategy_file, "--json"))["run_id"]
    edit(strategy_file.with_name("helped_levels.py"), "return bars", "1 / 0\n    return bars")
    lines = invoke("replay", run_id).stdout.splitlines()
    assert lines[0].startswith("code of helped_levels: ")
    assert lines[1].startswith("the run now fails: strategy 'helped' failed on AAA_KRW: ")


def test_nondeterministic_strategy_is_reported(strategy_file: Path) -> None:
    """The inputs are unchanged but the result differs."""
    edit(strategy_file, "import numpy as np", "from pathlib import Path")
    edit(strategy_file, "hold=2", "hold=int(Path(__file__).with_name('mood').read_text())")
    strategy_file.with_name("mood").write_text("2")
    run_id = document_of(backtest(strategy_file, "--json"))["run_id"]
    assert invoke("replay", run_id).exit_code == 0
    strategy_file.with_name("mood").write_text("3")
    result = invoke("replay", run_id)
    assert result.exit_code == 1
    assert result.stdout.startswith("spec, candles, code and versions are unchanged but the result differs:")


def test_legacy_result_cannot_be_replayed(data_root: Path) -> None:
    """The error states that the inputs are not recorded."""
    (data_root / "results").mkdir(exist_ok=True)
    (data_root / "results/legacy.json").write_text('{"run_id": "legacy", "symbols": []}')
    with pytest.raises(NotReplayable, match="does not record its inputs"):
        invoke("replay", "legacy")


def test_new_process_reproduces_a_run(strategy_file: Path) -> None:
    """Another interpreter computes the same digest, so nothing in memory affects the result."""
    document = document_of(backtest(strategy_file, "--json"))
    command = [COIN, "replay", document["run_id"], "--strategy-file", str(strategy_file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, f"identical: {document['result_sha256']}\n")
    edit(strategy_file, "hold=2", "hold=3")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout.startswith("code of own.py: ")
