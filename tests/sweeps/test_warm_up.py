"""Warm-up of a sweep: all points decide from the same first day on."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.signal_rows import SignalRows
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import InvalidSpec, StrategyFailed
from coin_pipeline.results.publish import publish_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies import Bars, Strategy
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.point_survey import survey_points
from coin_pipeline.sweeps.replay import replay_sweep
from coin_pipeline.sweeps.result import SweepResult, sweep_files
from coin_pipeline.sweeps.spec import SweepSpec
from tests.recursive_strategy import AboveEma, Span
from tests.sweeps.parts import Crossing, point_at, run
from tests.sweeps.parts import spec_of as any_spec_of

DAILY = parse_timeframe("1d")
ZONE = {"volume_window": "5,60", "top_percentile": "0.1,0.3"}


class Undeclared(Strategy[Span]):
    """It has a window and declares none."""

    name = "undeclared"
    Params = Span

    def signals(self, bars: Bars, params: Span) -> Signals:
        """Buy above the open at the start of the window, which is the bar itself if the span is 1."""
        entries, before = np.zeros(len(bars), dtype=bool), params.span - 1
        entries[before:] = bars.close[before:] > bars.open[: len(bars) - before]
        return Signals(entries, hold=1)


@pytest.fixture
def known() -> StrategyRegistry:
    """Built-in strategies, one for many points at once, a recursive one, and one that declares nothing."""
    built_in = [load_registry().get(name) for name in load_registry().names()]
    return StrategyRegistry([*built_in, Crossing(), AboveEma(), Undeclared()])


def stored(root: Path, first: date = date(2024, 1, 1), symbols: tuple[str, ...] = ("AAA_KRW",)) -> CandleCatalog:
    """Store generated candles of each symbol from a day to the end of 2024."""
    catalog = CandleCatalog(root)
    for seed, symbol in enumerate(symbols):
        candles = synthetic_candles(seed, DAILY, date(2024, 1, 1), 366)
        first_ns = np.datetime64(first, "ns").astype(np.int64)
        catalog.merge(symbol, DAILY, candles.rows(candles.time >= first_ns))
    return catalog


def spec_of(known: StrategyRegistry, space: dict[str, Any], **fields: object) -> SweepSpec:
    """A sweep over the second half of 2024."""
    days = {"start_date": "2024-07-01", "end_date": "2024-12-31"}
    return any_spec_of(known, space, **{"strategy": "volume_zone_breakout", **days, **fields})


def figures_of(catalog: CandleCatalog, known: StrategyRegistry, result: SweepResult, number: int) -> list[Any]:
    """Run a point as a backtest from the first evaluated day; return its returns and trades per symbol."""
    spec = result.spec.backtest_at(point_at(result.spec.points(), number) or {})
    spec = spec.model_copy(update={"start_date": date.fromisoformat(result.document["evaluated_from"])})
    document = runner.run_backtest(spec, catalog, known, started_at=datetime(2026, 1, 1, tzinfo=UTC)).document
    return [[part["metrics"][name] for name in ("total_return", "trades", "exposure")] for part in document["symbols"]]


LONG_CANDLES = {"vol_ma_window": "2,40", "body_pct": "0.001,0.01"}


@pytest.mark.parametrize(
    ("strategy", "space", "fill"),
    [
        ("volume_zone_breakout", ZONE, "next_open"),
        ("volume_zone_breakout", ZONE, "signal_close"),
        ("volume_long_candle", LONG_CANDLES, "next_open"),
        ("volume_long_candle", LONG_CANDLES, "signal_close"),
        ("crossing", {"fast": "2,4", "slow": "8,50"}, "next_open"),
        ("above_ema", {"span": "3,30"}, "next_open"),
        ("undeclared", {"span": "1,120"}, "next_open"),
    ],
)
def test_every_point_equals_its_backtest(
    tmp_path: Path, known: StrategyRegistry, strategy: str, space: dict[str, str], fill: str
) -> None:
    """The warm-up of the sweep changes no figure of a point, although other points need more."""
    catalog = stored(tmp_path, symbols=("BBB_KRW", "AAA_KRW"))
    fields = {"symbols": ["BBB_KRW", "AAA_KRW"], "stop_loss": 0.05, "strategy": strategy, "fill": fill}
    result = run(catalog, known, tmp_path, spec_of(known, space, **fields))
    rows = result.trials.to_pylist()
    assert result.document["evaluated_from"] == "2024-07-01"
    for number in range(len(rows) // 2):
        swept = [[row[name] for name in ("total_return", "trades", "exposure")] for row in rows[2 * number :][:2]]
        single = figures_of(catalog, known, result, number)
        assert [row[:2] for row in swept] == [row[:2] for row in single]
        assert fill == "signal_close" or swept == single


def test_the_best_point_has_the_digest_of_its_backtest(tmp_path: Path, known: StrategyRegistry) -> None:
    """Also if its own warm-up is shorter than that of the sweep."""
    catalog = stored(tmp_path)
    result = run(catalog, known, tmp_path, spec_of(known, ZONE))
    best = result.document["best"]
    single = runner.run_backtest(result.spec.backtest_at(best["values"]), catalog, known).document
    assert best["result_sha256"] == single["result_sha256"]


def test_all_points_start_when_the_longest_warm_up_is_complete(tmp_path: Path, known: StrategyRegistry) -> None:
    """With 20 of 60 candles before the range, every point starts 40 days later, and the document gives the day."""
    catalog = stored(tmp_path, date(2024, 6, 11))
    result = run(catalog, known, tmp_path, spec_of(known, ZONE))
    document = result.document
    assert document["evaluated_from"] == "2024-08-10"
    (part,) = document["symbols"]
    assert part["candles"]["rows"] == 144
    assert (part["candles"]["warm_up"]["used"], part["candles"]["warm_up"]["missing"]) == (60, 0)
    assert document["warnings"][0] == (
        "all points are evaluated from 2024-08-10 instead of 2024-07-01: they need up to 60 candles before the first"
        " decision, and fewer are stored before the range"
    )
    for number, row in enumerate(result.trials.to_pylist()):
        assert figures_of(catalog, known, result, number)[0][:2] == [row["total_return"], row["trades"]]


def test_a_later_start_does_not_hide_missing_candles(tmp_path: Path, known: StrategyRegistry) -> None:
    """Coverage is that of the whole range, so a range that begins long before the candles is still rejected."""
    catalog = stored(tmp_path, date(2024, 7, 1))
    plan = split_into_chunks(catalog, known, spec_of(known, ZONE, start_date="2024-01-01"))
    (candles,) = plan.chunks[0].candles
    assert (plan.chunks[0].start, candles.rows) == (date(2024, 8, 30), 124)
    assert (candles.coverage["expected"], candles.coverage["present"]) == (366, 184)


def test_symbols_start_on_the_same_day(tmp_path: Path, known: StrategyRegistry) -> None:
    """The symbol with the fewest earlier candles decides."""
    catalog = stored(tmp_path, symbols=("AAA_KRW", "BBB_KRW"))
    late = synthetic_candles(9, DAILY, date(2024, 6, 21), 194)
    catalog.merge("CCC_KRW", DAILY, late)
    document = run(catalog, known, tmp_path, spec_of(known, ZONE, symbols=["AAA_KRW", "CCC_KRW"])).document
    assert document["evaluated_from"] == "2024-08-20"
    assert [part["candles"]["rows"] for part in document["symbols"]] == [134, 134]


@pytest.mark.parametrize(("earlier", "start"), [(12, date(2024, 7, 3)), (11, date(2024, 7, 4)), (5, date(2024, 7, 4))])
def test_points_start_with_a_whole_day(tmp_path: Path, known: StrategyRegistry, earlier: int, start: date) -> None:
    """If the warm-up of 60 hours is complete after the first candle of a day, points start on the next day."""
    hourly, catalog = parse_timeframe("1h"), CandleCatalog(tmp_path)
    candles = synthetic_candles(1, hourly, date(2024, 6, 30), 240)
    first_of_july = np.datetime64("2024-06-30T15:00", "ns").astype(np.int64)
    first = int(np.searchsorted(candles.time, first_of_july)) - earlier
    catalog.merge("AAA_KRW", hourly, candles.rows(slice(first, None)))
    spec = spec_of(known, ZONE, timeframe="1h", end_date="2024-07-08")
    assert split_into_chunks(catalog, known, spec).chunks[0].start == start


@pytest.mark.parametrize("window", [184, 300])
def test_a_range_that_is_too_short_for_a_point_is_refused(tmp_path: Path, known: StrategyRegistry, window: int) -> None:
    """The message has the numbers and the remedies."""
    catalog = stored(tmp_path, date(2024, 7, 1))
    message = (
        f"points need up to {window} candles before their first decision, and AAA_KRW has 0 before the range and 184 in"
        " it; fetch earlier candles, sweep smaller values, or set warm_up to none"
    )
    with pytest.raises(InvalidSpec, match=message):
        run(catalog, known, tmp_path, spec_of(known, {"volume_window": [5, window]}))


def test_without_warm_up_earlier_candles_change_nothing(tmp_path: Path, known: StrategyRegistry) -> None:
    """`none` gives the trials of a sweep that has no earlier candles, with the same digest and the same inputs."""
    spec = spec_of(known, ZONE, warm_up="none")
    documents = [
        run(stored(tmp_path / name, first), known, tmp_path / name, spec).document
        for name, first in (("long", date(2024, 1, 1)), ("short", date(2024, 7, 1)))
    ]
    assert documents[0]["trials"] == documents[1]["trials"]
    assert documents[0]["fingerprint"] == documents[1]["fingerprint"]
    assert "warm_up" not in documents[0]["spec"]
    assert documents[0]["symbols"][0]["candles"]["warm_up"] is None


@pytest.mark.parametrize("search", ["random", "optuna"])
def test_a_search_over_ranges_is_warmed_up_for_their_ends(tmp_path: Path, known: StrategyRegistry, search: str) -> None:
    """All proposed points are compared over the same days; the best one equals its backtest."""
    catalog = stored(tmp_path)
    spec = spec_of(known, {"volume_window": "5:60"}, search=search, trials=20, seed=1)
    document = run(catalog, known, tmp_path, spec).document
    (part,) = document["symbols"]
    declared = part["candles"]["warm_up"]["declared"]
    assert declared == 60 if search == "optuna" else 30 < declared <= 60
    single = runner.run_backtest(spec.backtest_at(document["best"]["values"]), catalog, known).document
    assert document["best"]["result_sha256"] == single["result_sha256"]


def test_the_survey_counts_points_and_finds_the_deepest(known: StrategyRegistry) -> None:
    """Points that a constraint rules out count as skipped, and their warm-up does not count."""
    survey = survey_points(known, spec_of(known, {"fast": "4,20", "slow": "10,15"}, strategy="crossing"))
    assert (survey.points, survey.skipped, survey.duplicates, survey.declared) == (2, 2, 0, 15)
    assert [params.model_dump()["slow"] for params in survey.samples] == [10, 15]


def test_warm_ups_of_many_points_must_agree_with_single_ones(known: StrategyRegistry) -> None:
    """A subclass that overrides one of the two would warm up its points too late."""

    class Deeper(VolumeLongCandle):
        """Look back further than its base class."""

        name = "deeper"

        def warm_up_bars(self, params: VolumeLongCandleParams) -> int:
            """Return twice as many bars."""
            return 2 * params.vol_ma_window

    registry = StrategyRegistry([*map(known.get, known.names()), Deeper()])
    with pytest.raises(StrategyFailed, match="override both or none"):
        survey_points(registry, any_spec_of(registry, {"vol_ma_window": "3,9"}, strategy="deeper"))


def test_a_changed_warm_up_candle_is_found_by_replay(tmp_path: Path, known: StrategyRegistry) -> None:
    """The warm-up is an input of the sweep with a name of its own."""
    catalog, store = stored(tmp_path), LocalStore(tmp_path)
    publish_result(store, sweep_files(run(catalog, known, tmp_path, spec_of(known, ZONE))))
    assert replay_sweep(store, catalog, known, "run-1").differences == ()
    june = synthetic_candles(0, DAILY, date(2024, 1, 1), 366).rows(slice(170, 171))
    catalog.merge("AAA_KRW", DAILY, june._replace(volume=2 * june.volume))
    differences = replay_sweep(store, catalog, known, "run-1").differences
    assert (differences[0].kind, differences[0].name) == ("candles", "AAA_KRW warm-up")


@pytest.mark.parametrize("bar", [0, 1, 63, 64, 65, 130])
def test_rows_that_start_later_have_no_earlier_entries(bar: int) -> None:
    """Later entries, exits and holds stay."""
    random = np.random.default_rng(1)
    points = [
        Signals(random.random(131) < 0.4, exits=random.random(131) < 0.2),
        Signals(random.random(131) < 0.4, hold=2),
    ]
    rows = SignalRows.of(points).starting_at(bar)
    for k, point in enumerate(points):
        assert rows.signals(k).entries.tolist() == [
            entry and i >= bar for i, entry in enumerate(point.entries.tolist())
        ]
        assert rows.signals(k).hold == point.hold
