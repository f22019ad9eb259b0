"""Equity curves as SVG text, from the equity table. Reads and writes no files."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coin_pipeline.backtest.portfolio import SHARED, Curve, account_of, curve_of
from coin_pipeline.backtest.tables import unstack
from coin_pipeline.candles.timeframe import SEOUL, utc, zone_offset_ns
from coin_pipeline.languages import Language, Text
from coin_pipeline.report.axes import Axis, Tick, growth_axis, time_axis, time_ticks, value_ticks
from coin_pipeline.report.svg import MUTED, escape_xml, svg_text, text_width
from coin_pipeline.storage.mapped import release_pages

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The unit is half a pixel: integers keep the file small and are fine enough for a smooth line.
WIDTH, NARROW, HEIGHT = 1800, 720, 840
LEFT, RIGHT = 120, 1730
GROWTH_TOP, GROWTH_BOTTOM = 140, 540
DRAWDOWN_TOP, DRAWDOWN_BOTTOM = 596, 756
MAX_SYMBOL_LINES = 6
_LEGEND_LEFT, _LEGEND_TOP, _LEGEND_ROW = 24, 84, 34
_TICK = 200  # width that a label of the time axis has at least
_COLUMN, _COLUMN_OF_MANY = 2, 4  # width of a thinned column: one pixel, or two if there are many lines
_MAX_TITLE = 100
_MIN_DEPTH = 0.01  # minimum depth of the drawdown panel

# Okabe and Ito, "Color Universal Design" (2008): distinguishable with colour blindness.
BLUE, _RED = "#0072b2", "#d55e00"
_SYMBOL_COLOURS = ("#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#882255")
_GRID = "#e4e7eb"


_HELD = Text("buy and hold", "매수 후 보유")
_STRATEGY = Text("strategy on {symbol}", "{symbol} 전략")
_SHARED = Text(SHARED, "공동 계좌")
_MEAN = Text("mean of {count} symbols", "종목 {count}개 평균")
_MEAN_NAME = re.compile(r"mean of (\d+) symbols")  # of `portfolio.equal_shares`
_GROWTH = Text("Growth factor", "성장 배수")
_LOG = Text("{growth}, log scale", "{growth}, 로그 눈금")
_CLIPPED = Text("{growth}, clipped at {low:.1g}", "{growth}, {low:.1g}에서 자름")
_DRAWDOWN = Text("Drawdown, maximum {deepest:z.2%}", "낙폭, 최대 {deepest:z.2%}")
_SPAN = Text("{first} to {last}, {zone}", "{first} ~ {last}, {zone}")
_PROFIT = Text("Profit and loss, {unit}", "손익, {unit}")
_SCALES: Mapping[Language, Sequence[tuple[float, str]]] = {  # so that the labels of an axis fit its margin
    "en": ((1e6, "million"), (1e3, "thousand")),
    "ko": ((1e8, "억"), (1e4, "만")),
}


class Line(NamedTuple):
    """A curve of the growth panel and its style."""

    name: str
    time: Ints
    values: Floats
    colour: str
    width: float
    dashes: str = "none"


def equity_figure(equity: pa.Table, title: str, language: Language = "en", zone: str = SEOUL) -> str:
    """Draw growth against buy and hold, with the drawdown below, as an SVG of 900 x 420 pixels.

    Up to six symbols are drawn together with their mean, an account of equal shares that is never rebalanced. More
    symbols are drawn as their mean only, and a shared account as the account only. If there are more bars than pixels,
    each column of one pixel (two with several symbols) keeps its lowest and highest value.

    Args:
        equity: Table from `document.result_tables`: one block of rows per symbol, at least one row.
        title: Text of the heading.
        language: Language of the labels.
        zone: Time zone of the labels, an IANA name.
    """
    return next(_equity_figures(equity, title, language, zone, (WIDTH,)))


def equity_pictures(equity: pa.Table, title: str, language: Language = "en", zone: str = SEOUL) -> str:
    """Return `equity_figure` for wide screens and another drawing for phones, as HTML; the styles show one of them."""
    return _pictures(*_equity_figures(equity, title, language, zone, (WIDTH, NARROW)))


def _equity_figures(
    equity: pa.Table, title: str, language: Language, zone: str, widths: Sequence[int]
) -> Iterator[str]:
    """Yield a drawing of each width."""
    curves = _curves(equity)
    account = account_of(curves)
    if account.name == SHARED:  # its symbols have no separate accounts
        curves = [account]
    lines = _lines(curves, account, language)
    heading = title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…"
    panels = ((GROWTH_TOP, GROWTH_BOTTOM), (DRAWDOWN_TOP, DRAWDOWN_BOTTOM))
    for width in widths:
        time = _time_axis(account.time, width)
        elements = [
            *_time_marks(time, account.time, language, zone, *panels),
            *_growth_panel(lines, time, language),
            *_drawdown_panel(account, time, language),
        ]
        yield _svg(heading, lines, elements, width)


def profit_pictures(lines: Sequence[Line], title: str, currency: str, language: Language = "en") -> str:
    """Draw profit and loss in a currency for wide screens and for phones, as HTML; the last line is on top.

    Args:
        lines: Curves with at least one point each.
        title: Text of the heading.
        currency: Currency of the values.
        language: Language of the labels.
    """
    highest = max(float(abs(line.values).max()) for line in lines)
    scales = ((by, f"{name} {currency}") for by, name in _SCALES[language] if highest >= 10 * by)
    factor, unit = next(scales, (1.0, currency))
    lines = [line._replace(values=line.values / factor) for line in lines]
    low, high = (pick(float(pick(line.values)) for line in lines) for pick in (min, max))
    margin = 0.04 * (high - low) or max(abs(high), 1.0)
    profit = Axis(low - margin, high + margin, DRAWDOWN_BOTTOM, GROWTH_TOP)
    stamps = np.unique(np.concatenate([line.time for line in lines]))

    def draw(width: int) -> str:
        time = _time_axis(stamps, width)
        elements = [
            *_time_marks(time, stamps, language, SEOUL, (GROWTH_TOP, DRAWDOWN_BOTTOM)),
            *_value_marks(profit, value_ticks(profit, 6), time),
            svg_text(LEFT, GROWTH_TOP - 10, _PROFIT.write(language, unit=unit)),
        ]
        if profit.low < 0 < profit.high:
            elements.append(_rule(f"M{LEFT} {profit(0.0)}H{time.end:g}", strong=True))
        curves = [_path(*_downsample(line.time, line.values, time, profit, _COLUMN)) for line in lines]
        return _svg(title, lines, [*elements, *map(_stroke, curves, lines)], width)

    return _pictures(draw(WIDTH), draw(NARROW))


def _pictures(large: str, small: str) -> str:
    """Return a drawing for wide screens and one for phones; the styles show one of them."""
    return f'<div class="picture large">{large}</div><div class="picture small">{small}</div>'


def _time_axis(stamps: Ints, width: int) -> Axis:
    """Return the time axis of a figure of a width."""
    return time_axis(int(stamps[0]), int(stamps[-1]), LEFT, width - (WIDTH - RIGHT))


def _svg(heading: str, lines: Sequence[Line], elements: Iterable[str], width: int) -> str:
    """Return a figure with its heading and legend; each further row of the legend moves the elements down."""
    legend = list(_legend(lines, width))
    lower = max(y for _, y, _ in legend) - _LEGEND_TOP
    height = HEIGHT + lower
    keys = "".join(
        _stroke(f"M{x} {y}h44", line) + svg_text(x + 56, y + 8, line.name, ink=True) for x, y, line in legend
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width // 2}"'
        f' height="{height // 2}" role="img" font-family="system-ui,sans-serif"><title>{escape_xml(heading)}</title>'
        f'<rect class="paper" width="{width}" height="{height}" fill="#fff"/>'
        f"{svg_text(_LEGEND_LEFT, 42, heading, ink=True, size=28, weight=600)}{keys}"
        f'<g transform="translate(0 {lower})">{"".join(elements)}</g></svg>'
    )


def _curves(equity: pa.Table) -> list[Curve]:
    return [curve_of(symbol, rows) for symbol, rows in unstack(equity)]


def _lines(curves: Sequence[Curve], account: Curve, language: Language) -> list[Line]:
    """Return the curves of the growth panel in drawing order, with the account on top."""
    held = [Line(_HELD.write(language), account.time, account.buy_and_hold, MUTED, 2.5, "9 7")]
    if np.isnan(account.buy_and_hold).all():  # synchronous results are stored without it
        held = []
    if len(curves) == 1:
        return [*held, Line(_account_name(account.name, language), account.time, account.equity, BLUE, 3)]
    shown = curves if len(curves) <= MAX_SYMBOL_LINES else []
    symbols = [Line(c.name, c.time, c.equity, colour, 2) for c, colour in zip(shown, _SYMBOL_COLOURS, strict=False)]
    return [*held, *symbols, Line(_account_name(account.name, language), account.time, account.equity, BLUE, 4)]


def _account_name(name: str, language: Language) -> str:
    """Return the name of an account in a language: of a shared one, of a mean, or of the strategy on a symbol."""
    if name == SHARED:
        return _SHARED.write(language)
    if mean := _MEAN_NAME.fullmatch(name):
        return _MEAN.write(language, count=mean[1])
    return _STRATEGY.write(language, symbol=name)


def _legend(lines: Sequence[Line], width: int) -> Iterator[tuple[int, int, Line]]:
    """Yield the coordinates of the key of each line, in as many rows as the width requires."""
    x, y = _LEGEND_LEFT, _LEGEND_TOP
    *others, account = lines
    for line in (account, *sorted(others, key=lambda line: line.name in _HELD)):
        length = 56 + text_width(line.name)
        if x > _LEGEND_LEFT and x + length > width:
            x, y = _LEGEND_LEFT, y + _LEGEND_ROW
        yield x, y, line
        x += length + 28


def _time_marks(time: Axis, bars: Ints, language: Language, zone: str, *panels: tuple[int, int]) -> Iterator[str]:
    """Draw ticks at round times in a zone, with the offset that it has at the first bar, and write the range below."""
    ends = [utc(ns).astimezone(ZoneInfo(zone)) for ns in (bars[0], bars[-1])]
    offset = zone_offset_ns(ends[0], zone)
    for tick in time_ticks(replace(time, low=time.low + offset, high=time.high + offset), _room(time) // _TICK):
        x = int(time(tick.value - offset))
        yield _rule("".join(f"M{x} {top}V{bottom}" for top, bottom in panels))
        yield svg_text(x, DRAWDOWN_BOTTOM + 38, tick.label, anchor="middle")
    first, last = (f"{end:%Y-%m-%d %H:%M}" for end in ends)
    yield svg_text(int(time.end), HEIGHT - 14, _SPAN.write(language, first=first, last=last, zone=zone), anchor="end")


def _growth_panel(lines: Sequence[Line], time: Axis, language: Language) -> Iterator[str]:
    lows, highs = zip(*(_range(line.values) for line in lines), strict=True)
    low, high = min(lows), max(highs)
    growth = growth_axis(low, high, GROWTH_BOTTOM, GROWTH_TOP)
    yield from _value_marks(growth, value_ticks(growth, 5), time)
    label = _GROWTH.write(language)
    if growth.log:
        label = _LOG.write(language, growth=label)
    if growth.log and low < growth.low:
        label = _CLIPPED.write(language, growth=label, low=growth.low)
    yield svg_text(LEFT, GROWTH_TOP - 10, label)
    if growth.low < 1 < growth.high:
        yield _rule(f"M{LEFT} {growth(1.0)}H{time.end:g}", strong=True)
    column = _COLUMN if len(lines) <= 2 else _COLUMN_OF_MANY  # noqa: PLR2004 - one symbol, and buy and hold
    for line in lines:
        x, y = _downsample(line.time, line.values, time, growth, column)
        release_pages()
        yield _stroke(_path(x, y), line)


def _range(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    release_pages()
    return low, high


def _drawdown_panel(account: Curve, time: Axis, language: Language) -> Iterator[str]:
    deepest = float(account.drawdown.max())
    depth = Axis(0.0, max(deepest, _MIN_DEPTH) * 100, DRAWDOWN_TOP, DRAWDOWN_BOTTOM)
    ticks = value_ticks(depth, 4)
    yield from _value_marks(depth, [Tick(t.value, f"{t.label}%") for t in ticks], time)
    yield svg_text(LEFT, DRAWDOWN_TOP - 10, _DRAWDOWN.write(language, deepest=deepest))
    x, y = _downsample(account.time, account.drawdown * 100, time, depth, _COLUMN)
    outline = _path(x, y)
    yield f'<path d="{outline}V{DRAWDOWN_TOP}H{x[0]}Z" fill="{_RED}" fill-opacity=".25"/>'
    yield f'<path d="{outline}" fill="none" stroke="{_RED}" stroke-width="2" stroke-linejoin="round"/>'


def _value_marks(axis: Axis, ticks: Sequence[Tick], time: Axis) -> Iterator[str]:
    for tick in ticks:
        y = int(axis(tick.value))
        yield _rule(f"M{LEFT} {y}H{time.end:g}")
        yield svg_text(LEFT - 12, y + 8, tick.label, anchor="end")


def _room(time: Axis) -> int:
    """Return the width of a time axis."""
    return int(time.end - time.start)


def _downsample(time: Ints, values: Floats, x_axis: Axis, y_axis: Axis, width: int) -> tuple[Ints, Ints]:
    """Return the lowest and highest point of each column, ordered by whether the column rises or falls."""
    edges = np.linspace(x_axis.low, x_axis.high, _room(x_axis) // width, endpoint=False).astype(np.int64)
    starts = np.unique(np.searchsorted(time, edges))
    starts = np.unique(np.append(0, starts[starts < len(time)]))
    last = np.append(starts[1:], len(time)) - 1
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    rising = values[last] >= values[starts]
    pairs = np.stack([np.where(rising, low, high), np.where(rising, high, low)], axis=1)
    return np.repeat(x_axis(time[starts]), 2), y_axis(pairs.ravel())


def _path(x: Ints, y: Ints) -> str:
    """Return a polyline as SVG path data, without repeated points and points inside horizontal runs."""
    moved = np.append(True, (np.diff(x) != 0) | (np.diff(y) != 0))
    x, y = x[moved], y[moved]
    bend = np.ones(len(y), np.bool_)
    bend[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    x, y = x[bend], y[bend]
    steps = np.stack([np.diff(x), np.diff(y)], axis=1).ravel().tolist()
    if not steps:
        return f"M{x[0] - 6} {y[0]}l12 0"  # a single bar, made visible
    return f"M{x[0]} {y[0]}l" + "".join(f"{step: d}" for step in steps)  # the sign separates numbers


def _stroke(path: str, line: Line) -> str:
    dashes = "" if line.dashes == "none" else f' stroke-dasharray="{line.dashes}"'
    return (
        f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}"'
        f' stroke-linejoin="round" stroke-linecap="round"{dashes}/>'
    )


# The classes let a page recolour the figure in dark mode; on its own it is dark on white.
def _rule(path: str, *, strong: bool = False) -> str:
    name, colour = ("base", MUTED) if strong else ("grid", _GRID)
    return f'<path class="{name}" d="{path}" stroke="{colour}" stroke-width="1.5"/>'
