"""Warm-up: candles before the range let a strategy decide from its first candle on."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.earlier_candles import EarlierCandles
from coin_pipeline.backtest.memory_candles import MemoryCandles
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.backtest.warm_up import MAX_DOUBLED, MIN_DOUBLED, choose_warm_up
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.cli.views.backtest import summary_lines
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import StrategyFailed
from coin_pipeline.strategies import Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.recursive_strategy import AboveEma, Span

DAILY, HOURLY = parse_timeframe("1d"), parse_timeframe("1h")
JANUARY, JUNE = date(2025, 1, 1), "2025-06-01"


class LeavesBelowEma(AboveEma):
    """Only its exits are recursive."""

    name = "leaves_below_ema"

    def signals(self, bars: Bars, params: Span) -> Signals:
        """Buy at noon, and leave below the average."""
        return Signals(bars.time // 3_600_000_000_000 % 24 == 12, exits=super().signals(bars, params).exits)


class AboveSma(Strategy[Span]):
    """It has a window of fixed length and declares none."""

    name = "above_sma"
    Params = Span

    def signals(self, bars: Bars, params: Span) -> Signals:
        """Buy while the close is above its average over a whole window."""
        total = np.cumsum(np.append(0.0, bars.close))
        whole = np.arange(len(bars)) >= params.span - 1
        mean = (total[1:] - total[np.maximum(np.arange(len(bars)) + 1 - params.span, 0)]) / params.span
        return Signals(whole & (bars.close > mean), hold=1)


class EverySeventh(Strategy[StrategyParams]):
    """It counts bars from the first one, so no warm-up settles it."""

    name = "every_seventh"

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Buy on every seventh bar."""
        assert params
        return Signals(np.arange(len(bars)) % 7 == 0, hold=1)

    def warm_up_bars(self, params: StrategyParams) -> int:
        """Declare one bar."""
        assert params
        return 1


class WrongNumber(EverySeventh):
    """It declares a number that is none."""

    name = "wrong_number"
    declared: object = -1

    def warm_up_bars(self, params: StrategyParams) -> int:
        """Return it."""
        assert params
        return self.declared  # type: ignore[return-value]


class Watched(AboveSma):
    """It records on how many bars it is called."""

    name = "watched"

    def __init__(self, inner: AboveSma, lengths: list[int]) -> None:
        self._inner, self._lengths = inner, lengths

    def signals(self, bars: Bars, params: Span) -> Signals:
        """Record the number of bars."""
        self._lengths.append(len(bars))
        return self._inner.signals(bars, params)


REGISTRY = StrategyRegistry(
    [
        *(load_registry().get(name) for name in load_registry().names()),
        AboveEma(),
        AboveSma(),
        EverySeventh(),
        WrongNumber(),
    ]
)


def spec_of(
    strategy: str = "volume_zone_breakout", params: dict[str, Any] | None = None, **fields: object
) -> BacktestSpec:
    """A spec over June and July, by default with a window of 60 candles."""
    window = {"volume_window": 60} if strategy == "volume_zone_breakout" else {}
    days = {"start_date": JUNE, "end_date": "2025-07-31"}
    request = {"strategy": strategy, "symbols": ["AAA_KRW"], "params": params or window, **days, **fields}
    return resolve(parse_request(request), REGISTRY)


def stored_from(root: Path, first: date, days: int, *, timeframe: str = "1d", seed: int = 7) -> CandleCatalog:
    """Store generated candles of AAA_KRW."""
    catalog, length = CandleCatalog(root), parse_timeframe(timeframe)
    count = days * 24 if timeframe == "1h" else days
    catalog.merge("AAA_KRW", length, synthetic_candles(seed, length, first, count))
    return catalog


def run(catalog: CandleCatalog, spec: BacktestSpec) -> dict[str, Any]:
    """Return the document of a run."""
    return runner.run_backtest(spec, catalog, REGISTRY, started_at=datetime(2026, 1, 1, tzinfo=UTC)).document


def warm_up_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the report on the warm-up of the only symbol."""
    (part,) = document["symbols"]
    return dict(part["candles"]["warm_up"])


def decisions_of(document: dict[str, Any]) -> list[str]:
    """Return the times of all signals."""
    (part,) = document["symbols"]
    return [signal["timestamp"] for signal in [*part["signals"], *part.get("unfilled_signals", ())]]


@pytest.fixture
def catalog(tmp_path: Path) -> CandleCatalog:
    """Daily candles from January to July."""
    return stored_from(tmp_path, JANUARY, 212)


def test_stored_candles_warm_up_a_window(catalog: CandleCatalog) -> None:
    """With 60 candles before the range, decisions equal those of a run over all candles, from the first one on."""
    document, long_run = run(catalog, spec_of()), run(catalog, spec_of(start_date="2025-01-01", warm_up="none"))
    first_of_june = "2025-06-01T00:00:00Z"
    assert decisions_of(document) == [time for time in decisions_of(long_run) if time >= first_of_june]
    assert decisions_of(document)[0] < "2025-07-31"
    warm_up = warm_up_of(document)
    assert (warm_up["declared"], warm_up["used"], warm_up["missing"], warm_up["settled"]) == (60, 60, 0, True)
    assert warm_up["first_decision"] == first_of_june


def test_without_warm_up_the_window_fills_in_the_range(catalog: CandleCatalog) -> None:
    """`none` reads only the range, and reports no warm-up."""
    document = run(catalog, spec_of(warm_up="none"))
    assert min(decisions_of(document), default="2025-07-31") >= "2025-07-31"
    (part,) = document["symbols"]
    assert part["candles"]["warm_up"] is None
    assert document["fingerprint"]["candles"] == {"AAA_KRW": part["candles"]["sha256"]}
    assert "warm_up" not in document["spec"]


def test_the_first_decision_can_fall_on_the_first_candle(tmp_path: Path) -> None:
    """A window that ends on the day before the range is enough."""
    catalog = stored_from(tmp_path, JANUARY, 212)
    every_bar = spec_of(params={"volume_window": 60, "top_percentile": 1.0, "num_bins": 1})
    document = run(catalog, every_bar)
    assert decisions_of(document)[0] == "2025-06-01T00:00:00Z"
    (part,) = document["symbols"]
    assert part["trades"][0]["entry_time"] == "2025-06-02T00:00:00Z"


@pytest.mark.parametrize("fill", ["next_open", "signal_close"])
def test_nothing_happens_before_the_range(catalog: CandleCatalog, fill: str) -> None:
    """Signals, trades, the curve, coverage and buy and hold begin with the range."""
    document = run(catalog, spec_of("above_ema", fill=fill))
    (part,) = document["symbols"]
    start = "2025-06-01T00:00:00Z"
    times = [*decisions_of(document), *(trade["entry_time"] for trade in part["trades"])]
    assert min(times) >= start
    assert part["performance_curve"][0]["timestamp"] == part["candles"]["first"] == start
    assert (part["candles"]["rows"], part["candles"]["expected"]) == (61, 61)
    plain = run(catalog, spec_of("above_ema", fill=fill, warm_up="none"))
    assert document["metrics"]["buy_and_hold"] == plain["metrics"]["buy_and_hold"]


def test_a_recursive_average_gets_more_than_it_declares(catalog: CandleCatalog) -> None:
    """Its decisions are those of a run over all candles, which 20 candles before the range do not give."""
    document, long_run = run(catalog, spec_of("above_ema")), run(catalog, spec_of("above_ema", start_date="2025-01-01"))
    assert decisions_of(document) == [time for time in decisions_of(long_run) if time >= "2025-06-01"]


def test_the_warm_up_is_doubled_until_decisions_settle() -> None:
    """An average that begins far from the price needs several times its span."""
    price = np.concatenate([np.full(3000, 1000.0), np.full(72, 100.0), np.tile([100.0, 100.001], 100)])
    chosen = choose(price, 3072, AboveEma(), Span(span=40))
    assert (chosen.declared, chosen.used, chosen.requested, chosen.settled) == (40, 256, 512, True)


def test_an_undeclared_window_is_found(tmp_path: Path) -> None:
    """A strategy that declares no warm-up gets one if its decisions depend on it."""
    catalog = stored_from(tmp_path, date(2024, 1, 1), 577)
    document = run(catalog, spec_of("above_sma", {"span": 60}))
    warm_up = warm_up_of(document)
    assert (warm_up["declared"], warm_up["used"], warm_up["missing"], warm_up["settled"]) == (0, MIN_DOUBLED, 0, True)
    long_run = run(catalog, spec_of("above_sma", {"span": 60}, start_date="2024-01-01"))
    assert decisions_of(document) == [time for time in decisions_of(long_run) if time >= "2025-06-01"]


def test_equal_decisions_before_the_first_entry_do_not_count() -> None:
    """An undeclared window of 700 candles enters twice: on day 3 with a full warm-up, and on day 30."""
    price = np.append(np.full(2400, 100.0), np.full(720, 90.0))
    price[[2450, 3115]] = 99.9, 120.0
    chosen = choose(price, 2400, AboveSma(), Span(span=700))
    assert (chosen.used, chosen.requested, chosen.settled) == (1024, 2048, True)


def test_doubling_ends_when_the_bars_before_the_first_entry_are_covered() -> None:
    """Once the longer warm-up has as many bars as there are before the first entry, doubling ends."""
    price = np.full(4000, 100.0)
    price[2500] = 120.0
    chosen = choose(price, 2400, AboveSma(), Span(span=20))
    assert (chosen.used, chosen.requested, chosen.settled) == (0, 256, True)


def test_a_strategy_that_never_settles_reaches_the_bound() -> None:
    """Doubling stops at the limit, and the warm-up is marked as unsettled."""
    chosen = choose(np.full(MAX_DOUBLED * 3, 10.0), MAX_DOUBLED * 2, EverySeventh(), StrategyParams())
    assert (chosen.used, chosen.requested, chosen.settled) == (MAX_DOUBLED, MAX_DOUBLED, False)


def test_exits_must_settle_too() -> None:
    """Entries that agree are not enough."""
    price = np.concatenate([np.full(3000, 1000.0), np.full(72, 100.0), np.tile([100.0, 100.001], 100)])
    assert choose(price, 3072, LeavesBelowEma(), Span(span=40)).used == 256


def test_a_long_declared_warm_up_is_compared_with_twice_its_length() -> None:
    """At least 256 bars, and twice the declared ones if that is more."""
    chosen = choose(np.linspace(100.0, 200.0, 1440), 1200, AboveEma(), Span(span=200))
    assert (chosen.declared, chosen.requested) == (200, 400)


def test_a_strategy_sees_its_first_bars_first() -> None:
    """What it keeps from its first call, out of reach of the look-ahead check, does not come from later bars."""
    strategy = AboveSma()
    lengths: list[int] = []
    price = np.linspace(100.0, 200.0, 600)
    choose(price, 480, Watched(strategy, lengths), Span(span=20))
    assert lengths[0] == 60
    assert len(lengths) > 1


def test_a_result_that_did_not_settle_warns(catalog: CandleCatalog) -> None:
    """Decisions that depend on the number of earlier candles are a reason to distrust them."""
    document = run(catalog, spec_of("every_seventh"))
    assert any("decisions were still changing with a warm-up of 151 candles" in text for text in document["warnings"])


def test_a_partly_stored_warm_up_warns_with_the_first_possible_decision(tmp_path: Path) -> None:
    """With 20 of 60 candles, the first decision is possible 40 days later."""
    document = run(stored_from(tmp_path, date(2025, 5, 12), 81), spec_of())
    warm_up = warm_up_of(document)
    assert (warm_up["used"], warm_up["missing"], warm_up["first_decision"]) == (20, 40, "2025-07-11T00:00:00Z")
    assert (
        "AAA_KRW: the strategy needs 60 candles before the range to warm up, and 40 of them are not stored;"
        " its first decision is possible at 2025-07-11T00:00:00Z"
    ) in document["warnings"]
    assert any(line.endswith("no gaps, warm-up 20 of 60 candles") for line in summary_lines(document))


def test_a_range_that_is_too_short_warns(tmp_path: Path) -> None:
    """Without earlier candles, a window longer than the range never fills."""
    document = run(stored_from(tmp_path, date(2025, 6, 1), 61), spec_of(params={"volume_window": 200}))
    assert warm_up_of(document)["first_decision"] is None
    assert any("the range is too short for a decision" in text for text in document["warnings"])


def test_gaps_do_not_count_as_candles(tmp_path: Path) -> None:
    """Bars are counted, not days: a month without candles is skipped."""
    catalog = CandleCatalog(tmp_path)
    candles = synthetic_candles(7, DAILY, JANUARY, 212)
    april = (candles.time >= np.datetime64("2025-04-01", "ns").astype(np.int64)) & (
        candles.time < np.datetime64("2025-05-20", "ns").astype(np.int64)
    )
    catalog.merge("AAA_KRW", DAILY, candles.rows(~april))
    assert warm_up_of(run(catalog, spec_of()))["used"] == 60


def test_only_the_days_needed_are_read(tmp_path: Path) -> None:
    """An hourly window of 60 candles reads at most a few weeks of the year before the range."""
    catalog = Recorder(stored_from(tmp_path, JANUARY, 160, timeframe="1h"))
    spec = spec_of(timeframe="1h", end_date="2025-06-03")
    runner.run_backtest(spec, catalog, REGISTRY)
    assert min(start for start, _ in catalog.loads) > date(2025, 5, 15)


def test_candles_of_the_year_before_are_found(tmp_path: Path) -> None:
    """A range that begins in January is warmed up from the file of the previous year."""
    catalog = stored_from(tmp_path, date(2024, 6, 1), 400)
    assert warm_up_of(run(catalog, spec_of(start_date="2025-01-01")))["used"] == 60


@pytest.mark.parametrize("timeframe", ["1d", "1h"])
def test_the_strategy_decides_as_with_all_candles(tmp_path: Path, timeframe: str) -> None:
    """Built-in strategies decide in a warm range exactly as in a run that begins months earlier."""
    catalog = stored_from(tmp_path, JANUARY, 160, timeframe=timeframe)
    fields = {"timeframe": timeframe, "start_date": JUNE, "end_date": "2025-06-08"}
    for strategy, params in (
        ("volume_zone_breakout", {"volume_window": 30}),
        ("volume_long_candle", {"body_pct": 0.001}),
    ):
        warm = run(catalog, spec_of(strategy, params, **fields))
        whole = run(catalog, spec_of(strategy, params, **{**fields, "start_date": "2025-01-01"}))
        assert decisions_of(warm) == [time for time in decisions_of(whole) if time >= "2025-05-31T15"]


def test_resampled_candles_warm_up_too(tmp_path: Path) -> None:
    """A timeframe that is not stored is warmed up from the shorter candles that it is made of."""
    catalog = stored_from(tmp_path, JANUARY, 160, timeframe="1h")
    fields = {"params": {"volume_window": 30}, "timeframe": "2h", "end_date": "2025-06-08"}
    warm, whole = (run(catalog, spec_of(**fields, start_date=day)) for day in (JUNE, "2025-01-01"))
    assert (warm_up_of(warm)["used"], warm_up_of(warm)["missing"]) == (30, 0)
    assert decisions_of(warm) == [time for time in decisions_of(whole) if time >= "2025-05-31T15"]


@pytest.mark.parametrize("declared", [-1, 2.5, "20", True, None])
def test_a_declaration_that_is_not_a_number_of_bars_is_refused(catalog: CandleCatalog, declared: object) -> None:
    """The message shows what was returned."""
    strategy = WrongNumber()
    strategy.declared = declared
    spec = spec_of("every_seventh").model_copy(update={"strategy": "wrong_number"})
    with pytest.raises(StrategyFailed, match=r"warm_up_bars\(\) returned .*, expected a number of bars"):
        runner.run_backtest(spec, catalog, StrategyRegistry([strategy]))


def test_a_shared_account_is_warmed_up_too(tmp_path: Path) -> None:
    """Every symbol decides from the first candle on; the account begins with the range."""
    catalog = CandleCatalog(tmp_path)
    for seed, symbol in enumerate(("AAA_KRW", "BBB_KRW")):
        catalog.merge(symbol, DAILY, synthetic_candles(seed, DAILY, JANUARY, 212))
    document = run(catalog, spec_of(symbols=["AAA_KRW", "BBB_KRW"], max_positions=2))
    assert [part["candles"]["warm_up"]["used"] for part in document["symbols"]] == [60, 60]
    assert document["account"]["performance_curve"][0]["timestamp"] == "2025-06-01T00:00:00Z"


def choose(price: np.ndarray, before: int, strategy: Strategy[Any], params: StrategyParams) -> Any:  # noqa: ANN401 -- a WarmUp
    """Choose the warm-up of a strategy on a price series of which the range is what follows `before` bars."""
    hour = 3_600_000_000_000
    first = np.datetime64("2020-01-01T00:00", "ns").astype(np.int64) - 9 * hour
    bars = Bars(first + hour * np.arange(len(price)), price, price, price, price, np.ones(len(price)))
    day = date(2020, 1, 1).toordinal() + before // 24
    source, start = MemoryCandles({"AAA_KRW": bars}), before // 24 * 24
    spec = spec_of("every_seventh", timeframe="1h", start_date=date.fromordinal(day).isoformat(), end_date="2030-12-31")

    def decide(known: Bars) -> Sequence[Signals]:
        return [strategy.signals(known, params)]

    earlier = EarlierCandles(source, spec, "AAA_KRW")
    return choose_warm_up(earlier, bars.window(start, len(bars)), strategy.warm_up_bars(params), decide)


class Recorder(CandleCatalog):
    """A catalog that records which days are loaded."""

    def __init__(self, catalog: CandleCatalog) -> None:
        super().__init__(catalog.root)
        self.loads: list[tuple[date, date]] = []

    def load(self, symbol: str, timeframe: Any, start: date, end: date, *zone: str) -> Any:  # noqa: ANN401 -- as the catalog
        """Record the days and load them."""
        self.loads.append((start, end))
        return super().load(symbol, timeframe, start, end, *zone)
