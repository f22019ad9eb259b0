"""The known layouts of candle files, as tables: names of columns, zones, and what the volume means."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from coin_pipeline.errors import coded

_SPACES = re.compile(r"[\s_]+")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_PANDAS_PAIR = re.compile(r"\('([^']*)', '[^']*'\)")  # how pandas stores two levels of columns in Parquet
_ZONE_WORD = re.compile(r"[(\[]?\b(utc|gmt|kst)\b[)\]]?")
_ZONES = MappingProxyType({"utc": "UTC", "gmt": "UTC", "kst": "Asia/Seoul"})


def normalize_name(name: str) -> str:
    """Return a column name without the differences that carry no meaning.

    >>> normalize_name(" <OPEN_Time> "), normalize_name("openingPrice")
    ('open time', 'opening price')
    """
    text = _PANDAS_PAIR.sub(r"\1", unicodedata.normalize("NFKC", name)).strip("\ufeff\"' \t#*<>")
    words = _CAMEL_CASE.sub(" ", text) if text[:1].islower() else text
    return _SPACES.sub(" ", words).strip().casefold()


_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # English, Korean, Japanese, Chinese, German, French, Spanish, Portuguese, Russian
        "open": (
            *("open", "opening price", "open price", "price open", "o", "시가", "始値", "开盘", "开盘价"),
            *("eröffnung", "eröffn.", "erster", "ouverture", "ouv.", "apertura", "abertura", "откр.", "открытие"),
        ),
        "high": (
            *("high", "high price", "price high", "h", "고가", "高値", "最高", "最高价", "hoch", "plus haut"),
            *("máximo", "máx.", "máxima", "макс.", "максимум"),
        ),
        "low": (
            *("low", "low price", "price low", "l", "저가", "安値", "最低", "最低价", "tief", "plus bas"),
            *("mínimo", "mín.", "mínima", "мин.", "минимум"),
        ),
        "close": (
            *("close", "closing price", "close price", "price close", "trade price", "close/last", "c", "종가", "終値"),
            *("收盘", "收盘价", "schluss", "schlusskurs", "zuletzt", "dernier", "clôture", "cierre", "último"),
            *("fechamento", "закрытие"),
        ),
        "volume": (
            *("volume", "vol", "vol.", "v", "candle acc trade volume", "base volume", "volume from", "volumefrom"),
            *(
                "base asset volume",
                "volume base",
                "volume traded",
                "acc trade volume",
                "거래량",
                "누적 거래량",
                "체결량",
                "出来高",
                "成交量",
            ),
            *("volumen", "объём"),
        ),
    }
)
"""Names of the columns of prices and volume, normalized."""

_TIME_RANKS: tuple[tuple[str, ...], ...] = (
    ("open time", "opentime", "timeopen", "time open", "start time", "starttime", "time period start"),
    (
        *("timestamp", "time stamp", "datetime", "date time", "date", "time", "open timestamp", "candle date time"),
        *(
            "unix",
            "unix timestamp",
            "unixtime",
            "unix time",
            "epoch",
            "ts",
            "t",
            "날짜",
            "일자",
            "일시",
            "시간",
            "시각",
            "체결시간",
            "체결시각",
        ),
        *("날짜/시간", "日付", "日付け", "日時", "日期", "时间", "datum", "fecha", "data", "дата"),
    ),
    ("index", "level 0", "unnamed: 0"),
    ("",),
    ("close time", "closetime", "timeclose", "time close", "end time", "endtime", "time period end"),
)
"""Names of the column of times, normalized, the preferred ones first; only the first column may have none."""

OPENING_NAMES = frozenset({*_TIME_RANKS[0], "candle date time"})
CLOSING_NAMES = frozenset(_TIME_RANKS[-1])
"""Names of times at which candles open, or close."""

DATE_PARTS = frozenset({"date", "날짜", "일자", "datum", "日付", "日期"})
CLOCK_PARTS = frozenset({"time", "시간", "시각", "체결시간", "zeit", "时间"})
"""Names of two columns that hold a time together."""

SYMBOL_NAMES = frozenset({"market", "symbol", "ticker", "pair", "tic", "종목", "종목코드", "마켓", "instrument"})
"""Names of a column with the market."""

VOLUME_WORDS = ("volume", "vol", "vol.", "거래량")
QUOTE_NAMES = frozenset(
    {
        *("usd", "usdt", "usdc", "busd", "fdusd", "tusd", "dai", "krw", "eur", "jpy", "gbp", "try", "brl", "aud", "원"),
        *("currency", "quote", "to", "통화", "원화"),
    }
)
"""What follows the word volume if it is an amount of money, not of coins."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known about files of one origin.

    Attributes:
        name: Its name in reports.
        requires: Normalized names of columns that only such files have together.
        above: Text in the lines above the header that only such files have, in lower case.
        columns: Normalized name of the column of a field, where the general aliases do not find the right one; the
            time may consist of two columns.
        zone: IANA name of the zone of its times without one.
        daily_zone: Hour at which its daily candles open, and the zone in which they do: other times need a zone.
        hint: Code of the text on the usual zone of its times, for the error that asks for it.
        notes: Codes of the sentences for the report of an import.
        tick_volume: Name of the column that counts price changes rather than traded amounts.
    """

    name: str
    requires: frozenset[str] = frozenset()
    above: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zone: str | None = None
    daily_zone: tuple[int, str] | None = None
    hint: str = ""
    notes: tuple[str, ...] = ()
    tick_volume: str | None = None


QUOTE_VOLUME = "volume_in_money"
_UPBIT = coded("layout_upbit")
_BINANCE_VISION = coded("layout_binance")
_YAHOO_FINANCE = coded("layout_yahoo")
_PYUPBIT = Layout(
    "pyupbit",
    frozenset({"", "open", "high", "low", "close", "volume", "value"}),
    columns={"time": ("",)},
    daily_zone=(9, "Asia/Seoul"),
    hint="zone_of_pyupbit",
)

LAYOUTS: tuple[Layout, ...] = (
    Layout(_UPBIT, frozenset({"candle date time utc"}), columns={"time": ("candle date time utc",)}),
    Layout(_UPBIT, frozenset({"candle date time kst"}), columns={"time": ("candle date time kst",)}),
    Layout(
        _BINANCE_VISION,
        frozenset({"open time", "close time", "quote volume", "ignore"}),
        columns={"time": ("open time",), "volume": ("volume",)},
    ),
    Layout("CryptoDataDownload", frozenset({"unix", "date", "symbol", "open"}), columns={"time": ("unix",)}),
    Layout(
        "CryptoDataDownload", frozenset({"unix timestamp", "date", "symbol"}), columns={"time": ("unix timestamp",)}
    ),
    Layout("CryptoDataDownload", frozenset({"date", "symbol", "open"}), "cryptodatadownload", zone="UTC"),
    Layout("Kaggle Bitstamp", frozenset({"timestamp", "volume (btc)", "volume (currency)", "weighted price"})),
    Layout(
        "Investing.com",
        frozenset({"date", "price", "open", "high", "low", "vol.", "change %"}),
        columns={"close": ("price",)},
        hint="zone_of_days",
    ),
    Layout(
        "Investing.com",
        frozenset({"날짜", "종가", "시가", "고가", "저가", "거래량", "변동 %"}),
        hint="zone_of_days",
    ),
    Layout(
        "CoinMarketCap",
        frozenset({"time open", "time close", "market cap"}),
        columns={"time": ("time open",)},
        notes=(QUOTE_VOLUME,),
    ),
    Layout("CoinMarketCap", frozenset({"name", "symbol", "date", "marketcap"}), notes=(QUOTE_VOLUME,)),
    Layout("CoinMarketCap", frozenset({"date", "open", "market cap"}), notes=(QUOTE_VOLUME,)),
    Layout(
        _YAHOO_FINANCE,
        frozenset({"open", "close", "adj close", "volume"}),
        hint="zone_of_yahoo",
        notes=("adj_close_ignored", QUOTE_VOLUME),
    ),
    Layout(
        _YAHOO_FINANCE,
        frozenset({"open", "close", "dividends", "stock splits"}),
        notes=(QUOTE_VOLUME,),
    ),
    Layout(
        "MetaTrader",
        frozenset({"date", "time", "tickvol", "vol"}),
        columns={"time": ("date", "time"), "volume": ("vol",)},
        hint="zone_of_broker",
        tick_volume="tickvol",
    ),
    Layout(
        "MetaTrader",
        frozenset({"date", "tickvol", "vol"}),
        columns={"time": ("date",), "volume": ("vol",)},
        hint="zone_of_broker",
        tick_volume="tickvol",
    ),
    _PYUPBIT,
)
"""Layouts with a header; the first whose required columns are all there is used."""

PLAIN = Layout(coded("layout_by_name"))
YAHOO = Layout(
    _YAHOO_FINANCE,
    hint="zone_of_yahoo",
    notes=(QUOTE_VOLUME,),
)
"""yfinance writes three header lines, by which it is recognized."""
PYUPBIT_WITHOUT_VALUE = Layout(
    "pyupbit", _PYUPBIT.requires - {"value"}, columns=_PYUPBIT.columns, daily_zone=_PYUPBIT.daily_zone
)

_IN_ORDER = ("time", "open", "high", "low", "close", "volume")
POSITIONS: Mapping[int, tuple[Layout, tuple[str, ...]]] = MappingProxyType(
    {
        6: (Layout(coded("layout_list", origins="ccxt, freqtrade")), _IN_ORDER),
        7: (Layout(coded("layout_list", origins="Kraken, Bybit")), _IN_ORDER),
        12: (Layout(_BINANCE_VISION), _IN_ORDER),
    }
)
"""Layouts without a header, by their number of columns: the fields of the first ones, where the time is an epoch."""
METATRADER_4 = Layout("MetaTrader", hint="zone_of_broker", notes=("volume_in_ticks",))
"""Date, time, open, high, low, close and volume without a header."""


def fields_of(name: str) -> str | None:
    """Return the price or volume field of which a normalized name is an alias, or None."""
    bare = re.sub(r"\s*[(\[].*", "", name)
    return _FIELD_OF.get(name) or (_FIELD_OF.get(bare) if bare not in VOLUME_WORDS else None)


def without_zone(name: str) -> str:
    """Return a normalized name of a time column without the zone in it.

    >>> without_zone("gmt time"), without_zone("time (kst)")
    ('time', 'time')
    """
    return _ZONE_WORD.sub("", name).strip()


def named_zone(name: str) -> str | None:
    """Return the IANA name of the zone in a normalized name of a time column, or None.

    >>> named_zone("candle date time kst")
    'Asia/Seoul'
    """
    words = _ZONE_WORD.findall(name)
    return _ZONES[words[0]] if len(words) == 1 else None


def time_rank(name: str, position: int) -> int | None:
    """Return the rank of a normalized name among those of times, 0 the most preferred, or None."""
    rank = _RANK_OF.get(without_zone(name))
    return None if not name and position else rank


_FIELD_OF = {alias: field for field, aliases in _ALIASES.items() for alias in aliases}
_RANK_OF = {name: rank for rank, names in enumerate(_TIME_RANKS) for name in names}
