"""Our engine, called through its public API."""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks import inputs
from benchmarks.measuring import Arrays, Run, Stopwatch
from benchmarks.oracles import FEE, SLIPPAGE, SLOTS, Floats
from benchmarks.series import Columns, SeriesRequest, all_series_run, first_series_run
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.execution import Costs, ExitRule, Fill
from coin_pipeline.engine.outcomes import compute_outcomes
from coin_pipeline.engine.shared_account import SharedRules, SymbolSamples, simulate_shared_account
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.engine.simulate import simulate
from coin_pipeline.engine.sweep import Trials
from coin_pipeline.engine.sweep import sweep as run_sweep
from coin_pipeline.engine.true_indices import true_indices
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import CANDLES
from coin_pipeline.storage.open_store import open_folder
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout, VolumeZoneBreakoutParams
from coin_pipeline.strategies.param_columns import ParamColumns

PACKAGES = ("coin-pipeline", "numba", "numpy", "pyarrow")
COSTS = Costs(FEE, SLIPPAGE)
WORKERS = os.cpu_count() or 1
HOLD = int(inputs.SHARED_POINT[-1])


def one_strategy(data: Arrays) -> Run:
    """Compute the signals and simulate them."""
    bars, strategy = _bars(data), VolumeLongCandle()
    [params] = _long_candles(data["points"])
    return _simulation(bars, lambda: strategy.signals(bars, params))


def one_strategy_given(data: Arrays) -> Run:
    """Simulate given signals."""
    bars = _bars(data)
    [signals] = _given(data, bars)
    return _simulation(bars, lambda: signals)


def sweep(data: Arrays) -> Run:
    """Compute the signals of all points of ``volume_long_candle`` and sweep over them."""
    bars, strategy = _bars(data), VolumeLongCandle()
    points = _long_candles(data["points"])

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            trials = _sweep(bars, strategy.signal_rows(bars, points, WORKERS))
        return _table(trials)

    return run


def sweep_given(data: Arrays) -> Run:
    """Sweep over given booleans, one row per point."""
    bars = _bars(data)
    signals = _given(data, bars)

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            trials = _sweep(bars, SignalRows.of(signals))
        return _table(trials)

    return run


def shared_account_signals(data: Arrays) -> Run:
    """Compute the signals of all symbols and trade them from one account."""
    books, strategy = _books(data), VolumeLongCandle()
    [params] = _long_candles(inputs.SHARED_POINT[None])
    return _share(books, lambda: [strategy.signals(bars, params) for bars in books])


def shared_account(data: Arrays) -> Run:
    """Trade given signals from one account."""
    signals = [Signals(entries, hold=HOLD) for entries in data["signals"]]
    return _share(_books(data), lambda: signals)


def zone(data: Arrays) -> Run:
    """Find the breakouts of one window."""
    bars, strategy = _bars(data), VolumeZoneBreakout()
    params = VolumeZoneBreakoutParams(
        volume_window=int(data["window"]), num_bins=int(data["bins"]), top_percentile=float(data["share"])
    )

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            entries = strategy.signals(bars, params).entries
        return {"entries": entries, "first_bars": entries[: data["checked"]]}

    return run


def sweep_zone(data: Arrays) -> Run:
    """Compute the signals of all points of ``volume_zone_breakout`` and sweep over them."""
    bars, strategy = _bars(data), VolumeZoneBreakout()
    names = ("top_percentile", "breakout_buffer")
    points = [
        VolumeZoneBreakoutParams(
            volume_window=int(window), hold_period_bars=int(hold), **dict(zip(names, rest, strict=True))
        )
        for window, *rest, hold in data["points"].tolist()
    ]

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            trials = _sweep(bars, strategy.signal_rows(bars, points, WORKERS))
        return {key: column[data["checked"]] for key, column in _table(trials).items()}

    return run


def _bars(data: Arrays) -> Bars:
    return Bars(data["time"], *data["columns"])


def _books(data: Arrays) -> list[Bars]:
    return [Bars(data["time"], *columns) for columns in data["books"]]


def _long_candles(points: Floats) -> ParamColumns[VolumeLongCandleParams]:
    window, multiplier, body, hold = points.T
    columns = {
        "vol_ma_window": window.astype(np.int64),
        "vol_multiplier": multiplier,
        "body_pct": body,
        "hold_period_bars": hold.astype(np.int64),
    }
    return ParamColumns(VolumeLongCandleParams, {}, columns, len(points))


def _given(data: Arrays, bars: Bars) -> list[Signals]:
    return [VolumeLongCandle().signals(bars, params) for params in _long_candles(data["points"])]


def _simulation(bars: Bars, signals_of: Callable[[], Signals]) -> Run:
    def run(watch: Stopwatch) -> Arrays:
        with watch:
            simulation = simulate(bars, signals_of(), COSTS, Fill.NEXT_OPEN)
            trades, deepest = simulation.trades, simulation.max_drawdown
        result = {"entry_bar": trades.entry_bar, "exit_bar": trades.exit_bar, "equity": simulation.equity}
        return result | {"max_drawdown": deepest}

    return run


def _sweep(bars: Bars, rows: SignalRows) -> Trials:
    return run_sweep(bars, rows, None, COSTS, Fill.NEXT_OPEN, Sizing(), WORKERS)


def _table(trials: Trials) -> Arrays:
    return {"trades": trials.trades, "final": 1 + trials.total_return, "max_drawdown": trials.max_drawdown}


def _share(books: Sequence[Bars], signals_of: Callable[[], Sequence[Signals]]) -> Run:
    rule = ExitRule(hold=HOLD)
    rules = SharedRules(fraction=1 / SLOTS, max_positions=SLOTS)
    names = [f"{number:03}" for number in range(len(books))]

    def run(watch: Stopwatch) -> Arrays:
        with watch:
            samples = [
                compute_outcomes(bars, true_indices(signals.entries), rule, COSTS, Fill.NEXT_OPEN)
                for bars, signals in zip(books, signals_of(), strict=True)
            ]
            account = simulate_shared_account(
                [SymbolSamples.from_bars(*book) for book in zip(names, books, samples, strict=True)],
                rules,
                [COSTS] * len(books),
            )
            deepest = account.drawdown.max()
        taken = [own.where(mask) for own, mask in zip(samples, account.taken, strict=True)]
        trades = [(np.full(len(own), symbol), own.entry_bar, own.exit_bar) for symbol, own in enumerate(taken)]
        return {"trades": np.concatenate(trades, axis=1), "equity": account.equity, "max_drawdown": deepest}

    return run


def one_series(data: Arrays) -> Run:
    """Read and check the candles of one symbol."""
    return first_series_run(data, _reader(data))


def series_in_bucket(data: Arrays) -> Run:
    """Read and check the candles of one symbol in the bucket; all runs but the first find them in the cache."""
    return first_series_run(data, _reader(data, open_catalog(load_settings())))


def uncached_series_in_bucket(data: Arrays) -> Run:
    """Read and check the candles of one symbol in the bucket, and store them in the cache, which is empty."""
    settings = load_settings()
    settings = settings.model_copy(update={"data_root": settings.data_root / "uncached"})
    cached_run = first_series_run(data, _reader(data, open_catalog(settings)))

    def run(watch: Stopwatch) -> Arrays:
        shutil.rmtree(settings.data_root, ignore_errors=True)
        return cached_run(watch)

    return run


def series_downloaded(data: Arrays) -> Run:
    """Download the files of one symbol with boto3, one after the other: what the server and the transfer take."""
    settings = load_settings()
    files, symbol = open_folder(settings, CANDLES), str(data["symbols"][0])
    folder = settings.data_root / "downloaded"
    read_run = first_series_run(data, _reader(data, CandleCatalog(folder)))

    def run(watch: Stopwatch) -> Arrays:
        keys = list(files.keys(symbol))
        with watch:
            contents = [
                files.client.get_object(Bucket=files.bucket, Key=f"{CANDLES}/{key}")["Body"].read() for key in keys
            ]
        for key, content in zip(keys, contents, strict=True):
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            (folder / key).write_bytes(content)
        return read_run(Stopwatch())

    return run


def many_series(data: Arrays) -> Run:
    """Read and check the candles of all symbols, on two threads."""
    read = _reader(data)

    def read_all(request: SeriesRequest) -> list[Columns]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda symbol: read(request, symbol), request.symbols))

    return all_series_run(data, read_all)


def _reader(data: Arrays, stored: CandleCatalog | None = None) -> Callable[[SeriesRequest, str], Columns]:
    catalog, timeframe = stored or CandleCatalog(Path(str(data["root"]))), parse_timeframe(str(data["timeframe"]))
    start, end = (date.fromisoformat(str(data[name])) for name in ("start", "end"))

    def read(_: SeriesRequest, symbol: str) -> Columns:
        bars = catalog.read(symbol, timeframe, start, end)
        return bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume

    return read
