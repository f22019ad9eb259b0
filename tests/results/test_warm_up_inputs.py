"""Candles of a warm-up as inputs of a stored result: replay names them, and reuse needs them unchanged."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, complete_stored_spec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import DAY_NS, parse_timeframe
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.results.replay import Difference, replay_backtest
from coin_pipeline.results.reuse import find_reusable
from coin_pipeline.results.store import Json, load_result
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry

DAILY, REGISTRY = parse_timeframe("1d"), load_registry()
SERIES = synthetic_candles(7, DAILY, date(2025, 1, 1), 212)
FIRST_OF_JUNE = np.datetime64("2025-06-01", "ns").astype(np.int64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with daily candles from January to July."""
    CandleCatalog(tmp_path).merge("AAA_KRW", DAILY, SERIES)
    return tmp_path


def spec_of(**fields: object) -> BacktestSpec:
    """A spec over June and July with a window of 60 candles."""
    days = {"start_date": "2025-06-01", "end_date": "2025-07-31"}
    request = {"strategy": "volume_zone_breakout", "symbols": ["AAA_KRW"], "params": {"volume_window": 60}, **days}
    return resolve(parse_request({**request, **fields}), REGISTRY)


def publish(root: Path, **fields: object) -> Json:
    """Run and store a backtest; return its document."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    result = runner.run_backtest(spec_of(**fields), CandleCatalog(root), REGISTRY, run_id="r", started_at=now)
    publish_result(LocalStore(root), backtest_files(result))
    return load_result(LocalStore(root), "r")


def change_candle(root: Path, days_before: int, factor: float = 1.5) -> None:
    """Scale one candle, counted back from the start of the range."""
    row = int(np.searchsorted(SERIES.time, FIRST_OF_JUNE)) - days_before
    candle = SERIES.rows(slice(row, row + 1))
    CandleCatalog(root).merge("AAA_KRW", DAILY, candle._replace(volume=factor * candle.volume))


def differences_of(root: Path) -> tuple[bool, list[tuple[str, str]]]:
    """Replay the stored run; return whether it is identical, and the kinds and names of the differences."""
    replay = replay_backtest(LocalStore(root), CandleCatalog(root), REGISTRY, "r")
    return replay.identical, [(difference.kind, difference.name) for difference in replay.differences]


def is_reused(root: Path, **fields: object) -> bool:
    """Return whether an identical submission finds the stored run."""
    return find_reusable(LocalStore(root), CandleCatalog(root), REGISTRY, spec_of(**fields)) is not None


def test_an_unchanged_warm_up_replays_identically(root: Path) -> None:
    """The warm-up is chosen again, with the same result."""
    publish(root)
    assert differences_of(root) == (True, [])
    assert is_reused(root)


@pytest.mark.parametrize("days_before", [1, 60])
def test_a_changed_candle_of_the_warm_up_is_named(root: Path, days_before: int) -> None:
    """Replay names the warm-up, not the range; the stored result is not reused."""
    publish(root)
    change_candle(root, days_before)
    _, differences = differences_of(root)
    assert differences[0] == ("candles", "AAA_KRW warm-up")
    assert ("candles", "AAA_KRW") not in differences
    assert not is_reused(root)


def test_candles_fetched_for_a_missing_warm_up_are_a_difference(tmp_path: Path) -> None:
    """A result that lacked its warm-up is not reused once the candles are there."""
    CandleCatalog(tmp_path).merge("AAA_KRW", DAILY, SERIES.rows(SERIES.time >= FIRST_OF_JUNE))
    publish(tmp_path)
    assert is_reused(tmp_path)
    CandleCatalog(tmp_path).merge("AAA_KRW", DAILY, SERIES.rows(SERIES.time >= FIRST_OF_JUNE - 10 * DAY_NS))
    assert not is_reused(tmp_path)
    assert ("candles", "AAA_KRW warm-up") in differences_of(tmp_path)[1]


def test_a_run_without_warm_up_ignores_earlier_candles(root: Path) -> None:
    """As before this field existed: only the candles of the range are inputs."""
    publish(root, warm_up="none")
    change_candle(root, 1)
    assert differences_of(root) == (True, [])
    assert is_reused(root, warm_up="none")
    assert not is_reused(root)


def test_a_stored_spec_without_the_field_means_none(root: Path) -> None:
    """Its digest is that of the fields it has, and a replay names no difference of the spec."""
    document = publish(root, warm_up="none")
    assert "warm_up" not in document["spec"]
    assert digest_of(document["spec"]) == document["fingerprint"]["spec"] == spec_of(warm_up="none").digest
    again = resolve(parse_request(complete_stored_spec(document["spec"])), REGISTRY)
    assert (again.warm_up, again.digest) == ("none", document["fingerprint"]["spec"])


def test_the_default_is_another_spec_than_none() -> None:
    """A request without the field warms up, and its stored spec contains the choice."""
    assert spec_of().model_dump(mode="json")["warm_up"] == "auto"
    assert spec_of().digest == spec_of(warm_up="auto").digest != spec_of(warm_up="none").digest


def test_a_run_reports_which_candles_were_read(root: Path) -> None:
    """The digest covers the longer warm-up that the declared one was compared with."""
    document = publish(root)
    (part,) = document["symbols"]
    warm_up = part["candles"]["warm_up"]
    assert (warm_up["used"], warm_up["requested"]) == (60, 256)
    assert document["fingerprint"]["candles"]["AAA_KRW warm-up"] == warm_up["sha256"]
    assert part["candles"]["rows"] == 61


def test_a_difference_shows_both_digests(root: Path) -> None:
    """The stored and the current digest of the warm-up candles."""
    stored = publish(root)["fingerprint"]["candles"]["AAA_KRW warm-up"]
    change_candle(root, 151)
    replay = replay_backtest(LocalStore(root), CandleCatalog(root), REGISTRY, "r")
    (difference,) = replay.differences
    assert isinstance(difference, Difference)
    assert difference.stored == stored != difference.current
    assert replay.identical
