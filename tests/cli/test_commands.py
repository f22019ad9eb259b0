"""The coin command as typed in a shell."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import (
    CandlesNotFound,
    EmptyRange,
    InsufficientCoverage,
    InvalidSpec,
    InvalidStrategyFile,
    ResultNotFound,
    RunFailed,
    UnknownStrategy,
)
from tests.candle_data import drop_rows
from tests.conftest import store_candles
from tests.forking import run_coin

RANGE = ("--start", "2023-06-01", "--end", "2024-12-31")
CUSTOM_STRATEGY = '''
"""A custom strategy."""
import numpy as np
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams

class Params(StrategyParams):
    every: int = Field(5, ge=2, le=50)

class EveryNth(Strategy[Params]):
    """Buy on every n-th bar and hold for one."""
    name = "every_nth"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        return Signals(entries=np.arange(len(bars)) % params.every == 0, hold=1)
'''


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


def printed_run_id(output: str) -> str:
    """Return the run id that a summary prints."""
    match = re.search(r"^Run +(\S+)$", output, re.MULTILINE)
    assert match
    return match[1]


def test_help_imports_no_heavy_library() -> None:
    """Printing help loads neither Dagster nor the numeric libraries."""
    program = (
        "import sys; from coin_pipeline.cli.app import coin; coin(['--help'], standalone_mode=False);"
        "print(sorted({'dagster', 'pandas', 'numpy', 'numba', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("[]\n")
    for command in ("demo", "up", "backtest", "candles", "results", "retention", "storage", "strategies"):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        *(["demo"], ["up"], ["backtest"], ["candles"], ["candles", "import"], ["candles", "list"], ["replay"]),
        *(["candles", "check"], ["candles", "export"], ["candles", "resample"], ["candles", "get"]),
        *(["results"], ["results", "pin"], ["results", "unpin"], ["retention"], ["storage"], ["storage", "init"]),
    ],
)
def test_every_command_has_help(command: list[str]) -> None:
    """Each command prints its own help text."""
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_demo_summarizes_its_run(candles: CandleCatalog, data_root: Path) -> None:
    """The summary has returns, costs, drawdown, coverage, checks, file locations and next steps."""
    assert candles
    result = invoke("demo")
    words = (
        "Total return",
        "Buy and hold",
        "Max drawdown",
        "Costs",
        "731 of 731 candles",
        "no_look_ahead",
        "Equity",
        "coin up",
    )
    assert [word for word in words if word not in result.output] == []
    assert len(result.output.splitlines()) <= 40  # fits a screen
    run_id = printed_run_id(result.output)
    assert (data_root / f"results/{run_id}.json").is_file()
    assert f"coin results report {run_id}" in result.output
    assert f"/runs/{run_id}" in result.output


def test_demo_is_reproducible(candles: CandleCatalog) -> None:
    """Two demos print the same figures."""
    assert candles
    first, second = (invoke("demo").output.splitlines()[:13] for _ in range(2))
    assert first == second


def test_backtest_runs_the_job_and_prints_json(candles: CandleCatalog) -> None:
    """--json prints the stored document with the given params."""
    assert candles
    result = invoke(
        "backtest", "volume_long_candle", "AAA_KRW", "KRW-BBB", *RANGE, "--param", "vol_multiplier=1.1", "--json"
    )
    document = json.loads(result.stdout)
    assert document["params"]["vol_multiplier"] == 1.1
    assert [part["symbol"] for part in document["symbols"]] == ["AAA_KRW", "BBB_KRW"]


def test_min_coverage_allows_a_backtest_on_incomplete_candles(candles: CandleCatalog) -> None:
    """The summary counts days without a trade separately from days that were never fetched."""
    daily = parse_timeframe("1d")
    thin = drop_rows(synthetic_candles(3, daily, date(2024, 1, 1), 100), range(40, 60))
    start = int(thin.time[0])
    candles.merge("THIN_KRW", daily, thin, fetched=[(start, start + 45 * DAY_NS)], source="upbit")
    command = ("backtest", "volume_zone_breakout", "THIN_KRW", "--start", "2024-01-01", "--end", "2024-04-09")
    with pytest.raises(InsufficientCoverage, match="100 candles expected, 80 present, 15 not fetched"):
        invoke(*command)
    output = invoke(*command, "--min-coverage", "0.8").output
    assert "1 gap (5 without a trade, 15 not fetched): 85.0% known" in output


def test_custom_strategy_runs_from_a_file(candles: CandleCatalog, tmp_path: Path) -> None:
    """A strategy file is listed and can be backtested."""
    assert candles
    file = tmp_path / "own.py"
    file.write_text(CUSTOM_STRATEGY)
    result = invoke("backtest", "every_nth", "AAA_KRW", *RANGE, "--param", "every=7", "--strategy-file", str(file))
    assert result.output.startswith("every_nth on AAA_KRW")
    listed = invoke("strategies", "--strategy-file", str(file)).output
    assert "every = 5  (integer, >= 2, <= 50)" in listed


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("volume_zone", "AAA_KRW", *RANGE), UnknownStrategy, "did you mean 'volume_zone_breakout'"),
        (("volume_zone_breakout", "../x", *RANGE), InvalidSpec, "is not a market"),
        (("volume_zone_breakout", "ZZZ_KRW", *RANGE), CandlesNotFound, r"ZZZ_KRW \(nothing stored; fetch"),
        (("volume_zone_breakout", "AAA_KRW", *RANGE, "--param", "oops"), InvalidSpec, "'oops' is not NAME=VALUE"),
        (("volume_zone_breakout", "AAA_KRW", *RANGE, "--fee-rate", "1"), InvalidSpec, "fee_rate"),
        (("x", "AAA_KRW", *RANGE, "--strategy-file", "/none.py"), InvalidStrategyFile, r"/none\.py"),
    ],
)
def test_invalid_input_is_rejected_before_a_run_is_recorded(
    candles: CandleCatalog, arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    """Each mistake raises its own error with a one-sentence message."""
    assert candles
    with pytest.raises(error, match=message):
        invoke("backtest", *arguments)


def test_failed_run_reports_the_cause(candles: CandleCatalog, tmp_path: Path) -> None:
    """An error raised by a strategy becomes a RunFailed of kind StrategyFailed."""
    assert candles
    file = tmp_path / "broken.py"
    file.write_text(CUSTOM_STRATEGY.replace("every_nth", "broken").replace("hold=1", "hold=1 // 0"))
    with pytest.raises(RunFailed, match="strategy 'broken' failed on AAA_KRW") as caught:
        invoke("backtest", "broken", "AAA_KRW", *RANGE, "--strategy-file", str(file))
    assert caught.value.kind.__name__ == "StrategyFailed"
    run_id = caught.value.run_id
    with pytest.raises(ResultNotFound, match=run_id):  # a failed task may be given by the beginning of its id too
        invoke("results", "show", run_id[:13])


def test_results_are_listed_and_shown(candles: CandleCatalog) -> None:
    """A finished run is listed first, and can be shown as a summary and as JSON."""
    assert candles
    run_id = printed_run_id(invoke("backtest", "volume_zone_breakout", "AAA_KRW", *RANGE).output)
    listed = re.findall(r"^[0-9a-f-]{36}(?= )", invoke("results", "list").output, re.MULTILINE)
    assert listed[0] == run_id
    assert run_id in invoke("results", "show", run_id).output
    assert json.loads(invoke("results", "show", run_id, "--json").output)["run_id"] == run_id


def test_legacy_result_is_shown_without_metrics(data_root: Path) -> None:
    """A result of schema 1.0 has no metrics, and the summary invents none."""
    (data_root / "results").mkdir(exist_ok=True)
    legacy = {"run_id": "old", "strategy": "s", "start_date": "2024-01-01", "end_date": "2024-02-01"}
    symbols = [{"symbol": "BTC_KRW", "signals": 3, "win_rate": 0.5, "avg_return": -1.25}]
    (data_root / "results/old.json").write_text(json.dumps({**legacy, "symbols": symbols, "total_signals": 3}))
    shown = invoke("results", "show", "old").output
    assert "a legacy result (schema 1.0)" in shown
    assert "BTC_KRW     3 signals, win rate 50.0 %, average -1.25 % per trade, max drawdown -\n" in shown
    assert "old " in invoke("results", "list", "--limit", "1000").output


def test_results_are_filtered(own_root: Path) -> None:
    """Copied-in files are listed at once and match the filters of the API; deleted files disappear."""
    (own_root / "results").mkdir()
    for day, signals in enumerate((1, 5, 9), 1):
        symbols = [{"symbol": "KRW-BTC", "signals": signals, "avg_return": float(signals)}]
        metadata = {"execution_date": f"2024-11-0{day}T00:00:00"}
        document = {"strategy": f"s{day}", "symbols": symbols, "metadata": metadata}
        (own_root / f"results/run-{day}.json").write_text(json.dumps(document))

    def listed(*filters: str) -> list[str]:
        return re.findall(r"^(run-\d) ", invoke("results", "list", *filters).stdout, re.MULTILINE)

    assert listed() == ["run-3", "run-2", "run-1"]
    assert listed("--limit", "1") == ["run-3"]
    assert listed("--strategy", "s2") == ["run-2"]
    assert listed("--symbol", "BTC_KRW", "--min-signals", "2", "--max-return", "5") == ["run-2"]
    assert listed("--date-from", "2024-11-02", "--date-to", "2024-11-02") == ["run-2"]
    assert "no stored result matches" in invoke("results", "list", "--strategy", "none").stdout
    with pytest.raises(EmptyRange, match="min_signals: 2 is above max_signals"):
        listed("--min-signals", "2", "--max-signals", "1")
    (own_root / "results/run-3.json").unlink()
    assert listed() == ["run-2", "run-1"]


def test_reindex_reads_new_documents(own_root: Path) -> None:
    """Only new documents are read unless --all is given; the first few unreadable ones are named."""
    (own_root / "results").mkdir()
    (own_root / "results/index.json").write_text("{")
    for number in range(7):
        (own_root / f"results/bad-{number}.json").write_text("{")
        (own_root / f"results/good-{number}.json").write_text("{}")
    first, second = invoke("results", "reindex"), invoke("results", "reindex")
    assert first.stdout == "7 results read, 0 no longer stored\n"
    assert second.stdout == "0 results read, 0 no longer stored\n"
    assert "not listed: 'results/index.json' is corrupt" in first.stderr
    assert first.stderr.endswith("and 3 more\n")
    (own_root / "results/good-0.json").unlink()
    assert invoke("results", "reindex", "--all").stdout == "6 results read, 1 no longer stored\n"
    assert (own_root / "results/index.json").read_text() == "{"


@pytest.mark.parametrize("command", [["up"], ["demo"], ["backtest", "volume_zone_breakout", "AAA_KRW", *RANGE]])
def test_data_root_must_be_a_folder(tmp_path: Path, command: list[str]) -> None:
    """Every command reports one line and exits with 1."""
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "DATA_ROOT": str(tmp_path / "file")}
    result = run_coin(*command, environment=environment)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr


def test_unreadable_file_does_not_hide_the_others(own_root: Path) -> None:
    """Lists show the readable items and name the unreadable ones."""
    store_candles(own_root)
    (own_root / "AAA_KRW/1D/2023.parquet").write_bytes(b"PAR1 and then nothing")
    listed = invoke("candles", "list")
    assert "BBB_KRW" in listed.stdout
    assert "not listed: file: AAA_KRW/1D/2023.parquet" in listed.stderr
    (own_root / "results").mkdir()
    (own_root / "results/good.json").write_text('{"run_id": "good"}')
    (own_root / "results/bad.json").write_text("{")
    listed = invoke("results", "list")
    assert "good" in listed.stdout
    assert "not listed: 'results/bad.json' is corrupt" in listed.stderr


def test_checks_are_counted_over_symbols(candles: CandleCatalog) -> None:
    """With several symbols, each check shows for how many it passed."""
    assert candles
    output = invoke("backtest", "volume_zone_breakout", "AAA_KRW", "BBB_KRW", *RANGE).stdout
    assert "no_look_ahead: passed for 2 of 2 symbols" in output
    assert output.count(" candles (100.0%)") == 2


def test_candles_are_imported_and_listed(own_root: Path) -> None:
    """A CSV file becomes stored candles; with an empty DATA_ROOT the lists suggest a command."""
    assert "'coin candles import FILE'" in invoke("candles", "list").output
    assert "'coin demo' creates one" in invoke("results", "list").output
    file = own_root / "btc.csv"
    file.write_text("timestamp,open,high,low,close,volume\n2024-01-01,1,3,1,2,5\n2024-01-02,2,4,2,3,6\n")
    result = invoke("candles", "import", str(file), "--symbol", "KRW-BTC", "--timeframe", "1D", "--tz", "UTC")
    assert "BTC_KRW 1d: 2 candles added" in result.output
    assert "BTC_KRW" in invoke("candles", "list").output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["backtest", "volume_zone_breakout", "../x", *RANGE], 2, "error: symbols: '../x' is not a market"),
        (["results", "show", "nothing"], 1, "error: no result or task has the id 'nothing'"),
        (["candles", "import", __file__, "--symbol", "BTC_KRW", "--timeframe", "1d"], 2, f"error: file: {__file__}"),
    ],
)
def test_errors_exit_with_a_message_and_a_code(arguments: list[str], code: int, message: str) -> None:
    """Errors print one line without a traceback; the code is 2 for invalid input and 1 otherwise."""
    result = run_coin(*arguments)
    assert result.returncode == code
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr


def test_up_does_not_start_with_incomplete_alert_settings(tmp_path: Path) -> None:
    """Alerts that could not be sent are an error before any process starts."""
    environment = {**os.environ, "DATA_ROOT": str(tmp_path), "SMTP_HOST": "smtp.example.com", "SMTP_USER": "coin"}
    result = run_coin("up", environment=environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert "SMTP_PASSWORD: is not set, but SMTP_USER is; set both or neither" in result.stderr
    assert list(tmp_path.iterdir()) == []
