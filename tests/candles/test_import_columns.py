"""Which columns and rows of a candle file are used, and what its errors list."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.imports.mapping import parse_columns
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.timeframe import format_utc
from coin_pipeline.errors import InvalidCandleFile, InvalidCandles, InvalidInput

HEADER = "timestamp,open,high,low,close,volume"
ROWS = ("2024-01-01T00:00:00Z,100,110,90,105,5.5", "2024-01-02T00:00:00Z,105,115,95,100,6.5")


def read(folder: Path, *lines: str, columns: Mapping[str, str] | None = None, tz: str | None = None) -> ImportedFile:
    """Read a file with these lines."""
    (folder / "candles.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_candle_file(folder / "candles.csv", columns=columns, tz=tz)


@pytest.mark.parametrize(
    "header",
    [
        *("Timestamp,OPEN,High,lOW,Close,VOLUME", '"timestamp","open","high","low","close","volume"'),
        *("# timestamp,open,high,low,close,volume", "Unnamed: 0,open,high,low,close,volume", "index,o,h,l,c,v"),
        *("candleDateTimeUtc,openingPrice,highPrice,lowPrice,tradePrice,candleAccTradeVolume",),
        *("open_time,open_price,high_price,low_price,close_price,base_volume", "날짜,시가,고가,저가,종가,거래량"),
        *("체결시간,시가,고가,저가,종가,거래량", "체결시각,시가,고가,저가,종가,거래량"),
        *("일자,시가(원),고가(원),저가(원),종가(원),거래량(BTC)", "日付,始値,高値,安値,終値,出来高"),
        *("日期,开盘,最高,最低,收盘,成交量", "Date,Ouv.,Plus Haut,Plus Bas,Dernier,Vol."),
        *("Datum,Erster,Hoch,Tief,Schlusskurs,Volumen", "Fecha,Apertura,Máximo,Mínimo,Cierre,Volumen"),
        *("Date,Open (USD),High (USD),Low (USD),Close (USD),Volume (BTC)",),
    ],
)
def test_names_of_several_origins(tmp_path: Path, header: str) -> None:
    """Letter case, quotes, units and the language do not matter."""
    result = read(tmp_path, header, *ROWS)
    assert [column[0] for column in result.candles[1:]] == [100.0, 110.0, 90.0, 105.0, 5.5]


@pytest.mark.parametrize(
    ("header", "volume"),
    [
        ("Volume USDT,Volume BTC", "Volume BTC"),
        ("volume_(currency),volume_(btc)", "volume_(btc)"),
        ("quote_volume,volume", "volume"),
        ("volumeto,volumefrom", "volumefrom"),
        ("Volume MA,Volume", "Volume"),
        ("거래량(KRW),거래량(BTC)", "거래량(BTC)"),
    ],
)
def test_the_volume_in_coins_is_chosen_by_its_name(tmp_path: Path, header: str, volume: str) -> None:
    """Not the one in money, nor an average."""
    rows = [row.rpartition(",") for row in ROWS]
    result = read(tmp_path, HEADER.replace("volume", header), *(f"{start},9999,{end}" for start, _, end in rows))
    assert (result.candles.volume.tolist(), result.columns["volume"], result.notes) == ([5.5, 6.5], volume, ())


def test_a_volume_in_money_is_reported(tmp_path: Path) -> None:
    """If the file has no other."""
    result = read(tmp_path, HEADER.replace("volume", "Volume USDT"), *ROWS)
    assert result.notes == ("the volume of this source is an amount of money, not of coins",)


@pytest.mark.parametrize(
    "lines",
    [
        (",timestamp,open,high,low,close,volume", f"0,{ROWS[0]}", f"1,{ROWS[1]}"),
        (",index,open,high,low,close,volume", f"0,{ROWS[0]}", f"1,{ROWS[1]}"),
        (f"{HEADER},", *(f"{row}," for row in ROWS)),
        (HEADER, *(f"{row}," for row in ROWS)),
        ("sep=;", HEADER.replace(",", ";"), *(row.replace(",", ";") for row in ROWS)),
        (HEADER.replace(",", "|"), *(row.replace(",", "|") for row in ROWS)),
        ("Bitcoin 2024", "", HEADER, *ROWS),
        ("date,time,open,high,low,close,volume", *(row.replace("T", ",", 1) for row in ROWS)),
        ("날짜,시간,시가,고가,저가,종가,거래량", *(row.replace("T", ",", 1) for row in ROWS)),
        (f"market,{HEADER}", *(f"KRW-BTC,{row}" for row in ROWS)),
        (f"{HEADER},change", *(f"{row},-0.85%" for row in ROWS)),
    ],
)
def test_other_columns_and_lines_do_not_matter(tmp_path: Path, lines: tuple[str, ...]) -> None:
    """Counters, titles, delimiters at the end of lines, and other columns."""
    result = read(tmp_path, *lines)
    assert [format_utc(ns)[:10] for ns in result.candles.time] == ["2024-01-01", "2024-01-02"]
    assert (result.candles.volume.tolist(), result.rows.tolist()) == ([5.5, 6.5], [1, 2])


@pytest.mark.parametrize(
    ("lines", "rows", "skipped"),
    [
        (("", ROWS[0], "", ROWS[1], ""), [2, 4], {"blank": 3}),
        ((ROWS[0], ",,,,,", ROWS[1]), [1, 3], {"blank": 1}),
        (("# note", ROWS[0], "#2024-01-03,1,1,1,1,1", ROWS[1]), [2, 4], {"comment": 2}),
        ((ROWS[0], f"#{ROWS[0]}", ROWS[1]), [1, 3], {"comment": 1}),
        ((ROWS[0], HEADER, ROWS[1]), [1, 3], {"repeated header": 1}),
        ((*ROWS, "합계,,,,,12"), [1, 2], {"total below the candles": 1}),
        ((*ROWS, "Total:,12"), [1, 2], {"total below the candles": 1}),
        ((*ROWS, "2024-01-03T00:00:00Z,,,,,"), [1, 2], {"no trade happened": 1}),
        ((*ROWS, "2024-01-03T00:00:00Z,NaN,null,-,N/A,0"), [1, 2], {"no trade happened": 1}),
    ],
)
def test_rows_without_a_candle_are_left_out_and_counted(
    tmp_path: Path, lines: tuple[str, ...], rows: list[int], skipped: dict[str, int]
) -> None:
    """The others keep their numbers."""
    result = read(tmp_path, HEADER, *lines)
    assert (result.rows.tolist(), result.skipped) == (rows, skipped)
    assert result.candles.open.tolist() == [100.0, 105.0]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((ROWS[0], "2024-01-02T00:00:00Z,105"), "row 2 has 2 instead of 6 columns: '2024-01-02T00:00:00Z,105'"),
        (("Total,1", *ROWS), "row 1 has 2 instead of 6 columns: 'Total,1'"),
        (("Total,1,1,1,1,1", *ROWS), "row 1: the time 'Total' cannot be read"),
        (("", ROWS[0], "x"), "row 3 has 1 instead of 6 columns: 'x'"),
    ],
)
def test_other_rows_are_refused_by_number(tmp_path: Path, lines: tuple[str, ...], reason: str) -> None:
    """A row that is cut off, or in a place where no total can be."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read(tmp_path, HEADER, *lines)


@pytest.mark.parametrize("lines", [(ROWS[0], "2024-01-02T00:00:00Z,,,,,1"), (ROWS[0], "2024-01-02T00:00:00Z,1,,1,1,1")])
def test_a_volume_or_a_price_alone_is_not_a_row_without_a_trade(tmp_path: Path, lines: tuple[str, ...]) -> None:
    """Something is missing there."""
    with pytest.raises(InvalidCandles, match="row 2 at 2024-01-02T00:00:00Z has"):
        read(tmp_path, HEADER, *lines)


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        (("when,a,b,c,d,e", *ROWS), "time=when,open=a,high=b,low=c,close=d,volume=e"),
        (("when,a,b,c,d,e", *ROWS), "time=when, open=2, high=3, low=4, close=5, volume=6"),
        (("when,open,high,low,close,volume", *ROWS), "TIME=When"),
        (("d,uhr,open,high,low,close,volume", *(row.replace("T", ",", 1) for row in ROWS)), "time=d+uhr"),
        (ROWS, "time=1,open=2,high=3,low=4,close=5,volume=6"),
        (("timestamp,open,open,high,low,close,volume", *(row.replace(",", ",9,", 1) for row in ROWS)), "open=3"),
    ],
)
def test_columns_can_be_named(tmp_path: Path, lines: tuple[str, ...], columns: str) -> None:
    """By name or position; others are matched as usual."""
    result = read(tmp_path, *lines, columns=parse_columns(columns))
    assert [column[0] for column in result.candles[1:]] == [100.0, 110.0, 90.0, 105.0, 5.5]


@pytest.mark.parametrize(
    ("lines", "columns", "reason"),
    [
        (
            ("when,a,b,x,d,e", *ROWS),
            "",
            "no column for time, open, high, low, close, volume; its columns are 'when', 'a', 'b', 'x'",
        ),
        (
            ("when,a,b,x,d,e", *ROWS),
            "time=wann",
            "no column 'wann', which --columns names for time; its columns are 'when'",
        ),
        ((HEADER, *ROWS), "open=close", "would use one column for two fields"),
        (("vol,volume,timestamp,open,high,low,close", *ROWS), "", "more than one column for volume: 'vol', 'volume'"),
        (
            (HEADER.replace("volume", "Volume BTC,Volume ETH"), *(f"{row},1" for row in ROWS)),
            "",
            "more than one column for volume: 'Volume BTC', 'Volume ETH'",
        ),
        (ROWS, "", r"has no header and 6 columns, such as 2024-01-01T00:00:00Z, 100.*such as time=1,open=2"),
        ((f"symbol,{HEADER}", f"A,{ROWS[0]}", f"B,{ROWS[1]}"), "", "contains 2 markets: A, B; write one file for each"),
    ],
)
def test_unclear_columns_are_refused(tmp_path: Path, lines: tuple[str, ...], columns: str, reason: str) -> None:
    """The error lists the columns and the option that names them."""
    with pytest.raises(InvalidCandleFile, match=reason):
        read(tmp_path, *lines, columns=parse_columns(columns))


def test_two_markets_in_the_header_are_refused(tmp_path: Path) -> None:
    """As yfinance writes them."""
    header = (
        "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume",
        f"Ticker{',BTC-USD,ETH-USD' * 5}",
        "Date,,",
    )
    with pytest.raises(InvalidCandleFile, match="contains 2 markets: BTC-USD, ETH-USD; write one file for each"):
        read(tmp_path, *header, "2024-01-01" + ",1" * 10)


def test_another_order_without_a_header_is_refused(tmp_path: Path) -> None:
    """Coinbase has low and high before the open; the error contains the order that was assumed."""
    lines = ("1704067200,90,110,100,105,5.5", "1704070800,95,115,105,100,6.5")
    with pytest.raises(InvalidCandles, match=r"without a header, taken as time, open, high, low, close, volume"):
        read(tmp_path, *lines)
    result = read(tmp_path, *lines, columns={"low": "2", "high": "3", "open": "4"})
    assert (result.candles.open.tolist(), result.candles.low.tolist()) == ([100.0, 105.0], [90.0, 95.0])


def test_changes_of_the_price_are_not_a_volume(tmp_path: Path) -> None:
    """MetaTrader counts them in TICKVOL; its VOL is 0 where the broker reports none."""
    lines = ("<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>", "2024.01.01\t1\t1\t1\t1\t77\t0\t10")
    with pytest.raises(InvalidCandleFile, match=r"<VOL> is 0 in every row, and TICKVOL counts price changes"):
        read(tmp_path, *lines, tz="UTC")
    assert read(tmp_path, *lines, tz="UTC", columns={"volume": "tickvol"}).candles.volume.tolist() == [77.0]


def test_rows_newest_first_keep_their_numbers(tmp_path: Path) -> None:
    """A fault is reported with the row of the file, not that of the sorted candles."""
    stamps = ("05:00", "04:00", "03:30", "02:00")
    result = read(tmp_path, HEADER, *(f"2024-01-01T{stamp}:00Z,100,110,90,105,5.5" for stamp in stamps))
    assert (result.rows.tolist(), result.order) == ([4, 3, 2, 1], "newest first")
    with pytest.raises(InvalidCandles, match=r"row 3 at 2024-01-01T03:30:00Z has close 1000.0 above its high"):
        read(tmp_path, HEADER, *(f"2024-01-01T{at}:00Z,100,110,90,{1000 if '3' in at else 105},5" for at in stamps))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("open", "'open' is not key=value; write for example time=날짜,open=시가"),
        ("open=", "'open=' is not key=value"),
        ("opne=시가", "'opne' is not one of time, open, high, low, close, volume, dates, decimal .did you mean 'open'"),
        ("open=a,open=b", "open is given twice"),
        ("dates=ymd", "dates is 'ymd', not dmy or mdy"),
        ("decimal=,", "'decimal=' is not key=value"),
    ],
)
def test_malformed_mappings_are_refused(text: str, reason: str) -> None:
    """The error gives the part that is wrong."""
    with pytest.raises(InvalidInput, match=reason):
        parse_columns(text)
