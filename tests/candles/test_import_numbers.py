"""Numbers in candle files: grouped digits, decimal commas, currencies, units, and spellings with two meanings."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.errors import InvalidCandleFile

HEADER = "timestamp;open;high;low;close;volume"
WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "0123456789.-"})
"""Full-width forms, as Korean and Japanese keyboards write them."""


def read(folder: Path, *rows: str, columns: Mapping[str, str] | None = None) -> ImportedFile:
    """Read a file with semicolons, one row a minute."""
    lines = [f"2024-01-01T00:{minute:02}:00Z;{row}" for minute, row in enumerate(rows)]
    (folder / "candles.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return read_candle_file(folder / "candles.csv", columns=columns)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("56,600,000;57,700,000;56,000,000;57,500,000;4,321.5", [56.6e6, 57.7e6, 56e6, 57.5e6, 4321.5]),
        ("56.600.000;57.700.000;56.000.000;57.500.000;4.321,5", [56.6e6, 57.7e6, 56e6, 57.5e6, 4321.5]),
        ("56,5;57;55,25;56;0,125", [56.5, 57.0, 55.25, 56.0, 0.125]),
        ("1,234.5;1,300;1,200;1,250;10", [1234.5, 1300.0, 1200.0, 1250.0, 10.0]),
        ("1.234,5;1.300;1.200;1.250;10", [1234.5, 1300.0, 1200.0, 1250.0, 10.0]),
        ("₩56,600,000;￦57,700,000;₩56,000,000;57,500,000원;1", [56.6e6, 57.7e6, 56e6, 57.5e6, 1.0]),
        ("$56.5;$57.7;$56.0;$57.5;1.2K", [56.5, 57.7, 56.0, 57.5, 1200.0]),
        ("56 600 000;57 700 000;56 000 000;57 500 000;1", [56.6e6, 57.7e6, 56e6, 57.5e6, 1.0]),
        ("56\N{NO-BREAK SPACE}600,5;57 700;56 000;57 500;1", [56600.5, 57700.0, 56000.0, 57500.0, 1.0]),
        ("56'600.5;57\N{RIGHT SINGLE QUOTATION MARK}700;56'000;57'500;1", [56600.5, 57700.0, 56000.0, 57500.0, 1.0]),
        ("56.5".translate(WIDE) + ";57;55;56;1", [56.5, 57.0, 55.0, 56.0, 1.0]),
        ("+56.5;57;55;56;56.48K", [56.5, 57.0, 55.0, 56.0, 56480.0]),
        ("56.5;57;55;56;1.2만", [56.5, 57.0, 55.0, 56.0, 12000.0]),
        ("56,5;57;55;56;1,25m", [56.5, 57.0, 55.0, 56.0, 1_250_000.0]),
        ("5.65e1;57;55;56;1e-3", [56.5, 57.0, 55.0, 56.0, 0.001]),
    ],
)
def test_spellings(tmp_path: Path, row: str, expected: list[float]) -> None:
    """The decimal separator is proven by one value of the file."""
    assert [column[0] for column in read(tmp_path, row).candles[1:]] == expected


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(10**5, 10**12), st.sampled_from([(",", "."), (".", ","), ("", "."), ("", ","), (" ", ",")]))
def test_grouping_changes_no_digit(tmp_path: Path, hundredths: int, marks: tuple[str, str]) -> None:
    """A price with two decimals is read as the float nearest to it, however it is grouped."""
    group, decimal = marks
    text = f"{hundredths // 100:,}".replace(",", group) + f"{decimal}{hundredths % 100:02}"
    assert read(tmp_path, f"{text};{text};{text};{text};1").candles.open[0] == float(f"{hundredths}e-2")


@pytest.mark.parametrize("row", ["56,600;57,700;56,000;57,500;4,321", "56.600;57.700;56.000;57.500;4.321"])
@pytest.mark.parametrize(("decimal", "comma"), [("point", False), ("comma", True)])
def test_two_meanings_are_refused_without_the_option(tmp_path: Path, row: str, decimal: str, *, comma: bool) -> None:
    """56,600 is 56600 or 56.6; the error names the option that decides."""
    with pytest.raises(InvalidCandleFile, match=r"such as 56[.,]600, .* --columns decimal=point or decimal=comma"):
        read(tmp_path, row)
    is_decimal = comma == ("," in row)
    assert read(tmp_path, row, columns={"decimal": decimal}).candles.open[0] == (56.6 if is_decimal else 56600.0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,234.5;1.234,5;1;1;1", "a decimal point [(]1,234.5[)] and with a decimal comma [(]1.234,5[)]"),
        ("abc;1;1;1;1", "row 1: open 'abc' is not a number"),
        ("56.5k;57;55;56;1", "row 1: open '56.5k' is not a number"),
        ("0x10;57;55;56;1", "row 1: open '0x10' is not a number"),
        ("(56);57;55;56;1", "row 1: open '[(]56[)]' is not a number"),
        ("1;1;1;1;12%", "row 1: volume '12%' is not a number"),
        ("1,23,4.5;1;1;1;1", "row 1: open '1,23,4.5' is not a number"),
    ],
)
def test_other_texts_are_refused(tmp_path: Path, row: str, reason: str) -> None:
    """The error gives the row, the column and the text."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read(tmp_path, row)


def test_rounded_volumes_are_reported(tmp_path: Path) -> None:
    """1.2K is 1200 to the nearest 50."""
    assert read(tmp_path, "1;1;1;1;1.2K", "1;1;1;1;900").notes == ("volumes are rounded, such as 1.2K",)


def test_integers_that_a_float_cannot_hold_are_refused(tmp_path: Path) -> None:
    """The error names the volume, not the times."""
    stamps = pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)
    frame = pd.DataFrame({"timestamp": stamps, **dict.fromkeys(("open", "high", "low", "close"), 1.0)})
    frame.assign(volume=[1, 2**53 + 1]).to_parquet(tmp_path / "candles.parquet")
    with pytest.raises(InvalidCandleFile, match=r"row 2: volume 9007199254740993 exceeds 2\^53.*store it as a float"):
        read_candle_file(tmp_path / "candles.parquet")
