"""``coin candles resample``: what it makes, what it says, and what it leaves alone."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import HOUR_NS, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidResample

MINUTES, QUARTERS = parse_timeframe("1m"), parse_timeframe("15m")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleCatalog:
    """Two hours of minutes, the first of which lacks one of them and was fetched, and five minutes more."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    catalog = CandleCatalog(tmp_path)
    frame = synthetic_candles(1, MINUTES, date(2024, 1, 1), 125).drop(index=7)
    begin = int(frame["timestamp"].astype("int64").iloc[0])
    catalog.merge("BTC_KRW", MINUTES, frame, fetched=[(begin, begin + HOUR_NS)], source="upbit")
    return catalog


def told(*arguments: str, exit_code: int = 0) -> list[str]:
    """Run the command and return what it says."""
    command = ["candles", "resample", *arguments]
    done = CliRunner().invoke(coin, command, catch_exceptions=False)
    assert done.exit_code == exit_code
    return done.output.splitlines()


def test_bars_are_merged_with_what_was_fetched(catalog: CandleCatalog) -> None:
    """The bars are stored with source and fetched stretch, and once more is no change."""
    assert told("KRW-BTC", "--from", "1m", "--to", "15m") == [
        "BTC_KRW 1m to 15m: 8 complete candles, 1 incomplete one left out",
        "BTC_KRW 15m: 8 candles added, 0 replaced, 0 unchanged; 2023-12-31 15:00 to 2023-12-31 16:45 UTC",
    ]
    bars = catalog.read("BTC_KRW", QUARTERS, date(2024, 1, 1), date(2024, 1, 1))
    minutes = catalog.read("BTC_KRW", MINUTES, date(2024, 1, 1), date(2024, 1, 1))
    assert bars.volume[0] == pytest.approx(minutes.volume[:14].sum())
    np.testing.assert_array_equal(bars.open, minutes.open[[0, 14, 29, 44, 59, 74, 89, 104]])
    known = catalog.provenance("BTC_KRW", QUARTERS)
    assert (known.fetched, known.source) == (((int(bars.time[0]), int(bars.time[4])),), "upbit")
    assert "0 candles added, 0 replaced, 8 unchanged" in told("BTC_KRW", "--from", "1m", "--to", "15m")[1]


def test_a_dry_run_stores_nothing(catalog: CandleCatalog) -> None:
    """It says what would be made."""
    said = told("BTC_KRW", "--from", "1m", "--to", "1h", "--dry-run")
    assert said == ["BTC_KRW 1m to 1h: 2 complete candles, 1 incomplete one left out", "nothing was stored"]
    assert [each.timeframe for each in catalog.stored("BTC_KRW")] == [MINUTES]


def test_nothing_to_make_them_of_is_told(catalog: CandleCatalog) -> None:
    """Without such candles, or too few, the command fails and says what there is."""
    assert catalog
    assert told("BTC_KRW", "--from", "1h", "--to", "1d", exit_code=1) == [
        "BTC_KRW 1h to 1d: 0 complete candles, none incomplete",
        "BTC_KRW: stored: 1m 2024-01-01..2024-01-01",
    ]


def test_lengths_that_do_not_fit_are_an_error(catalog: CandleCatalog) -> None:
    """The error names the lengths that would."""
    assert catalog
    with pytest.raises(InvalidResample, match="choose one of 3m, 5m"):
        told("BTC_KRW", "--from", "1m", "--to", "1m")
