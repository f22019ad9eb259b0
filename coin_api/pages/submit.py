"""The page that submits a backtest; its form is generated from the request model and the strategies' parameters."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Annotated, Any

from fastapi import Query, Request, Response

from coin_api.deps import CatalogDep, PresetsDep, StoreDep, StrategiesDep
from coin_api.pages import texts_submit as texts
from coin_api.pages.forms import form_fields
from coin_api.pages.language import language_of
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.pages.texts_strategies import strategy_text
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import complete_stored_spec
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.fields import RequestModel
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.timeframe import TIMEFRAMES, seoul_day
from coin_pipeline.languages import Language
from coin_pipeline.presets import PresetStore
from coin_pipeline.results.store import load_result
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry, describe_strategy
from coin_pipeline.sweeps.replay import is_sweep
from coin_pipeline.sweeps.search_space import Point
from coin_pipeline.sweeps.stored_points import read_point

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
    store: StoreDep,
    run: Annotated[str | None, Query(alias="from", max_length=100)] = None,
    point: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    preset: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Show the form: empty, or as a stored result, a point of a sweep or a preset fills it in."""
    filled = filled_fields(store, presets, run, point, preset)
    return render_page(
        request,
        "submit.html.j2",
        title=texts.TITLE,
        action="/api/backtests/run-async",
        chosen_preset=preset,
        **form_values(strategies.current(), catalog, presets, filled, language_of(request)),
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
    stored, _ = catalog.inventory()
    filled = _proposal(stored) | filled
    return {
        "texts": texts,
        "strategies": _strategies(registry, filled, language),
        "account_fields": [*form_fields(model.model_json_schema(), leave_out=(*_OWN_CONTROLS, *leave_out))],
        "presets": presets.list_all(),
        "symbols": {symbol: list(series) for symbol, series in groupby(stored, key=lambda series: series.symbol)},
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


def filled_fields(
    store: ObjectStore, presets: PresetStore, run: str | None, point: int | None, preset: str | None
) -> Json:
    """Return the fields of the request that a form starts with.

    Args:
        store: The results.
        presets: The presets.
        run: ID of a stored result; None for none.
        point: Number of a point, if the result is that of a sweep; None for its best one.
        preset: Name of a preset; None for none.

    Raises:
        ResultNotFound: No such result is stored.
        PresetNotFound: There is no such preset.
        InvalidInput: The sweep evaluated no such point.
    """
    if run is not None:
        document = load_result(store, run)
        if point is None or not is_sweep(document):
            return request_of(document)
        return request_of(document, read_point(store, document, point))
    if preset is not None:
        chosen = presets.get(preset)
        return {"strategy": chosen.strategy, "params": chosen.params}
    return {}


def request_of(document: Json, point: Point | None = None) -> Json:
    """Return the request that a stored result, also of the legacy platform, answers.

    Args:
        document: Document of a backtest or a sweep.
        point: Values of a point of a sweep; None for its best one.
    """
    names = ("strategy", "params", "start_date", "end_date", "timeframe")
    legacy = {name: document[name] for name in names if name in document}
    legacy["symbols"] = [part["symbol"] for part in document["symbols"]]
    spec = complete_stored_spec(document["spec"]) if "spec" in document else {}
    fields = {name: value for name, value in {**legacy, **spec}.items() if name in BacktestRequest.model_fields}
    if point is None and document.get("top"):
        point = document["top"][0]["values"]
    if point:
        fields["start_date"] = document.get("evaluated_from", fields["start_date"])  # its points need a warm-up
        params = {dimension["name"] for dimension in document["spec"]["space"] if dimension["param"]}
        fields |= {name: value for name, value in point.items() if name not in params}
        fields["params"] = fields["params"] | {name: value for name, value in point.items() if name in params}
    return fields


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
