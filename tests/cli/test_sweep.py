"""The sweep command."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import dagster as dg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from coin_pipeline.backtest.labels import SWEEP_FIGURES
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.cli.app import coin
from coin_pipeline.cli.views import sweep
from coin_pipeline.engine.execution import Fill
from coin_pipeline.errors import CandlesNotFound, CoinError, InvalidSpec, SweepTooLarge, UnknownStrategy
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import load_settings
from coin_pipeline.sweeps.request import MAX_UNCONFIRMED, Objective, Search
from tests.builders import STEADY_STRATEGY
from tests.dagster_instance import end_lost_runs
from tests.forking import run_coin

COIN = Path(sys.executable).with_name("coin")
RANGE = ("--start", "2024-01-01", "--end", "2024-12-31")
SWEEP = ("sweep", "volume_zone_breakout", "AAA_KRW", *RANGE)
GRID = ("--grid", "volume_window=5:20:5", "--grid", "top_percentile=0.1,0.2,0.3")


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


@pytest.fixture(scope="module")
def printed(candles: CandleCatalog) -> str:
    """The output of a finished sweep."""
    assert candles
    return invoke(*SWEEP, *GRID).output


def printed_location(printed: str, name: str) -> str:
    """Return the location that a summary prints under `name`."""
    return next(line.split()[1] for line in printed.splitlines() if line.startswith(f"{name} "))


def test_summary_fits_one_screen(printed: str) -> None:
    """It has the best points, the heat map, the warnings and the file locations."""
    lines = printed.splitlines()
    assert lines[0] == "volume_zone_breakout on AAA_KRW, 2024-01-01 to 2024-12-31, 1d"
    assert lines[1].startswith("12 points in ")
    assert " ".join(lines[3].split()) == (
        "point volume_window top_percentile total return max drawdown profit factor win rate exposure trades"
    )
    for name in ("Trials", "Result"):
        assert Path(printed_location(printed, name)).is_file()
    assert "the best of 12 points is biased upwards" in printed
    assert len(lines) <= 35
    document = json.loads(Path(printed_location(printed, "Result")).read_bytes())
    assert f"Best      volume_window={document['best']['values']['volume_window']}" in printed
    assert f"Report    coin results report {document['run_id']}" in printed
    table = pq.read_table(printed_location(printed, "Trials"))
    assert len(table) == 12


def test_the_command_of_the_summary_writes_the_report(printed: str, tmp_path: Path) -> None:
    """It is built on request, as that of a backtest."""
    command = next(line.removeprefix("Report") for line in printed.splitlines() if line.startswith("Report "))
    target = tmp_path / "report.html"
    invoke(*command.split()[1:], "--output", str(target))
    assert "volume_window" in target.read_text("utf-8")


def test_heat_map_reads_without_colour(printed: str) -> None:
    """Each cell shows its figure, aligned with its labels, and the highest is marked."""
    document = json.loads(Path(printed_location(printed, "Result")).read_bytes())
    lines = printed.splitlines()
    first = lines.index("highest total return by volume_window and top_percentile") + 1
    for row, values in enumerate(document["heat_map"]["best"]):
        label, *cells = lines[first + row].split()
        assert label == document["heat_map"]["y"]["labels"][row]
        assert [cell.rstrip("*") for cell in cells] == [f"{100 * value:+,.2f}%" for value in values]
    assert lines[first + 3].split() == ["top_percentile", "5", "10", "15", "20"]
    assert sum(line.count("*") for line in lines) == 1


def test_a_stored_sweep_is_shown_and_listed(printed: str) -> None:
    """Sweeps are shown and listed like backtests."""
    run_id = printed_location(printed, "Run")
    assert invoke("results", "show", run_id).output == printed
    assert run_id in invoke("results", "list").output


def test_a_stored_sweep_is_replayed(printed: str) -> None:
    """The replay compares the digest of the trials."""
    document = json.loads(Path(printed_location(printed, "Result")).read_bytes())
    result = invoke("replay", printed_location(printed, "Run"))
    assert (result.exit_code, result.stdout) == (0, f"identical: {document['trials']['sha256']}\n")


def test_help_lists_the_choices() -> None:
    """The options accept the same values and limit as a request."""
    choices = (
        ("search", get_args(Search)),
        ("objective", get_args(Objective)),
        ("fill", tuple(map(str, Fill))),
        ("tick-sizes", ("none", "upbit")),
    )
    text = " ".join(invoke("sweep", "--help").output.split())
    for name, accepted in choices:
        assert f"--{name} [{'|'.join(accepted)}]" in text
    assert f"Accept more than {MAX_UNCONFIRMED:,} points" in text
    refused = invoke(*SWEEP, *GRID, "--objective", "luck")
    assert refused.exit_code == 2
    assert "'luck' is not one of 'total_return', 'return_over_drawdown'" in refused.output


@pytest.mark.parametrize(
    ("objective", "values", "shown"),
    [
        ("total_return", [-0.99991, -0.99992, -0.99992], ["-99.991 %", "-99.992 %", "-99.992 %"]),
        ("total_return", [0.5, 0.25], ["+50.00 %", "+25.00 %"]),
        ("profit_factor", [1.23456, 1.23451], ["1.2346", "1.2345"]),
        ("return_over_drawdown", [3.0, 3.0], ["3.00", "3.00"]),
        ("total_return", [-1 + 2**-53, -1.0], ["-99.99999999999999 %", "-100.00000000000000 %"]),
    ],
)
def test_top_table_shows_enough_digits_to_rank(objective: str, values: list[float], shown: list[str]) -> None:
    """Distinct objectives get enough digits to look distinct; other figures keep two digits."""
    figures = {**dict.fromkeys(SWEEP_FIGURES, 0.12351), "trades": 3}
    top = [
        {"point": number, "values": {"w": number}, "figures": {**figures, objective: value, "objective": value}}
        for number, value in enumerate(values)
    ]
    table = sweep._top_table({"objective": objective, "top": top})
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns[objective.replace("_", " ")] == shown
    assert columns["max drawdown"] == ["12.35 %"] * len(values)


def test_wide_heat_map_uses_shades() -> None:
    """Where figures do not fit, higher cells are denser, empty cells blank, and the title has the scale."""
    values = [[column / 49 if column else None for column in range(50)]]
    drawn = {"x": {"name": "w", "labels": [str(w) for w in range(50)]}, "y": None, "best": values}
    console = Console(width=80, record=True, file=io.StringIO())
    for line in sweep._heat_map({"heat_map": drawn, "objective": "win_rate"}, console.width):
        console.print(line)
    title, row, labels, _ = console.export_text().splitlines()
    assert title == "highest win rate by w; from 2.04 % (·) to 100.00 % (█)"
    assert row.strip().startswith("·")
    assert row.strip().endswith("██")
    marks = [sweep._SHADES.index(mark) for mark in row.strip()]
    assert marks == sorted(marks)
    assert labels.split() == ["0", "...", "49"]
    assert max(map(len, (title, row, labels))) <= 80


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ("--grid", "volume_window=5:500:1", "--grid", "top_percentile=0.001:0.9:0.001"),
            SweepTooLarge,
            r"446,400 .*--yes",
        ),
        (("--grid", "volume_window=0:5:1"), InvalidSpec, "space.volume_window=0: "),
        (("--grid", "volume_windw=1:5:1"), InvalidSpec, "did you mean 'volume_window'"),
        (("--grid", "volume_window"), InvalidSpec, "'volume_window' is not NAME=VALUES"),
        (("--grid", "volume_window=1", "--grid", "volume_window=2"), InvalidSpec, "volume_window: given twice"),
        (("--grid", "volume_window=5:10"), InvalidSpec, "a grid needs steps"),
        (("--grid", "volume_window=5:10", "--search", "optuna"), InvalidSpec, "trials"),
    ],
)
def test_invalid_input_is_rejected_before_a_run_is_recorded(
    candles: CandleCatalog, arguments: tuple[str, ...], error: type[CoinError], message: str
) -> None:
    """Each mistake raises its own error with a one-sentence message."""
    assert candles
    with pytest.raises(error, match=message):
        invoke(*SWEEP, *arguments)


@pytest.mark.parametrize(
    ("strategy", "symbol", "error"),
    [("volume_zone", "AAA_KRW", UnknownStrategy), ("volume_zone_breakout", "ZZZ_KRW", CandlesNotFound)],
)
def test_unknown_names_are_rejected(strategy: str, symbol: str, error: type[CoinError]) -> None:
    """Unknown strategies and symbols raise the same errors as for a backtest."""
    with pytest.raises(error):
        invoke("sweep", strategy, symbol, *RANGE, "--grid", "volume_window=5,6")


def test_fixed_params_stops_and_costs_are_passed_on(candles: CandleCatalog) -> None:
    """The options of a backtest apply to a sweep, and stops can be swept."""
    assert candles
    options = ("--param", "breakout_buffer=0.01", "--take-profit", "0.1", "--fee-rate", "0.0005", "--workers", "2")
    result = invoke(*SWEEP, "--grid", "stop_loss=0.02,0.05,none", *options, "--json")
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["params"]["breakout_buffer"] == 0.01
    assert (document["spec"]["take_profit"], document["spec"]["fee_rate"]) == (0.1, 0.0005)
    assert {point["values"]["stop_loss"] for point in document["top"]} == {0.02, 0.05, None}


def test_errors_exit_with_a_message_and_a_code(candles: CandleCatalog) -> None:
    """Invalid input exits with 2, like every command."""
    assert candles
    result = run_coin(*SWEEP, "--grid", "x=1")
    assert result.returncode == 2
    assert result.stderr.startswith("error: space.x: cannot be swept; choose from volume_window")


def test_killed_sweep_resumes(candles: CandleCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed sweep loses no finished chunk, and its final result equals that of an undisturbed sweep."""
    monkeypatch.setenv("COIN_LEASE_SECONDS", "1")
    file, calls = tmp_path / "steady.py", tmp_path / "calls"
    file.write_text(STEADY_STRATEGY)
    options = ("--grid", "every=2:151:1", "--warm-up", "none", "--strategy-file", str(file))
    command = ("sweep", "steady", "AAA_KRW", *RANGE, *options)
    folder = candles.root / "sweeps/chunks"
    before = {*folder.glob("*.parquet")}
    process = subprocess.Popen([COIN, *command])
    try:
        deadline = time.monotonic() + 60
        while not (finished := {*folder.glob("*.parquet")} - before):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert len(finished) < 3
    settings = load_settings()
    time.sleep(settings.coin_lease_seconds)
    with open_instance(settings) as instance:
        end_lost_runs(instance)
        (run,) = instance.get_runs(dg.RunsFilter(job_name="sweep"), limit=1)
        assert run.status == dg.DagsterRunStatus.FAILURE
    kept = {value for path in finished for value in pq.read_table(path)["every"].to_pylist()}
    calls.unlink()
    resumed = json.loads(invoke(*command, "--json").stdout)
    evaluated = {int(line) for line in calls.read_text().split()}
    checked = {2 + number for number in resumed["checked"]}
    assert evaluated - checked == {*range(2, 152)} - kept - checked
    undisturbed = json.loads(invoke(*command, "--json", "--fresh").stdout)
    assert resumed["trials"] == undisturbed["trials"]
    assert resumed["best"]["result_sha256"] == undisturbed["best"]["result_sha256"]
