"""Names and units of the figures of a result, the same wherever they are shown.

JSON has each figure under its key, returns and shares as fractions. The terminal, reports, Dagster and notebooks show
its label, with returns and shares as percentages. The sign is the same: a drawdown is positive.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.languages import Language, Text

UNDEFINED = "-"
"""Shown in place of a figure that is undefined or unknown."""
_WHOLE_DAYS_FROM = 100
_PLAIN_BELOW = 1e6  # larger values are shorter in scientific notation


class Unit(StrEnum):
    """How a figure is shown."""

    CHANGE = "change"
    """A gain or loss, as a signed percentage."""
    SHARE = "share"
    """A percentage without a sign."""
    RATIO = "ratio"
    COUNT = "count"
    DAYS = "days"
    """A time, to the day if it is long."""


class Figure(NamedTuple):
    """Label, unit and explanation of a figure."""

    text: Text
    unit: Unit
    note: Text

    @property
    def label(self) -> str:
        """The label in English."""
        return self.text.en

    @property
    def meaning(self) -> str:
        """The explanation in English."""
        return self.note.en


def _figure(label: tuple[str, str], unit: Unit, note: tuple[str, str] = ("", "")) -> Figure:
    """Return a figure with its label and explanation, each in English and in Korean."""
    return Figure(Text(*label), unit, Text(*note))


_PER_TRADE = ("mean net return per trade", "거래당 평균 순수익률")
FIGURES: Mapping[str, Figure] = {
    "total_return": _figure(("Total return", "총수익률"), Unit.CHANGE, ("net of all costs", "모든 비용 차감 후")),
    "buy_and_hold": _figure(
        ("Buy and hold", "매수 후 보유"), Unit.CHANGE, ("same symbols and range, net", "같은 종목·기간, 비용 차감 후")
    ),
    "cagr": _figure(("CAGR", "연평균 수익률(CAGR)"), Unit.CHANGE, ("per year of 365 days", "1년 365일 기준")),
    "max_drawdown": _figure(
        ("Max drawdown", "최대 낙폭(MDD)"),
        Unit.SHARE,
        ("loss from the peak of the equity", "평가금액 고점 대비 하락률"),
    ),
    "sharpe": _figure(
        ("Sharpe ratio", "샤프 지수"), Unit.RATIO, ("annualized, risk-free rate 0", "연율화, 무위험 수익률 0")
    ),
    "sortino": _figure(
        ("Sortino ratio", "소르티노 지수"), Unit.RATIO, ("annualized, target 0", "연율화, 목표 수익률 0")
    ),
    "volatility": _figure(("Volatility", "변동성"), Unit.SHARE, ("annualized", "연율화")),
    "exposure": _figure(
        ("Exposure", "시장 노출 비율"), Unit.SHARE, ("share of bars with a position", "포지션을 보유한 봉의 비율")
    ),
    "profit_factor": _figure(
        ("Profit factor", "손익비(PF)"), Unit.RATIO, ("sum of gains over sum of losses", "총이익 ÷ 총손실")
    ),
    "win_rate": _figure(("Win rate", "승률"), Unit.SHARE, ("trades with a net gain", "순이익이 난 거래의 비율")),
    "expectancy": _figure(("Expectancy", "기대 수익률"), Unit.CHANGE, _PER_TRADE),
    "avg_return": _figure(("Average return", "평균 수익률"), Unit.CHANGE, _PER_TRADE),
    "avg_hold_bars": _figure(("Average hold", "평균 보유 기간"), Unit.RATIO, ("bars", "봉 수")),
    "trades": _figure(("Trades", "거래 수"), Unit.COUNT),
    "signals": _figure(("Signals", "신호 수"), Unit.COUNT),
    "ignored": _figure(
        ("Signals ignored", "무시된 신호"), Unit.COUNT, ("while a position was held", "포지션 보유 중 발생한 신호")
    ),
    "return_over_drawdown": _figure(
        ("Return over drawdown", "낙폭 대비 수익률"),
        Unit.RATIO,
        ("total return over max drawdown", "총수익률 ÷ 최대 낙폭"),
    ),
    "calmar": _figure(("Calmar ratio", "칼마 지수"), Unit.RATIO, ("CAGR over max drawdown", "CAGR ÷ 최대 낙폭")),
    "sqn": _figure(
        ("SQN", "시스템 품질 지수(SQN)"),
        Unit.RATIO,
        (
            "mean over deviation of the trades, times the root of their number",
            "거래 수익률의 평균 ÷ 표준편차에 거래 수의 제곱근을 곱한 값",
        ),
    ),
    "kelly": _figure(
        ("Kelly fraction", "켈리 비율"),
        Unit.CHANGE,
        ("from win rate and payoff of the trades", "거래의 승률과 평균 손익비 기준"),
    ),
    "best_trade": _figure(("Best trade", "최고 거래"), Unit.CHANGE, ("net return", "순수익률")),
    "worst_trade": _figure(("Worst trade", "최악 거래"), Unit.CHANGE, ("net return", "순수익률")),
    "max_hold_bars": _figure(("Longest hold", "최장 보유 기간"), Unit.COUNT, ("bars", "봉 수")),
    "best_day": _figure(
        ("Best day", "최고 일간 수익률"), Unit.CHANGE, ("days of the range's time zone", "기간 시간대 기준 하루")
    ),
    "worst_day": _figure(
        ("Worst day", "최저 일간 수익률"), Unit.CHANGE, ("days of the range's time zone", "기간 시간대 기준 하루")
    ),
    "avg_drawdown": _figure(
        ("Average drawdown", "평균 낙폭"), Unit.SHARE, ("mean depth of all drawdowns", "모든 낙폭 구간의 평균 깊이")
    ),
    "max_drawdown_days": _figure(
        ("Longest drawdown", "최장 낙폭 기간"),
        Unit.DAYS,
        ("days from a peak to its recovery", "고점부터 회복까지 일수"),
    ),
    "avg_drawdown_days": _figure(
        ("Average drawdown duration", "평균 낙폭 기간"),
        Unit.DAYS,
        ("days from a peak to its recovery", "고점부터 회복까지 일수"),
    ),
    "alpha": _figure(("Alpha", "알파"), Unit.CHANGE, ("per year, against buy and hold", "연율, 매수 후 보유 대비")),
    "beta": _figure(
        ("Beta", "베타"), Unit.RATIO, ("daily returns against buy and hold", "매수 후 보유 대비 일간 수익률")
    ),
}
"""Every figure by its key in JSON."""
SWEEP_FIGURES = ("total_return", "max_drawdown", "profit_factor", "win_rate", "exposure", "trades")
"""Figures of each of the best points of a sweep."""


def sweep_columns(objective: str) -> tuple[str, ...]:
    """Return the figures that are shown for each of the best points: the objective is always among them."""
    return SWEEP_FIGURES if objective in SWEEP_FIGURES else (objective, *SWEEP_FIGURES)


def format_figure(name: str, value: float | None, digits: int = 2, percent: str = " %") -> str:
    """Return a figure with its unit.

    Args:
        name: Key of the figure in `FIGURES`.
        value: Its value in JSON.
        digits: Digits after the point, except of counts.
        percent: Sign of a percentage.

    >>> format_figure("total_return", 0.125), format_figure("max_drawdown", 0.125), format_figure("sharpe", None)
    ('+12.50 %', '12.50 %', '-')
    """
    return UNDEFINED if value is None else format_value(FIGURES[name].unit, value, digits, percent)


def format_value(unit: Unit, value: float, digits: int = 2, percent: str = " %") -> str:
    """Return a value with its unit, without a minus sign before zero.

    >>> format_value(Unit.CHANGE, -0.000001), format_value(Unit.CHANGE, 3e8, percent="%")
    ('0.00 %', '+3.00e+10%')
    >>> [format_value(Unit.DAYS, days) for days in (1019.25, 12.04, 30 / 1440)]
    ['1,019', '12.0', '0.021']
    """
    if unit is Unit.COUNT:
        return f"{value:,.0f}"
    if unit is Unit.DAYS:
        return f"{value:,.0f}" if value >= _WHOLE_DAYS_FROM else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
    if unit is Unit.RATIO:
        return f"{value:z,.{digits}f}" if abs(value) < _PLAIN_BELOW else f"{value:.{digits}e}"
    signed = "+" if unit is Unit.CHANGE and round(100 * value, digits) else ""
    text = f"{100 * value:{signed}z,.{digits}f}" if abs(value) < _PLAIN_BELOW else f"{100 * value:{signed}.{digits}e}"
    return f"{text}{percent}"


_NO_TRADES = Text("no trades", "거래 없음")
_LOSES = Text("loses even without costs", "비용이 없어도 손실")
_LOSES_BY_TICKS = Text("loses by rounding to ticks alone", "호가 단위 반올림만으로도 손실")
_PER_LEG = Text("{rate} per leg", "주문당 {rate}")


def break_even_text(costs: Json, trades: int, percent: str = " %", language: Language = "en") -> str:
    """Return at which cost a result breaks even, or why at none.

    Args:
        costs: `costs` of a result or of a symbol's part.
        trades: Number of its trades.
        percent: Sign of a percentage.
        language: Language of the text.

    >>> break_even_text({"break_even_rate": None, "gross_return": -0.1}, 7)
    'loses even without costs'
    """
    rate, gross = costs["break_even_rate"], costs["gross_return"]
    if not trades:
        return _NO_TRADES.write(language)
    if rate is None or (rate == 0 and gross is not None and gross < 0):  # early results have 0 for it
        return _LOSES.write(language)
    if rate == 0 and gross != 0:
        return _LOSES_BY_TICKS.write(language)
    return _PER_LEG.write(language, rate=f"{100 * rate:.3g}{percent}")
