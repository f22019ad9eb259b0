"""The figure of an equity curve: content, size and edge cases."""

import re
import time
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from coin_pipeline.languages import Language
from coin_pipeline.report import figures
from coin_pipeline.report.axes import Axis, growth_axis
from coin_pipeline.report.figures import equity_figure, equity_pictures
from coin_pipeline.report.svg import text_width
from tests.report.documents import DAY_NS, curve, walk

MINUTE_NS = 60 * 10**9
SVG = "{http://www.w3.org/2000/svg}"
STRATEGY, HELD, DRAWDOWN = "#0072b2", "#6e7781", "#d55e00"


def parse(svg: str) -> ET.Element:
    """Return the root element; fails if the figure is not well-formed."""
    return ET.fromstring(svg)  # noqa: S314 - trusted input


def texts(svg: str) -> list[str]:
    """Return every text in the figure."""
    return [text.text or "" for text in parse(svg).iter(f"{SVG}text")]


def longest_line(svg: str, colour: str) -> np.ndarray:
    """Return the corners of the longest line of one colour: shape (n, 2), columns x and y."""
    lines = [path.attrib["d"] for path in parse(svg).iter(f"{SVG}path") if path.get("stroke") == colour]
    numbers = np.array(re.findall(r"-?\d+", max(lines, key=len)), int).reshape(-1, 2)
    corners: np.ndarray = numbers.cumsum(axis=0)
    return corners


def growth_scale(table: pa.Table) -> Axis:
    """Return the growth axis for a table of one symbol."""
    values = np.concatenate([table["equity"].to_numpy(), table["buy_and_hold"].to_numpy()])
    return growth_axis(values.min(), values.max(), figures.GROWTH_BOTTOM, figures.GROWTH_TOP)


def test_figure_shows_strategy_and_buy_and_hold() -> None:
    """Both lines have a legend; the maximum drawdown and the range in Seoul are shown."""
    svg = equity_figure(curve([1.0, 1.2, 0.9, 1.1], [1.0, 1.1, 1.2, 1.3]), "volume_long_candle 1d")
    shown = texts(svg)
    assert shown[0] == "volume_long_candle 1d"
    assert {"strategy on BTC_KRW", "buy and hold", "Growth factor", "Drawdown, maximum 25.00%"} <= set(shown)
    assert [text for text in shown if text.startswith("-")] == []  # a drawdown is positive, as in JSON
    assert "2024-01-01 09:00 to 2024-01-04 09:00, Asia/Seoul" in shown
    assert "stroke-dasharray" in svg


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("UTC", "2024-03-30 23:00", "2024-03-31 02:00"),
        ("Asia/Seoul", "2024-03-31 08:00", "2024-03-31 11:00"),
        ("Europe/Berlin", "2024-03-31 00:00", "2024-03-31 04:00"),
    ],
)
def test_times_are_those_of_the_zone(zone: str, first: str, last: str) -> None:
    """Ticks and range; in Berlin, an hour is left out on this day."""
    start = pd.Timestamp("2024-03-30 23:00", tz="UTC").value
    table = curve([1.0, 1.2, 0.9, 1.1], start=start, step=3600 * 10**9)
    shown = texts(equity_figure(table, "", zone=zone))
    assert f"{first} to {last}, {zone}" in shown
    assert first[5:] in shown


def test_points_match_the_axes() -> None:
    """Each bar of a short curve is a corner at its time and value."""
    table = curve([1.0, 1.2, 0.9, 1.1], [1.0, 1.05, 1.1, 1.15])
    corners = longest_line(equity_figure(table, ""), STRATEGY)
    assert corners[:, 0].tolist() == np.rint(np.linspace(figures.LEFT, figures.RIGHT, 4)).tolist()
    assert corners[:, 1].tolist() == growth_scale(table)([1.0, 1.2, 0.9, 1.1]).tolist()


def test_drawdown_fills_its_panel() -> None:
    """The lower panel spans zero to the maximum drawdown."""
    y = longest_line(equity_figure(curve([1.0, 1.2, 0.9, 1.1]), ""), DRAWDOWN)[:, 1]
    assert (y.min(), y.max()) == (figures.DRAWDOWN_TOP, figures.DRAWDOWN_BOTTOM)


def test_single_bar_spikes_are_kept() -> None:
    """One outlier in 200,000 bars is drawn at its full height."""
    equity = np.ones(200_000)
    equity[54_321], equity[123_456] = 1.5, 0.6
    table = curve(equity, step=MINUTE_NS)
    y = longest_line(equity_figure(table, ""), STRATEGY)[:, 1]
    assert (y.min(), y.max()) == tuple(growth_scale(table)([1.5, 0.6]))


def test_pixel_columns_keep_their_extremes() -> None:
    """With 50,000 bars, the line spans the range of the bars in each column exactly."""
    table = curve(walk(1, 50_000, 0.002), walk(2, 50_000, 0.002), step=MINUTE_NS)
    corners = longest_line(equity_figure(table, ""), STRATEGY)
    columns = (figures.RIGHT - figures.LEFT) // 2
    y = growth_scale(table)(table["equity"].to_numpy())
    bars_in = np.arange(50_000) * columns // 49_999
    for column in range(columns):
        x = np.rint(figures.LEFT + np.flatnonzero(bars_in == column)[0] / 49_999 * 2 * columns)
        drawn, expected = corners[corners[:, 0] == x, 1], y[bars_in == column]
        assert (drawn.min(), drawn.max()) == (expected.min(), expected.max())


def test_monotonic_curves_stay_monotonic() -> None:
    """Points within a column are ordered by its direction, so a rise has no steps down and a fall none up."""
    table = curve(np.linspace(1, 2, 50_000), np.linspace(2, 1, 50_000), step=MINUTE_NS)
    svg = equity_figure(table, "")
    assert (np.diff(longest_line(svg, STRATEGY)[:, 1]) <= 0).all()
    assert (np.diff(longest_line(svg, HELD)[:, 1]) >= 0).all()


def test_horizontal_runs_have_two_points() -> None:
    """A constant stretch is reduced to its two ends."""
    equity = np.concatenate([np.ones(100), np.full(100, 1.1)])
    assert len(longest_line(equity_figure(curve(equity), ""), STRATEGY)) == 4


@pytest.mark.parametrize(
    ("bars", "step", "limit"), [(366, DAY_NS, 25_000), (525_600, MINUTE_NS, 60_000), (2_628_000, MINUTE_NS, 60_000)]
)
def test_figures_are_small(bars: int, step: int, limit: int) -> None:
    """A year of daily bars and five years of minutes both fit the metadata of a run."""
    svg = equity_figure(curve(walk(1, bars, 0.0006), walk(2, bars, 0.0008), step=step), "volume_long_candle 1m")
    assert len(svg.encode()) < limit


def test_figure_of_six_symbols_is_small() -> None:
    """Six lines, their mean, buy and hold and the drawdown take less than 60 kB."""
    tables = [curve(walk(i, 50_000, 0.0006), symbol=f"C{i}_KRW", step=MINUTE_NS) for i in range(6)]
    assert len(equity_figure(pa.concat_tables(tables), "").encode()) < 60_000


def test_year_of_minutes_is_drawn_within_100_ms() -> None:
    """The best of five runs over 525,600 bars takes less than 100 ms."""
    table = curve(walk(1, 525_600, 0.0006), walk(2, 525_600, 0.0006), step=MINUTE_NS)
    durations = []
    for _ in range(5):
        began = time.perf_counter()
        equity_figure(table, "")
        durations.append(time.perf_counter() - began)
    assert min(durations) < 0.1


def test_titles_and_symbols_are_escaped() -> None:
    """Markup in a name is shown as text, and characters invalid in XML are replaced."""
    svg = equity_figure(curve([1.0, 1.1], symbol="<i>_KRW"), '<b>&"\x08')
    assert texts(svg)[0] == '<b>&"\ufffd'
    assert "strategy on <i>_KRW" in texts(svg)


def test_long_titles_are_truncated() -> None:
    """A title wider than the figure ends with an ellipsis."""
    assert texts(equity_figure(curve([1.0, 1.1]), "x" * 300))[0] == "x" * 99 + "…"


def test_figure_is_self_contained() -> None:
    """The only URL is the SVG namespace; there are no scripts, styles or links."""
    svg = equity_figure(curve([1.0, 1.1]), "x")
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    tags = {element.tag.removeprefix(SVG) for element in parse(svg).iter()}
    assert tags == {"svg", "title", "rect", "text", "path", "g"}


@pytest.mark.parametrize(
    ("table", "caption"),
    [
        (curve([1.0]), "Growth factor"),
        (curve([1.0] * 30), "Growth factor"),
        (curve(np.linspace(1, 0, 200) ** 3), "Growth factor, log scale, clipped at 7e-05"),
        (curve([1.0, 1e-12]), "Growth factor, log scale, clipped at 7e-05"),
        (curve(np.logspace(0, 12, 50)), "Growth factor, log scale, clipped at 7e+07"),
        (curve([1.0, 1.0 + 1e-12]), "Growth factor"),
        (curve([1.0, 1.1], step=MINUTE_NS), "Growth factor"),
    ],
    ids=["one bar", "flat", "to zero", "to almost zero", "to the sky", "hardly moving", "two minutes"],
)
def test_edge_cases_stay_inside_the_panels(table: pa.Table, caption: str) -> None:
    """All lines stay inside their panels, and the caption states where an axis is clipped."""
    svg = equity_figure(table, "x")
    for colour, top, bottom in (
        (STRATEGY, figures.GROWTH_TOP, figures.GROWTH_BOTTOM),
        (DRAWDOWN, figures.DRAWDOWN_TOP, figures.DRAWDOWN_BOTTOM),
    ):
        corners = longest_line(svg, colour)
        assert (corners >= [figures.LEFT, top]).all()
        assert (corners <= [figures.RIGHT, bottom]).all()
    assert caption in texts(svg)


@pytest.mark.parametrize(
    ("names", "language", "shown"),
    [
        (["A_KRW", "B_KRW"], "ko", "종목 2개 평균"),
        (["mean of 500 symbols"], "en", "mean of 500 symbols"),
        (["mean of 500 symbols"], "ko", "종목 500개 평균"),
        (["shared account"], "en", "shared account"),
        (["shared account"], "ko", "공동 계좌"),
        (["A_KRW"], "ko", "A_KRW 전략"),
    ],
)
def test_account_is_named_in_the_language(names: list[str], language: Language, shown: str) -> None:
    """A mean, that of a large result, an account that symbols share, and that of one symbol."""
    table = pa.concat_tables([curve([1.0, 1.1], symbol=name) for name in names])
    assert shown in texts(equity_figure(table, "", language))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("symbols", [1, 6])
def test_phones_have_a_drawing_of_their_own(symbols: int, language: Language) -> None:
    """Its texts are legible at 360 pixels, within its width, and none of its legend is above another."""
    table = pa.concat_tables([curve(walk(i, 400), symbol=f"C{i}_KRW") for i in range(symbols)])
    small = parse(re.findall("<svg.*?</svg>", equity_pictures(table, "", language))[1])
    width = int(small.attrib["viewBox"].split()[2])
    drawn = [
        (int(text.attrib["x"]), text_width(text.text or ""), text.attrib["text-anchor"], int(text.attrib["font-size"]))
        for text in small.iter(f"{SVG}text")
    ]
    assert min(size for *_, size in drawn) * 360 / width >= 11
    before = {"start": 0.0, "middle": 0.5, "end": 1.0}
    ends = [(x - before[anchor] * length, x + (1 - before[anchor]) * length) for x, length, anchor, _ in drawn]
    assert all(start >= 0 and end <= width for start, end in ends)
    keys = [(text.get("y"), int(text.attrib["x"]), text_width(text.text or "")) for text in small.findall(f"{SVG}text")]
    assert all(x + length <= other for (y, x, length), (below, other, _) in pairwise(keys) if y == below)


def test_many_symbols_are_drawn_as_their_mean() -> None:
    """Up to six symbols have their own lines next to the mean; more have only the mean."""

    def names(count: int) -> list[str]:
        tables = [curve(walk(i, 50), symbol=f"C{i}_KRW") for i in range(count)]
        return [text for text in texts(equity_figure(pa.concat_tables(tables), "")) if "symbols" in text or "_" in text]

    assert names(6) == ["mean of 6 symbols", *(f"C{i}_KRW" for i in range(6))]
    assert names(7) == ["mean of 7 symbols"]
