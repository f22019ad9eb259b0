"""`cp.import_candles`, which shares all rules with `coin candles import`."""

from pathlib import Path

import pytest

import coin_pipeline as cp
from coin_pipeline.errors import InvalidInput

CANDLES = cp.example_candles(days=30)


@pytest.fixture
def catalog(tmp_path: Path) -> cp.CandleCatalog:
    """An empty catalog."""
    return cp.CandleCatalog(tmp_path / "data")


def test_files_are_imported(catalog: cp.CandleCatalog, tmp_path: Path) -> None:
    """Market and timeframe come from the name; a dry run stores nothing."""
    CANDLES.to_csv(tmp_path / "BTC_USDT-1d.csv")
    (series,) = cp.import_candles(tmp_path / "BTC_USDT-1d.csv", catalog=catalog, dry_run=True)
    assert (series.planned.symbol, series.stored, catalog.symbols()) == ("BTC_USDT", None, [])
    (series,) = cp.import_candles([tmp_path / "BTC_USDT-1d.csv"], catalog=catalog)
    assert series.stored is not None
    assert (series.stored.added, catalog.symbols()) == (30, ["BTC_USDT"])


def test_nothing_is_stored_if_one_file_is_wrong(catalog: cp.CandleCatalog, tmp_path: Path) -> None:
    """The error is that of the file."""
    CANDLES.to_csv(tmp_path / "BTC_USDT-1d.csv")
    CANDLES.to_csv(tmp_path / "ETH_USDT-1h.csv")
    with pytest.raises(InvalidInput, match="no two rows are 1 h apart"):
        cp.import_candles(tmp_path, catalog=catalog)
    assert catalog.symbols() == []
