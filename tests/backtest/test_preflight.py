"""Coverage checks before a run, which never change its result."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.document import complete_document
from coin_pipeline.backtest.fingerprint import result_digest, verify_own_digests
from coin_pipeline.backtest.preflight import coverage_of, require_candles, require_coverage
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, Timeframe, parse_timeframe
from coin_pipeline.errors import CandlesNotFound, InsufficientCoverage, InvalidSpec
from coin_pipeline.results.publish import backtest_files, publish_document, publish_result
from coin_pipeline.results.replay import replay_backtest
from coin_pipeline.results.reuse import find_reusable
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.candle_data import drop_rows

DAYS = 100
END_OF_TIME = 2**62
MIDNIGHT = 1_704_034_800_000_000_000  # 2024-01-01 00:00 in Seoul


@pytest.fixture(scope="module")
def registry() -> StrategyRegistry:
    """The strategies that come with the project."""
    return load_registry()


@pytest.fixture
def catalog(tmp_path: Path) -> CandleCatalog:
    """A catalog of an empty folder."""
    return CandleCatalog(tmp_path / "candles")


@pytest.fixture
def daily() -> Timeframe:
    """The timeframe of daily candles."""
    return parse_timeframe("1d")


def store_days(
    catalog: CandleCatalog, daily: Timeframe, missing: range, fetched: range = range(0), symbol: str = "AAA_KRW"
) -> None:
    """Store a hundred days from 2024-01-01, except the missing ones, with the fetched intervals."""
    candles = drop_rows(synthetic_candles(1, daily, date(2024, 1, 1), DAYS), missing)
    start = int(candles.time[0])
    asked = [(start + fetched.start * DAY_NS, start + fetched.stop * DAY_NS)] if fetched else []
    catalog.merge(symbol, daily, candles, fetched=asked, source="upbit" if asked else None)


def spec_of(registry: StrategyRegistry, **fields: object) -> BacktestSpec:
    """A spec over the hundred days."""
    request = {"strategy": "volume_zone_breakout", "symbols": ["AAA_KRW"], "start_date": "2024-01-01"}
    return resolve(parse_request({**request, "end_date": "2024-04-09", **fields}), registry)


def result_of(catalog: CandleCatalog, registry: StrategyRegistry, spec: BacktestSpec) -> BacktestResult:
    """Run everything but publication."""
    parts = [
        runner.simulate_symbol(catalog, registry, piece) for piece in runner.find_candles(catalog, spec, "results")
    ]
    return runner.assemble_result("run-1", parts, catalog, registry, "test", datetime.now(UTC))


def document_of(catalog: CandleCatalog, registry: StrategyRegistry, spec: BacktestSpec) -> dict[str, Any]:
    """Run everything but publication and return the document."""
    return result_of(catalog, registry, spec).document


def admit(catalog: CandleCatalog, spec: BacktestSpec) -> None:
    """Run the checks that precede every computation."""
    require_coverage(spec, coverage_of(runner.find_candles(catalog, spec, "results")))


@pytest.mark.parametrize(
    ("missing", "fetched", "admitted"),
    [
        (range(40, 50), range(0), True),
        (range(40, 51), range(0), False),
        (range(40, 51), range(40, 41), True),
        (range(10, 90), range(100), True),
        (range(10, 90), range(5, 70), False),
    ],
)
def test_a_tenth_may_be_unknown(
    catalog: CandleCatalog,
    daily: Timeframe,
    registry: StrategyRegistry,
    missing: range,
    fetched: range,
    *,
    admitted: bool,
) -> None:
    """Days without a trade count as known; of a hundred days, ten may be neither present nor fetched."""
    store_days(catalog, daily, missing, fetched)
    spec = spec_of(registry)
    if admitted:
        admit(catalog, spec)
    else:
        with pytest.raises(InsufficientCoverage):
            admit(catalog, spec)


def test_a_refusal_lists_symbols_and_both_remedies(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry
) -> None:
    """The error lists each short symbol, its counts, the first missing range, and both remedies."""
    store_days(catalog, daily, range(40, 60))
    store_days(catalog, daily, range(30, 60), range(30, 35), symbol="BBB_KRW")
    store_days(catalog, daily, range(0), symbol="CCC_KRW")
    with pytest.raises(InsufficientCoverage) as refused:
        admit(catalog, spec_of(registry, symbols=["AAA_KRW", "BBB_KRW", "CCC_KRW"]))
    assert str(refused.value) == (
        "coverage of the 1d candles from 2024-01-01 to 2024-04-09 is below min_coverage=0.9:"
        " AAA_KRW (100 candles expected, 80 present, 20 not fetched, the first of these from 2024-02-10T00:00:00Z to"
        " 2024-03-01T00:00:00Z);"
        " BBB_KRW (100 candles expected, 70 present, 25 not fetched, the first of these from 2024-02-05T00:00:00Z to"
        " 2024-03-01T00:00:00Z);"
        " fetch the missing candles with 'coin candles get AAA_KRW BBB_KRW --timeframe 1d --from 2024-01-01 --to"
        " 2024-04-09', or accept the gaps with min_coverage=0.75 ('--min-coverage 0.75' on the command line)"
    )
    admit(catalog, spec_of(registry, symbols=["AAA_KRW", "BBB_KRW", "CCC_KRW"], min_coverage=0.75))


def test_a_range_beyond_the_candles_is_refused_from_footers(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry
) -> None:
    """Before a run is recorded, too short a span is refused with the same message; gaps within it are not checked."""
    store_days(catalog, daily, range(0))
    require_candles(catalog, spec_of(registry, end_date="2024-04-19"))
    beyond = spec_of(registry, end_date="2024-05-19")
    with pytest.raises(InsufficientCoverage, match="140 candles expected, 100 present, 40 not fetched") as early:
        require_candles(catalog, beyond)
    with pytest.raises(InsufficientCoverage) as late:
        admit(catalog, beyond)
    assert str(early.value) == str(late.value)
    require_candles(catalog, spec_of(registry, end_date="2024-05-19", min_coverage=0.7))
    with pytest.raises(CandlesNotFound):
        require_candles(catalog, spec_of(registry, start_date="2025-01-01", end_date="2025-02-01", min_coverage=0))


def test_what_was_fetched_beyond_the_candles_counts(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry
) -> None:
    """A market that was listed late has no earlier candles, and that time counts as known."""
    store_days(catalog, daily, range(0), range(-200, 100))
    early = spec_of(registry, start_date="2023-08-01")
    require_candles(catalog, early)
    admit(catalog, early)


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", None])
def test_min_coverage_is_validated(registry: StrategyRegistry, value: object) -> None:
    """It is a number from 0 to 1."""
    with pytest.raises(InvalidSpec, match="min_coverage"):
        spec_of(registry, min_coverage=value)


def test_min_coverage_is_not_part_of_the_spec(registry: StrategyRegistry) -> None:
    """It decides whether a run is admitted, not what it computes, so no digest and no stored spec contains it."""
    strict, lax = spec_of(registry, min_coverage=1.0), spec_of(registry, min_coverage=0)
    assert (strict.min_coverage, lax.min_coverage) == (1.0, 0.0)
    assert strict.digest == lax.digest == spec_of(registry).digest
    assert "min_coverage" not in strict.model_dump(mode="json")


def test_an_identical_result_is_reused_unless_the_request_is_stricter(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry, tmp_path: Path
) -> None:
    """A stored result is reused for every request that accepts its coverage."""
    store_days(catalog, daily, range(40, 60))
    store, lax = LocalStore(tmp_path / "store"), spec_of(registry, min_coverage=0.5)
    assert find_reusable(store, catalog, registry, lax) is None
    started = datetime.now(UTC)
    parts = [runner.simulate_symbol(catalog, registry, piece) for piece in runner.find_candles(catalog, lax, "results")]
    result = runner.assemble_result("run-1", parts, catalog, registry, "test", started)
    publish_result(store, backtest_files(result))
    found = find_reusable(store, catalog, registry, spec_of(registry, min_coverage=0))
    assert found
    assert found.run_id == "run-1"
    with pytest.raises(InsufficientCoverage):
        find_reusable(store, catalog, registry, spec_of(registry))


def test_a_result_contains_the_coverage_of_its_candles(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry
) -> None:
    """The document has the counts and a verdict; the warning contains only what the digest covers."""
    store_days(catalog, daily, range(40, 60), range(40, 55))
    document = document_of(catalog, registry, spec_of(registry))
    candles = document["symbols"][0]["candles"]
    assert (candles["ratio"], candles["known"], candles["verdict"]) == (0.8, 0.95, "gaps")
    assert (candles["no_trade"], candles["not_fetched"]) == (15, 5)
    assert candles["first_unfetched"] == {"start": "2024-02-25T00:00:00Z", "end": "2024-03-01T00:00:00Z", "missing": 5}
    assert candles["snapshot"] == catalog.load("AAA_KRW", daily, date(2024, 1, 1), date(2024, 4, 9)).snapshot
    (warning,) = [each for each in document["warnings"] if "missing" in each]
    assert warning == (
        "AAA_KRW: 20 of 100 candles (20.00%) are missing, in 1 gap; the first candle is at 2024-01-01T00:00:00Z, the"
        " last at 2024-04-09T00:00:00Z"
    )


def test_fetching_later_changes_no_result(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry, tmp_path: Path
) -> None:
    """Once the missing days are known to have no trade, a replay gives the same digest."""
    store_days(catalog, daily, range(40, 60))
    spec, store = spec_of(registry, min_coverage=0), LocalStore(tmp_path / "store")
    result = result_of(catalog, registry, spec)
    publish_result(store, backtest_files(result))
    before = result.document
    store_days(catalog, daily, range(40, 60), range(100))
    after = document_of(catalog, registry, spec)
    assert (before["symbols"][0]["candles"]["verdict"], after["symbols"][0]["candles"]["verdict"]) == (
        "insufficient",
        "complete",
    )
    assert before["result_sha256"] == after["result_sha256"]
    assert before["fingerprint"]["sha256"] == after["fingerprint"]["sha256"]
    assert replay_backtest(store, catalog, registry, "run-1").identical


def test_results_without_coverage_keys_verify_and_replay(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry, tmp_path: Path
) -> None:
    """A document without the new keys keeps its digest and is replayed in spite of large gaps."""
    store_days(catalog, daily, range(20, 80))
    result = result_of(catalog, registry, spec_of(registry, min_coverage=0))
    document = complete_document(result.document, result.tables)
    (part,) = document["symbols"]
    new = {"no_trade", "not_fetched", "first_unfetched", "known", "verdict", "snapshot"}
    part["candles"] = {key: value for key, value in part["candles"].items() if key not in new}
    assert result_digest(document) == document["result_sha256"]
    verify_own_digests("old", document)
    store = LocalStore(tmp_path / "store")
    publish_document(store, document, {})
    assert replay_backtest(store, catalog, registry, "run-1").identical


def test_other_figures_and_other_warnings_still_change_the_digest(
    catalog: CandleCatalog, daily: Timeframe, registry: StrategyRegistry
) -> None:
    """Only the provenance of candles is excluded."""
    store_days(catalog, daily, range(40, 60))
    document = document_of(catalog, registry, spec_of(registry))
    digest = document["result_sha256"]
    document["symbols"][0]["candles"]["present"] += 1
    assert result_digest(document) != digest
    document["symbols"][0]["candles"]["present"] -= 1
    assert result_digest(document) == digest
    document["warnings"][-1] += " or so"
    assert result_digest(document) != digest


def test_the_footer_check_reads_hours_too(catalog: CandleCatalog, registry: StrategyRegistry) -> None:
    """The bound is a length of time, so it holds for any timeframe."""
    hourly = parse_timeframe("1h")
    catalog.merge("AAA_KRW", hourly, synthetic_candles(1, hourly, date(2024, 1, 1), 24 * 89))
    spec = spec_of(registry, timeframe="1h")
    with pytest.raises(InsufficientCoverage, match=r"2,400 candles expected, 2,136 present, 264 not fetched"):
        require_candles(catalog, spec)
    begin = MIDNIGHT + 89 * DAY_NS
    empty = synthetic_candles(1, hourly, date(2024, 1, 1), 0)
    catalog.merge("AAA_KRW", hourly, empty, fetched=[(begin, begin + 24 * HOUR_NS)], source="upbit")
    require_candles(catalog, spec)


def test_a_range_into_the_future_ends_at_the_last_closed_candle(
    catalog: CandleCatalog, registry: StrategyRegistry, daily: Timeframe
) -> None:
    """Complete candles are complete: those that do not exist yet are neither missing nor to be fetched."""
    today = datetime.now(UTC).date()
    first = today - timedelta(days=DAYS)
    catalog.merge("AAA_KRW", daily, synthetic_candles(1, daily, first, DAYS))
    spec = spec_of(registry, start_date=f"{first}", end_date=f"{today + timedelta(days=300)}")
    require_candles(catalog, spec)
    admit(catalog, spec)
    document = document_of(catalog, registry, spec)
    candles = document["symbols"][0]["candles"]
    assert (candles["expected"], candles["present"], candles["verdict"]) == (DAYS, DAYS, "complete")
    assert candles["closed_until"] == f"{today}T00:00:00Z"
    ends = f"AAA_KRW: the range ends at {today}T00:00:00Z, when the last closed candle ends"
    assert f"{ends}; later candles do not exist yet" in document["warnings"]


def test_closed_candles_that_were_not_fetched_are_still_missing(
    catalog: CandleCatalog, registry: StrategyRegistry, daily: Timeframe
) -> None:
    """Closed candles are expected, however far the range goes."""
    today = datetime.now(UTC).date()
    first = today - timedelta(days=DAYS)
    catalog.merge("AAA_KRW", daily, synthetic_candles(1, daily, first, DAYS - 3))
    spec = spec_of(registry, start_date=f"{first}", end_date=f"{today + timedelta(days=300)}")
    (piece,) = runner.find_candles(catalog, spec, "results")
    assert (piece.coverage["expected"], piece.coverage["not_fetched"]) == (DAYS, 3)


def test_a_replay_expects_no_candles_that_closed_later(
    catalog: CandleCatalog, registry: StrategyRegistry, daily: Timeframe, tmp_path: Path
) -> None:
    """A result of a range into the future is reproduced on later days, and one from before this rule too."""
    catalog.merge("AAA_KRW", daily, synthetic_candles(1, daily, date(2024, 1, 1), DAYS))
    store = LocalStore(tmp_path)
    spec = spec_of(registry, end_date="2024-12-31")
    then = MIDNIGHT + 9 * HOUR_NS + DAYS * DAY_NS
    for run_id, closed_at in (("on-the-last-day", then), ("before", END_OF_TIME)):
        slices = runner.find_candles(catalog, spec, "results", closed_at)
        result = runner.run_backtest(spec, catalog, registry, run_id=run_id, slices=slices)
        publish_result(store, backtest_files(result))
        replay = replay_backtest(store, catalog, registry, run_id)
        assert (replay.identical, replay.differences) == (True, ())
    assert result.document["symbols"][0]["candles"]["expected"] == 366
