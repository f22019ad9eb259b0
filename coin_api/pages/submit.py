"""The page that submits a backtest; its form is generated from the request model and the strategies' parameters."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from fastapi import Request, Response

from coin_api.deps import CatalogDep, PresetsDep, StrategiesDep
from coin_api.pages import texts_submit as texts
from coin_api.pages.forms import form_fields
from coin_api.pages.language import language_of
from coin_api.pages.prefill import PrefillDep
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.pages.texts_strategies import strategy_text
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.fields import RequestModel
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.timeframe import TIMEFRAMES, seoul_day
from coin_pipeline.languages import Language
from coin_pipeline.presets import PresetStore
from coin_pipeline.strategies.registry import StrategyRegistry, describe_strategy

Json = dict[str, Any]
DAYS = 365
"""Length of the range that an empty form proposes."""
_OWN_CONTROLS = ("strategy", "params", "symbols", "start_date", "end_date", "timeframe")
router = page_router()


@router.get("/submit")
def submit(
    request: Request,
    strategies: StrategiesDep,
    catalog: CatalogDep,
    presets: PresetsDep,
    prefill: PrefillDep,
) -> Response:
    """Show the form: empty, or as a result, a point of a sweep, a task or a preset fills it in."""
    return render_page(
        request,
        "submit.html.j2",
        title=texts.TITLE,
        action="/api/backtests/run-async",
        chosen_preset=prefill.preset,
        **form_values(strategies.current(), catalog, presets, prefill.fields, language_of(request)),
    )


def form_values(
    registry: StrategyRegistry,
    catalog: CandleCatalog,
    presets: PresetStore,
    filled: Json,
    language: Language,
    leave_out: Sequence[str] = (),
    model: type[RequestModel] = BacktestRequest,
) -> Json:
    """Return what the template of a form shows that submits a backtest, a sweep or a forward test.

    Args:
        registry: The strategies.
        catalog: The stored candles.
        presets: The presets.
        filled: Fields of the request that the form starts with.
        language: Language of the page.
        leave_out: Names of fields without a control.
        model: The request; the fields that all requests have in common have controls of their own.
    """
    names = registry.names()
    stored, _ = catalog.inventory()
    filled = _proposal(stored) | filled
    symbols = {symbol: list(series) for symbol, series in groupby(stored, key=lambda series: series.symbol)}
    return {
        "texts": texts,
        "names": names,
        "strategies": _strategies(registry, filled, language),
        "unknown_strategy": None if filled.get("strategy", names[0]) in names else filled["strategy"],
        "account_fields": [*form_fields(model.model_json_schema(), leave_out=(*_OWN_CONTROLS, *leave_out))],
        "presets": presets.list_all(),
        "symbols": {symbol: [] for symbol in filled.get("symbols", ())} | symbols,
        "timeframes": list(TIMEFRAMES),
        "filled": filled,
    }


def _proposal(stored: Sequence[StoredCandles]) -> Json:
    """Return what an empty form proposes: the newest year of the first market, in its longest timeframe."""
    if not stored:
        return {}
    symbol = stored[0].symbol
    series = max((part for part in stored if part.symbol == symbol), key=lambda part: part.timeframe.ns)
    end = seoul_day(series.last)
    start = max(seoul_day(series.first), end - timedelta(days=DAYS - 1))
    days = {"start_date": start.isoformat(), "end_date": end.isoformat()}
    return {"symbols": [symbol] if len(stored) == 1 else [], "timeframe": series.timeframe.name, **days}


def _strategies(registry: StrategyRegistry, filled: Mapping[str, Any], language: Language) -> list[Json]:
    """Return each strategy with the fields of its parameters, and for the chosen one with their values."""
    chosen = filled.get("strategy")
    names = registry.names()
    return [
        {
            **(details := describe_strategy(registry.get(name))),
            "text": (text := strategy_text(registry.get(name), details["description"], language)),
            "fields": [text.describe(field) for field in form_fields(details["params"], "params.")],
            "chosen": name == chosen if chosen in names else name == names[0],
            "values": filled.get("params", {}) if name == chosen else {},
        }
        for name in names
    ]
