"""Page of a backtest report: one HTML file with its data, styles and scripts, which loads nothing."""

import base64
import hashlib
import json
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from coin_pipeline.backtest.labels import FIGURES, Unit, break_even_text, format_value
from coin_pipeline.backtest.messages import check_sentence
from coin_pipeline.backtest.option_labels import option_texts
from coin_pipeline.backtest.options import spec_of
from coin_pipeline.backtest.skipped_signals import NOT_TRADED, skipped_text
from coin_pipeline.backtest.tables import Tables
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.languages import Language
from coin_pipeline.report.assets import CHARTS_FOLDER, CHARTS_SCRIPT
from coin_pipeline.report.encoding import encode_data
from coin_pipeline.report.figures import equity_pictures
from coin_pipeline.report.packing import unpack
from coin_pipeline.report.page import GAPS_SHOWN, SYMBOLS_NAMED, template_environment
from coin_pipeline.report.payload import Analysis, Histogram, ReportData, Trades
from coin_pipeline.report.period_tables import month_rows
from coin_pipeline.report.pictures import coverage_strip, histogram_picture
from coin_pipeline.report.texts import Writer, script_texts
from coin_pipeline.report.warning_list import warning_list
from coin_pipeline.results.store import Json

_HERE: Final = Path(__file__).parent
_SCRIPTS: Final = (
    CHARTS_SCRIPT,
    *(
        _HERE / "scripts" / f"{name}.js"
        for name in ("data", "view", "overlays", "account_view", "price_view", "periods", "trades", "page")
    ),
)
_STYLES: Final = tuple(_HERE / "templates" / name for name in ("style.css", "report.css"))
_HEADLINE = ("total_return", "buy_and_hold")
_SYMBOL_FIGURES = ("total_return", "buy_and_hold", "cagr", "max_drawdown", "sharpe", "profit_factor", "win_rate",
                   "exposure", "trades")  # fmt: skip
_CHECKS_SHOWN = 40
_HEAT_LEVELS = 5


class _Inlined(NamedTuple):
    """Styles and scripts of the page, and the content security policy that allows exactly these."""

    style: Markup
    scripts: tuple[Markup, ...]
    policy: str


@cache
def _inlined() -> _Inlined:
    style = "".join(path.read_text("utf-8") for path in _STYLES)
    scripts = [path.read_text("utf-8") for path in _SCRIPTS]
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}"
    # Our own files: they are inlined as they are, and none contains the end tag of its element.
    return _Inlined(Markup(style), tuple(map(Markup, scripts)), f"{policy}; base-uri 'none'; form-action 'none'")  # noqa: S704


def content_security_policy() -> str:
    """Return the policy of the page, which is also in the page itself."""
    return _inlined().policy


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def render_backtest_page(
    document: Json,
    tables: Tables,
    data: ReportData,
    analysis: Analysis,
    language: Language = "en",
    *,
    symbol: str | None = None,
) -> str:
    """Return the report of a result of schema 1.2.0 as HTML.

    Args:
        document: Result document from `document.result_json`.
        tables: Tables from `document.result_tables` of the same run.
        data: What its charts and its table of trades show.
        analysis: Its figures and smaller tables.
        language: Language of its texts.
        symbol: The only symbol whose price and trades it shows; None for all.
    """
    write = Writer(language)
    metrics, zone = document["metrics"], document.get("timezone", SEOUL)
    spec = spec_of(document)
    checks = _checks(document, language)
    shown = max(_CHECKS_SHOWN, sum(not check["passed"] for check in checks))
    values = {
        "document": document,
        "data": data,
        "analysis": analysis,
        "language": language,
        "only": symbol,
        "cut_after": _cut_after(data["trades"]),
        "zone": zone,
        "_": write,
        "figure_label": lambda name: FIGURES[name].text.write(language),
        "figure_meaning": lambda name: FIGURES[name].note.write(language),
        "key_figures": [name for name in FIGURES if name in metrics and name != "avg_return"],
        "further_figures": [name for name in FIGURES if name in analysis["figures"]],
        "headline": _HEADLINE,
        "signed_figures": [name for name, figure in FIGURES.items() if figure.unit is Unit.CHANGE],
        "symbol_figures": _SYMBOL_FIGURES,
        "excess": _difference(metrics["total_return"], metrics["buy_and_hold"]),
        "break_even": partial(break_even_text, percent="%", language=language),
        "options": option_texts(spec, language),
        "ticks": spec.get("tick_sizes", "none") != "none",
        "position_size": spec.get("position_size") or 1.0,  # null without an account
        "quote": quote_of(document["symbols"][0]["symbol"]),
        "heat": partial(_heat, _largest_month(analysis)),
        "equity_pictures": _safe(equity_pictures(tables["equity"], write("picture"), language, zone)),
        "daily_picture": _histogram(write, "daily_returns", analysis["daily_returns"]),
        "monthly_picture": _histogram(write, "monthly_returns", analysis["monthly_returns"]),
        "trade_picture": _histogram(write, "trade_returns", analysis["trade_returns"]),
        "months": month_rows(data["periods"]),
        "strips": _strips(write, document, analysis),
        "not_traded": NOT_TRADED.write(language),
        "skipped": skipped_text(document, language),
        "warnings": warning_list(document, language),
        "gaps_shown": GAPS_SHOWN,
        "symbols_named": SYMBOLS_NAMED,
        "checks": checks[:shown],
        "checks_left_out": checks[shown:],
        "charts_notice": " ".join((CHARTS_FOLDER / "NOTICE").read_text("utf-8").split()),
        "script_texts": _safe(json.dumps(script_texts(language), ensure_ascii=False)),
        "encoded_data": _safe(encode_data(data)),
        **_inlined()._asdict(),
    }
    return _environment(language).get_template("backtest.html.j2").render(values)


def _safe(markup: str) -> Markup:
    """Mark text as HTML: of our own, of pictures that escape their texts, or without characters of markup."""
    return Markup(markup)  # noqa: S704


@cache
def _environment(language: Language) -> Environment:
    environment = template_environment(language).overlay()
    environment.filters = environment.filters | {"side": _side, "arrow": _arrow, "gain": _gain}
    return environment


def _side(value: float | None) -> str:
    """Return the class of a gain or loss."""
    return "" if not value else "gain" if value > 0 else "loss"


def _arrow(value: float | None) -> str:
    """Return an arrow, so that gains and losses differ by more than their colour."""
    return "" if not value else "\u25b2" if value > 0 else "\u25bc"


def _gain(value: float) -> str:
    """Format a gain or loss with its sign and eight digits, as the scripts do."""
    return f"{Decimal(f'{value:.8g}'):+,f}" if value else "0"


def _cut_after(trades: Trades) -> float | None:
    """Return the time of the last entry if later trades are left out, seconds since 1970."""
    entered = unpack(trades["entry_time"])
    return float(entered[-1]) if len(entered) < trades["total"] else None


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _largest_month(analysis: Analysis) -> float:
    return max((abs(value) for year in analysis["years"] for value in year["months"] if value), default=1.0)


def _heat(largest: float, value: float | None) -> str:
    """Return the class of a month: gain or loss, in levels up to the largest one."""
    return "" if not value else f"{_side(value)}-{max(1, round(_HEAT_LEVELS * abs(value) / largest))}"


def _checks(document: Json, language: Language) -> list[Json]:
    """Return the checks of all symbols; if there are many, those that failed come first."""
    checks = [
        {"symbol": part["symbol"], "sentence": check_sentence(check, language), **check}
        for part in document["symbols"]
        for check in part["checks"]
    ]
    return sorted(checks, key=lambda check: check["passed"]) if len(checks) > _CHECKS_SHOWN else checks


def _histogram(write: Writer, title: str, histogram: Histogram | None) -> Markup | None:
    """Draw a distribution of returns."""
    if histogram is None:
        return None
    change = partial(format_value, Unit.CHANGE, percent="%")

    def describe(low: float, high: float, count: int) -> str:
        return write("bin", low=change(low), high=change(high), count=f"{count:,}")

    return _safe(histogram_picture(histogram, write(title), describe, change))


def _strips(write: Writer, document: Json, analysis: Analysis) -> list[Markup]:
    """Draw the coverage of each symbol's candles."""
    ratios = (format_value(Unit.SHARE, part["candles"]["ratio"], percent="%") for part in document["symbols"])
    return [
        _safe(coverage_strip(own, write("strip", symbol=own["symbol"], ratio=ratio)))
        for own, ratio in zip(analysis["coverage"], ratios, strict=True)
    ]
