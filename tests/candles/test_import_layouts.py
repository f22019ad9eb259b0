"""One small file of each known layout, with the candles that it holds."""

import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from coin_pipeline.candles.imports.content import _read_limited
from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.imports.layouts import LAYOUTS, METATRADER_4, PLAIN, POSITIONS, YAHOO
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.timeframe import format_utc
from coin_pipeline.errors import InvalidCandleFile

DAYS = ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")
HOURS = ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z")
FIRST = (100.0, 110.0, 90.0, 105.0, 5.5)
SECOND = (105.0, 115.0, 95.0, 100.0, 6.5)


@dataclass(frozen=True)
class Example:
    """A file and what must be read from it."""

    text: str
    layout: str
    opens: tuple[str, ...]
    first: tuple[float, ...] = FIRST
    options: Mapping[str, Any] = field(default_factory=dict)
    zone: str = "UTC"
    order: str = "oldest first"
    volume: str = "volume"
    rows: tuple[int, ...] = (1, 2)
    symbol: str | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: str = ""
    suffix: str = ".csv"
    encoding: str = "utf-8"


UPBIT = "market,candle_date_time_kst,opening_price,high_price,low_price,trade_price"
UPBIT_VOLUME = "candle_acc_trade_volume"
CMC = "timeOpen;timeClose;timeHigh;timeLow;name;open;high;low;close;volume;marketCap;timestamp"
QUOTE_NOTE = "an amount of money, not of coins"
BINANCE_ROW = "100.0,110.0,90.0,105.0,5.5"
BINANCE_REST = "550.0,12,2.5,250.0,0"

EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "pyupbit days": Example(
            """\
            ,open,high,low,close,volume,value
            2024-01-01 09:00:00,100.0,110.0,90.0,105.0,5.5,550.0
            2024-01-02 09:00:00,105.0,115.0,95.0,100.0,6.5,650.0
            """,
            "pyupbit",
            DAYS,
            zone="Asia/Seoul",
        ),
        "pyupbit hours": Example(
            """\
            ,open,high,low,close,volume,value
            2024-01-01 09:00:00,100.0,110.0,90.0,105.0,5.5,550.0
            2024-01-01 10:00:00,105.0,115.0,95.0,100.0,6.5,650.0
            """,
            "pyupbit",
            HOURS,
            options={"tz": "Asia/Seoul"},
            zone="Asia/Seoul",
        ),
        "Upbit's guide": Example(
            """\
            candle_date_time_utc,opening_price,high_price,low_price,trade_price,candle_acc_trade_price,candle_acc_trade_volume
            2024-01-01T00:00:00,100.0,110.0,90.0,105.0,550.0,5.5
            2024-01-01T00:30:00,,,,,,
            2024-01-01T01:00:00,105.0,115.0,95.0,100.0,650.0,6.5
            """,
            "Upbit",
            HOURS,
            volume=UPBIT_VOLUME,
            rows=(1, 3),
            skipped={"no trade happened": 1},
        ),
        "Upbit in KST with the last trade": Example(
            f"""\
            {UPBIT},timestamp,{UPBIT_VOLUME}
            KRW-BTC,2024-01-01T09:00:00,100.0,110.0,90.0,105.0,1704070799123,5.5
            KRW-BTC,2024-01-01T10:00:00,105.0,115.0,95.0,100.0,1704074399871,6.5
            """,
            "Upbit",
            HOURS,
            zone="Asia/Seoul",
            volume=UPBIT_VOLUME,
            symbol="KRW-BTC",
        ),
        "Upbit's REST API": Example(
            json.dumps(
                [
                    {
                        "market": "KRW-BTC",
                        "candle_date_time_utc": utc,
                        "candle_date_time_kst": kst,
                        "opening_price": open_,
                        "high_price": high,
                        "low_price": low,
                        "trade_price": close,
                        "timestamp": 1,
                        "candle_acc_trade_price": 550.0,
                        UPBIT_VOLUME: volume,
                        "unit": 60,
                    }
                    for utc, kst, (open_, high, low, close, volume) in (
                        ("2024-01-01T01:00:00", "2024-01-01T10:00:00", SECOND),
                        ("2024-01-01T00:00:00", "2024-01-01T09:00:00", FIRST),
                    )
                ]
            ),
            "Upbit",
            HOURS,
            order="newest first",
            rows=(2, 1),
            volume=UPBIT_VOLUME,
            symbol="KRW-BTC",
            suffix=".json",
        ),
        "ccxt and freqtrade, JSON": Example(
            json.dumps([[1704067200000, *FIRST], [1704070800000, *SECOND]]),
            "list of candles (ccxt, freqtrade)",
            HOURS,
            volume="6",
            suffix=".json",
        ),
        "ccxt, CSV": Example(
            "1704067200000,100.0,110.0,90.0,105.0,5.5\n1704070800000,105.0,115.0,95.0,100.0,6.5\n",
            "list of candles (ccxt, freqtrade)",
            HOURS,
            volume="6",
        ),
        "Kraken": Example(
            "1704067200,100.0,110.0,90.0,105.0,5.5,17\n1704070800,105.0,115.0,95.0,100.0,6.5,18\n",
            "list of candles (Kraken, Bybit)",
            HOURS,
            volume="6",
        ),
        "Binance's REST API": Example(
            json.dumps(
                [
                    [1704067200000, *map(str, FIRST), 1704070799999, "550.0", 12, "2.5", "250.0", "0"],
                    [1704070800000, *map(str, SECOND), 1704074399999, "650.0", 13, "2.5", "250.0", "0"],
                ]
            ),
            "Binance Vision",
            HOURS,
            volume="6",
            suffix=".json",
        ),
        "Binance Vision in ms": Example(
            f"""\
            1704067200000,{BINANCE_ROW},1704070799999,{BINANCE_REST}
            1704070800000,105.0,115.0,95.0,100.0,6.5,1704074399999,{BINANCE_REST}
            """,
            "Binance Vision",
            HOURS,
            volume="6",
        ),
        "Binance Vision in us": Example(
            f"""\
            1704067200000000,{BINANCE_ROW},1704070799999999,{BINANCE_REST}
            1704070800000000,105.0,115.0,95.0,100.0,6.5,1704074399999999,{BINANCE_REST}
            """,
            "Binance Vision",
            HOURS,
            volume="6",
        ),
        "Binance Vision with a header": Example(
            f"""\
            open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore
            1704067200000,{BINANCE_ROW},1704070799999,{BINANCE_REST}
            1704070800000,105.0,115.0,95.0,100.0,6.5,1704074399999,{BINANCE_REST}
            """,
            "Binance Vision",
            HOURS,
        ),
        "CryptoDataDownload": Example(
            """\
            https://www.CryptoDataDownload.com
            unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount
            1704070800000,2024-01-01 01:00:00,BTC/USDT,105.0,115.0,95.0,100.0,6.5,650.0,13
            1704067200000,2024-01-01 00:00:00,BTC/USDT,100.0,110.0,90.0,105.0,5.5,550.0,12
            """,
            "CryptoDataDownload",
            HOURS,
            order="newest first",
            rows=(2, 1),
            volume="Volume BTC",
            symbol="BTC/USDT",
        ),
        "CryptoDataDownload without unix": Example(
            """\
            https://www.CryptoDataDownload.com
            Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD
            2024-01-01 01-AM,BTCUSD,105.0,115.0,95.0,100.0,6.5,650.0
            2024-01-01 12-AM,BTCUSD,100.0,110.0,90.0,105.0,5.5,550.0
            """,
            "CryptoDataDownload",
            HOURS,
            order="newest first",
            rows=(2, 1),
            volume="Volume BTC",
            symbol="BTCUSD",
        ),
        "TradingView": Example(
            """\
            time,open,high,low,close,Volume,Volume MA,Plot,Plot
            2024-01-01T09:00:00+09:00,100,110,90,105,5.5,NaN,1,2
            2024-01-01T10:00:00+09:00,105,115,95,100,6.5,6,1,2
            """,
            "columns by name",
            HOURS,
            volume="Volume",
        ),
        "TradingView in seconds": Example(
            "time,open,high,low,close,Volume\n1704067200,100,110,90,105,5.5\n1704070800,105,115,95,100,6.5\n",
            "columns by name",
            HOURS,
            volume="Volume",
        ),
        "Investing.com": Example(
            """\
            "Date","Price","Open","High","Low","Vol.","Change %"
            "01/31/2024","42,100.5","42,105.0","42,115.0","42,095.0","6.5K","-0.85%"
            "01/30/2024","42,105.5","42,100.0","42,110.0","42,090.0","1.2M","1.20%"
            """,
            "Investing.com",
            ("2024-01-30T00:00:00Z", "2024-01-31T00:00:00Z"),
            (42100.0, 42110.0, 42090.0, 42105.5, 1_200_000.0),
            options={"tz": "UTC"},
            order="newest first",
            rows=(2, 1),
            volume="Vol.",
            notes="volumes are rounded, such as 6.5K",
        ),
        "Investing.com in Korean": Example(
            """\
            "날짜","종가","시가","고가","저가","거래량","변동 %"
            "2024- 01- 02","59,300,000","57,500,000","59,900,000","57,200,000","7.65K","3.13%"
            "2024- 01- 01","57,500,000","56,600,000","57,700,000","56,000,000","4.32K","1.59%"
            """,
            "Investing.com",
            ("2023-12-31T15:00:00Z", "2024-01-01T15:00:00Z"),
            (56_600_000.0, 57_700_000.0, 56_000_000.0, 57_500_000.0, 4320.0),
            options={"tz": "Asia/Seoul"},
            zone="Asia/Seoul",
            order="newest first",
            rows=(2, 1),
            volume="거래량",
            notes="rounded",
        ),
        "yfinance": Example(
            """\
            Price,Adj Close,Close,High,Low,Open,Volume
            Ticker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD
            Date,,,,,,
            2024-01-01,1.0,105.0,110.0,90.0,100.0,5.5
            2024-01-02,1.0,100.0,115.0,95.0,105.0,6.5
            """,
            "Yahoo Finance",
            DAYS,
            options={"tz": "UTC"},
            volume="Volume",
            symbol="BTC-USD",
            notes=f"Adj Close is ignored; the volume of this source is {QUOTE_NOTE}",
        ),
        "yfinance grouped by ticker": Example(
            """\
            Ticker,BTC-USD,BTC-USD,BTC-USD,BTC-USD,BTC-USD
            Price,Open,High,Low,Close,Volume
            Datetime,,,,,
            2024-01-01 00:00:00+00:00,100.0,110.0,90.0,105.0,5.5
            2024-01-01 01:00:00+00:00,105.0,115.0,95.0,100.0,6.5
            """,
            "Yahoo Finance",
            HOURS,
            volume="Volume",
            symbol="BTC-USD",
            notes=QUOTE_NOTE,
        ),
        "Yahoo's download": Example(
            """\
            Date,Open,High,Low,Close,Adj Close,Volume
            2024-01-01,100.0,110.0,90.0,105.0,1.0,5.5
            2024-01-02,105.0,115.0,95.0,100.0,1.0,6.5
            """,
            "Yahoo Finance",
            DAYS,
            options={"tz": "UTC"},
            volume="Volume",
            notes="Adj Close is ignored",
        ),
        "Kaggle Bitstamp": Example(
            """\
            Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price
            1704067200,100.0,110.0,90.0,105.0,5.5,550.0,100.0
            1704069000,NaN,NaN,NaN,NaN,NaN,NaN,NaN
            1704070800,105.0,115.0,95.0,100.0,6.5,650.0,100.0
            """,
            "Kaggle Bitstamp",
            HOURS,
            volume="Volume_(BTC)",
            rows=(1, 3),
            skipped={"no trade happened": 1},
        ),
        "Kaggle Bitstamp in floats": Example(
            "Timestamp,Open,High,Low,Close,Volume\n1704067200.0,100,110,90,105,5.5\n1704070800.0,105,115,95,100,6.5\n",
            "columns by name",
            HOURS,
            volume="Volume",
        ),
        "MetaTrader 5": Example(
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
            "2024.01.01\t00:00:00\t100.0\t110.0\t90.0\t105.0\t77\t5.5\t10\n"
            "2024.01.01\t01:00:00\t105.0\t115.0\t95.0\t100.0\t78\t6.5\t10\n",
            "MetaTrader",
            HOURS,
            options={"tz": "UTC"},
            volume="<VOL>",
        ),
        "MetaTrader 5, days": Example(
            "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
            "2024.01.01\t100.0\t110.0\t90.0\t105.0\t77\t5.5\t10\n"
            "2024.01.02\t105.0\t115.0\t95.0\t100.0\t78\t6.5\t10\n",
            "MetaTrader",
            DAYS,
            options={"tz": "UTC"},
            volume="<VOL>",
        ),
        "MetaTrader 4": Example(
            "2024.01.01,00:00,100.0,110.0,90.0,105.0,5.5\n2024.01.01,01:00,105.0,115.0,95.0,100.0,6.5\n",
            "MetaTrader",
            HOURS,
            options={"tz": "UTC"},
            volume="7",
            notes="counts price changes",
        ),
        "CoinMarketCap": Example(
            f"""\
            {CMC}
            "2024-01-02T00:00:00.000Z";"2024-01-02T23:59:59.999Z";x;x;"2781";105;115;95;100;6.5;1;"2024-01-02T23:59:59.999Z"
            "2024-01-01T00:00:00.000Z";"2024-01-01T23:59:59.999Z";x;x;"2781";100.5;110;90;105;5.5;1;"2024-01-01T23:59:59.999Z"
            """,
            "CoinMarketCap",
            DAYS,
            (100.5, 110.0, 90.0, 105.0, 5.5),
            order="newest first",
            rows=(2, 1),
            notes=QUOTE_NOTE,
        ),
        "Excel in Korean": Example(
            """\
            날짜,시가,고가,저가,종가,거래량
            2024-01-01 오전 9:00:00,"56,600,000","57,700,000","56,000,000","57,500,000","4,321.5"
            2024-01-01 오후 1:00:00,"57,500,000","59,900,000","57,200,000","59,300,000","7,654.25"
            """,
            "columns by name",
            ("2024-01-01T00:00:00Z", "2024-01-01T04:00:00Z"),
            (56_600_000.0, 57_700_000.0, 56_000_000.0, 57_500_000.0, 4321.5),
            options={"tz": "Asia/Seoul"},
            zone="Asia/Seoul",
            volume="거래량",
            encoding="cp949",
        ),
        "Excel with semicolons and decimal commas": Example(
            """\
            날짜;시가;고가;저가;종가;거래량
            2024-01-01;56.600.000;57.700.000;56.000.000;57.500.000;4.321,5
            2024-01-02;57.500.000;59.900.000;57.200.000;59.300.000;7.654,25
            """,
            "columns by name",
            DAYS,
            (56_600_000.0, 57_700_000.0, 56_000_000.0, 57_500_000.0, 4321.5),
            options={"tz": "UTC"},
            volume="거래량",
            encoding="cp949",
        ),
    }
)


def read(folder: Path, example: Example) -> ImportedFile:
    """Write and read a file."""
    path = folder / f"candles{example.suffix}"
    path.write_bytes(dedent(example.text).encode(example.encoding))
    return read_candle_file(path, **example.options)


@pytest.mark.parametrize("name", EXAMPLES)
def test_candles_of_each_layout(tmp_path: Path, name: str) -> None:
    """Times, values and row numbers are those of the file."""
    example = EXAMPLES[name]
    result = read(tmp_path, example)
    assert [format_utc(ns) for ns in result.candles.time] == list(example.opens)
    assert [column[0] for column in result.candles[1:]] == list(example.first)
    assert result.rows.tolist() == list(example.rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_account_of_each_layout(tmp_path: Path, name: str) -> None:
    """The layout, the zone, the order, the column of the volume and what was left out are reported."""
    example = EXAMPLES[name]
    result = read(tmp_path, example)
    assert (result.layout, result.zone.name, result.order) == (example.layout, example.zone, example.order)
    assert (result.columns["volume"], result.symbol) == (example.volume, example.symbol)
    assert dict(result.skipped) == dict(example.skipped)
    assert example.notes in "; ".join(result.notes)
    assert len(result.no_trade) == example.skipped.get("no trade happened", 0)


TABLE = pd.DataFrame(
    {
        "date": pd.to_datetime(HOURS).as_unit("ms"),
        **dict(zip(("open", "high", "low", "close", "volume"), zip(FIRST, SECOND, strict=True), strict=True)),
    }
)
RECORDS = json.dumps(
    [
        dict(zip(TABLE.columns, (ms, *values), strict=True))
        for ms, values in ((1704067200000, FIRST), (1704070800000, SECOND))
    ]
)
CSV = TABLE.to_csv(index=False).encode()


def _zip(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)


FORMATS: Mapping[str, Callable[[Path], object]] = MappingProxyType(
    {
        "freqtrade.feather": lambda path: feather.write_feather(pa.Table.from_pandas(TABLE), path),
        "freqtrade.parquet": TABLE.to_parquet,
        "candles.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV, mtime=0)),
        "candles.CSV": lambda path: path.write_bytes(CSV),
        "candles.txt": lambda path: path.write_bytes(CSV.replace(b",", b"\t")),
        "candles.zip": lambda path: _zip(path, candles__csv=CSV, readme__md=b"x"),
        "utf8-bom.csv": lambda path: path.write_bytes(b"\xef\xbb\xbf" + CSV),
        "utf16.csv": lambda path: path.write_bytes(CSV.decode().encode("utf-16")),
        "utf16-le.csv": lambda path: path.write_bytes(CSV.decode().encode("utf-16-le")),
        "utf16-be.csv": lambda path: path.write_bytes(CSV.decode().encode("utf-16-be")),
        "crlf.csv": lambda path: path.write_bytes(CSV.replace(b"\n", b"\r\n")),
        "cr.csv": lambda path: path.write_bytes(CSV.replace(b"\n", b"\r")),
        "mixed-lines.csv": lambda path: path.write_bytes(CSV.replace(b"\n", b"\r", 1) + b"\r\n"),
        "records.json": lambda path: path.write_text(RECORDS),
        "lines.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, json.loads(RECORDS)))),
        "wrapped.json": lambda path: path.write_text(json.dumps({"data": json.loads(RECORDS)})),
    }
)


@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path: Path, name: str) -> None:
    """The same candles, whatever the container, the encoding and the ends of lines."""
    FORMATS[name](tmp_path / name)
    result = read_candle_file(tmp_path / name)
    assert [format_utc(ns) for ns in result.candles.time] == list(HOURS)
    assert [tuple(values) for values in zip(*result.candles[1:], strict=True)] == [FIRST, SECOND]


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".csv"])
def test_pickles_are_refused(tmp_path: Path, suffix: str) -> None:
    """By the suffix or by the content, with the reason and without being loaded."""
    path = tmp_path / f"candles{suffix}"
    path.write_bytes(pickle.dumps(TABLE))
    with pytest.raises(
        InvalidCandleFile, match="is a pickle, which can execute code when it is read; write the candles"
    ):
        read_candle_file(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"PK\x03\x04rest", "an Excel workbook or a zip archive by its content; rename it to .xlsx or .zip"),
        ("a.csv", gzip.compress(CSV, mtime=0), "compressed with gzip by its content; rename it to .gz"),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:20], "cannot be decompressed"),
        ("a.csv.gz", CSV, "cannot be read as gz"),
        ("a.zip", CSV, "cannot be read as zip"),
        ("a.bin.gz", gzip.compress(CSV, mtime=0), "'.bin' is not one of"),
        ("a.json", b"[1, 2]", "row 1 is not a list of 1 values: '1'"),
        ("a.json", b'[{"time": 1e400}]', "no column for open, high, low, close, volume; its columns are 'time'"),
        (
            "a.json",
            b"[[1704067200000, 1, 1, 1, 1, 1], [%d, 1, 1, 1, 1, 1]]" % 10**30,
            r"row 2: the time 1\d{30} is not",
        ),
        ("a.json", b"[[1704067200, 1, 1, 1, 1, 1], [1e400, 1, 1, 1, 1, 1]]", "row 2: the time is not a finite number"),
        ("a.json", b"{", "is neither JSON nor JSON lines"),
        ("a.json", b'{"open": {"0": 1.0}, "high": {"0": 1.0}}', "is a JSON object with the keys 'open', 'high'"),
        ("a.json", b"[[1704067200000, 1, 1, 1, 1, 1], [1704070800000, 1]]", "row 2 is not a list of 6 values"),
        ("a.csv", bytes(range(128, 256)) * 3, "is not a text in UTF-8, Korean"),
        ("a.h5", b"", "is an HDF5 file, which is not supported"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """The error gives the reason and what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidCandleFile, match=reason):
        read_candle_file(tmp_path / name)


def test_encrypted_archives_are_refused(tmp_path: Path) -> None:
    """Without asking for a password."""
    _zip(tmp_path / "a.zip", one__csv=CSV)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(header) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InvalidCandleFile, match="is encrypted; unpack it"):
        read_candle_file(tmp_path / "a.zip")


def test_two_levels_of_columns_in_parquet(tmp_path: Path) -> None:
    """As yfinance's frames are stored."""
    columns = pd.MultiIndex.from_product([("Open", "High", "Low", "Close", "Volume"), ("BTC-USD",)])
    frame = pd.DataFrame([FIRST, SECOND], columns=columns, index=pd.DatetimeIndex(HOURS, name="Date"))
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_candle_file(tmp_path / "a.parquet").candles.open.tolist() == [100.0, 105.0]


def test_archives_of_several_files_are_refused(tmp_path: Path) -> None:
    """The error lists them."""
    _zip(tmp_path / "a.zip", one__csv=CSV, two__csv=CSV)
    with pytest.raises(InvalidCandleFile, match=r"holds 2 candle files: 'one.csv', 'two.csv'; unpack it"):
        read_candle_file(tmp_path / "a.zip")


def test_a_column_without_a_name_is_reported_as_such(tmp_path: Path) -> None:
    """As pandas writes an index."""
    assert read(tmp_path, EXAMPLES["pyupbit days"]).columns["time"] == "(unnamed)"


def test_the_documentation_lists_every_layout() -> None:
    """One row of the table in docs/candles.md for each name."""
    table = (Path(__file__).parents[2] / "docs" / "candles.md").read_text(encoding="utf-8")
    named = [PLAIN, YAHOO, METATRADER_4, *LAYOUTS, *(layout for layout, _ in POSITIONS.values())]
    assert [layout.name for layout in named if f"\n| {layout.name}" not in table] == []


def test_archives_that_expand_too_far_are_refused(tmp_path: Path) -> None:
    """Decompression stops at the limit."""
    content = io.BytesIO(gzip.compress(bytes(64 << 20)))
    with gzip.open(content) as file, pytest.raises(InvalidCandleFile, match="expands to more than 2 MiB; split it"):
        _read_limited(tmp_path, file, 2 << 20)
    assert content.seek(0, io.SEEK_CUR) < len(content.getvalue())
