"""A reader who executes the commands of the documentation on a running platform."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx2

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.ohlcv import OHLCV
from coin_pipeline.candles.resample import contiguous_intervals, resample
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from tests.conftest import ROOT
from tests.forking import run_coin
from tests.platforms import BACKTEST, COIN, UNFINISHED, wait_until

API = "http://127.0.0.1:8000"
STORED = (
    ("DEMO_KRW", "1d", date(2023, 1, 1), 731),
    ("ETH_KRW", "1d", date(2023, 1, 1), 731),
    ("BTC_KRW", "1m", date(2025, 3, 1), 10_000),  # without days and hours to contradict
)
CSV = "time,open,high,low,close,volume\n2025-02-01T00:00:00Z,100,110,90,105,3\n2025-02-02T00:00:00Z,105,115,95,110,4\n"
MY_STRATEGY = """
from pydantic import Field

from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams


class Params(StrategyParams):
    days: int = Field(20, ge=2, le=200, description="bars of the highest close")


class MyStrategy(Strategy[Params]):
    '''Buy a new high.'''

    name = "my_strategy"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        import pandas as pd

        return Signals(pd.Series(bars.close).rolling(params.days).max() == bars.close, hold=5)
"""


class Reader:
    """Executes commands; the ids in them are those that earlier commands have printed.

    Args:
        api: The API of the platform.
        home: Working directory, with the reader's files.
        environment: Environment of the commands.
    """

    def __init__(self, api: httpx2.Client, home: Path, environment: Mapping[str, str]) -> None:
        self._api = api
        self._home = home
        self._environment = environment
        self._task_id = self._status_url = ""
        fetched = ["BTC_KRW", "ETH_KRW", "--timeframe", "1d", "--timeframe", "1h", "--from", "2024-01-01"]
        self.execute("candles that later commands find unchanged", ["coin", "candles", "get", *fetched])
        self._observe(api.post("/api/backtests/run-async", json={**BACKTEST, "symbols": ["BTC_KRW"]}).text)
        for command in (
            ["start", "volume_zone_breakout", "DEMO_KRW", "--start", "2024-12-20", "--no-collect"],
            ["advance"],
        ):
            self.execute("a forward test with decisions", ["coin", "forward", *command])

    def execute(self, place: str, command: list[str]) -> None:
        """Execute a command, which must succeed."""
        program, *arguments = [self._with_ids(word) for word in command]
        if program.rpartition("/")[2] == "coin":
            done = run_coin(*arguments, cwd=self._home, environment=self._environment)
        elif program == "curl":
            url = str(self._api.base_url).rstrip("/")
            done = self._run(
                str(shutil.which("curl")), "-sS", "--fail-with-body", *(a.replace(API, url) for a in arguments)
            )
            self._observe(done.stdout)
        else:
            done = self._run(str(ROOT / program), *arguments)
        assert done.returncode == 0, f"{place}: {' '.join([program, *arguments])}\n{done.stdout}{done.stderr}"

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, "PATH": f"{COIN.parent}:{os.environ['PATH']}"}
        return subprocess.run(command, cwd=self._home, env=environment, capture_output=True, text=True, check=False)

    def _with_ids(self, word: str) -> str:
        known: dict[str, Callable[[], str]] = {
            "TASK_ID": self._ended_task,
            "RUN_ID": self._ended_task,
            "POSITION_ID": self._open_position,
            "ID": lambda: self._list("forward", "list")[-1]["test_id"],
            "20260101_150000": self._backup_of_results,
        }
        word = word.replace("/tmp/", f"{mkdtemp(dir=self._home)}/")  # noqa: S108 -- empty at each command
        return re.sub(rf"\b({'|'.join(known)})\b", lambda match: known[match[1]](), word)

    def _observe(self, output: str) -> None:
        with suppress(ValueError):  # the output is not JSON
            printed = json.loads(output)
            if isinstance(printed, dict) and "task_id" in printed and "series" not in printed:
                self._task_id = printed["task_id"]
                self._status_url = f"/api/{'sweeps' if 'points' in printed else 'backtests/status'}/{self._task_id}"

    def _ended_task(self) -> str:
        wait_until(lambda: self._api.get(self._status_url).json()["status"] not in UNFINISHED)
        return self._task_id

    def _backup_of_results(self) -> str:
        found = self._list("backup", "list")
        return str(next(each["set_id"] for each in found if "results" in [part["target"] for part in each["targets"]]))

    def _open_position(self) -> str:
        if not self._list("positions", "open"):
            self.execute("a position", ["coin", "positions", "enter", "BTC_KRW", "BUY", "0.5", "--price", "51000000"])
        return str(self._list("positions", "open")[0]["position_id"])

    def _list(self, *command: str) -> list[dict[str, Any]]:
        """Return the entries that a command lists."""
        printed = json.loads(run_coin(*command, "--json", cwd=self._home, environment=self._environment).stdout)
        return printed if isinstance(printed, list) else next(v for v in printed.values() if isinstance(v, list))


def exchange_candles() -> dict[tuple[str, str], OHLCV]:
    """Return hours, and the days that they make, of two markets of Upbit."""
    hour, day = parse_timeframe("1h"), parse_timeframe("1d")
    candles: dict[tuple[str, str], OHLCV] = {}
    for seed, market in enumerate(("KRW-BTC", "KRW-ETH")):
        hours = candles[market, "minutes/60"] = synthetic_candles(seed, hour, date(2023, 12, 1), 24 * 410)
        candles[market, "days"] = resample(hours, hour, day, contiguous_intervals(hours.time, hour))
    return candles


def write_reader_files(home: Path, root: Path) -> None:
    """Write the files that the documentation mentions to `home`, and its candles to DATA_ROOT."""
    catalog = CandleCatalog(root)
    for seed, (symbol, name, start, bars) in enumerate(STORED):
        timeframe = parse_timeframe(name)
        catalog.merge(symbol, timeframe, synthetic_candles(seed, timeframe, start, bars))
    (home / "downloads").mkdir()
    for path in (home / "btc.csv", home / "downloads/ETHUSDT-1d-2024.csv"):
        path.write_text(CSV)
    for month in (1, 2):
        name = f"BTCUSDT-1h-2025-{month:02}"
        with zipfile.ZipFile(home / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.csv", _binance_rows(month))
    (home / "my_strategy.py").write_text(MY_STRATEGY)


def _binance_rows(month: int) -> str:
    """Return a file of Binance's archive: the hours of the first day of a month, without a header."""
    start = int(datetime(2025, month, 1, tzinfo=UTC).timestamp() * 1000)
    hours = (start + hour * 3_600_000 for hour in range(24))
    return "".join(f"{time},100,110,90,105,3,{time + 3_599_999},300,7,1,100,0\n" for time in hours)
