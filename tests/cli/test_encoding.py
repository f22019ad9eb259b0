"""Output of commands to terminals whose encoding lacks characters."""

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import HOUR_NS, parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.cli.encoding import plain
from tests.candle_data import drop_rows

HOURLY = parse_timeframe("1h")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CandleCatalog:
    """A catalog with a complete, a partly fetched, a quiet and an unfetched day."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    catalog = CandleCatalog(tmp_path)
    candles = drop_rows(synthetic_candles(1, HOURLY, date(2024, 1, 1), 24 * 8), [*range(30, 40), *range(100, 160)])
    start = int(candles.time[0])
    catalog.merge("AAA_KRW", HOURLY, candles, fetched=[(start, start + 48 * HOUR_NS)], source="upbit")
    return catalog


@pytest.mark.parametrize("encoding", ["cp949", "ascii", "latin-1", "cp1252", "euc-kr"])
def test_check_prints_plain_characters(catalog: CandleCatalog, encoding: str) -> None:
    """The calendar keeps its four marks, and the command succeeds."""
    assert catalog
    result = CliRunner(charset=encoding).invoke(coin, ["candles", "check"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout_bytes.isascii()  # graphic characters of cp949 would be twice as wide
    legend = "each day: # complete  + some without a trade  / partly fetched  . nothing fetched"
    assert legend in result.stdout_bytes.decode(encoding)


def test_ascii_output_of_plain_commands_is_ascii(catalog: CandleCatalog) -> None:
    """Messages that do not pass through a table, such as those with the name of a file."""
    arguments = ["candles", "export", "AAA_KRW", str(catalog.root / "\ucf54\uc778.csv"), "--timeframe", "1h"]
    result = CliRunner(charset="ascii").invoke(coin, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout_bytes.decode("ascii").rstrip().endswith("??.csv")


def test_letters_of_the_encoding_are_kept(catalog: CandleCatalog) -> None:
    """Only what cp949 lacks, and graphic characters, are replaced."""
    arguments = ["candles", "export", "AAA_KRW", str(catalog.root / "\ucf54\uc778.csv"), "--timeframe", "1h"]
    result = CliRunner(charset="cp949").invoke(coin, arguments, catch_exceptions=False)
    assert result.stdout_bytes.decode("cp949").rstrip().endswith("\ucf54\uc778.csv")


def test_utf8_output_is_unchanged(catalog: CandleCatalog) -> None:
    """Where the characters exist, they are used."""
    assert catalog
    assert "\u2588 complete" in CliRunner().invoke(coin, ["candles", "check"]).output


@given(st.text())
def test_plain_text_is_ascii(text: str) -> None:
    """Any text becomes ASCII, at least one character for each."""
    assert plain(text).isascii()
    assert len(plain(text)) >= len(text)
