"""Options of a backtest: fills, costs, stops and account, which have defaults and are the same for any strategy."""

from collections.abc import Mapping
from typing import Any

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.markets import default_cash
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import complete_stored_spec, default_position_size
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.engine.execution import Fill

_SUBJECT = {"strategy", "params", "symbols", "start_date", "end_date", "timeframe"}
_ACCOUNT = {"position_size", "max_positions", "initial_cash", "min_order"}
OPTIONS = tuple(
    name for name, field in BacktestRequest.model_fields.items() if name not in _SUBJECT and not field.exclude
)
"""Their names, in the order of the request."""


def spec_of(document: Json) -> Json:
    """Return the spec of a document, or what one that was stored without states of it elsewhere.

    It is empty for a document of the legacy platform, which has no options.
    """
    if document.get("spec"):
        return dict(document["spec"])
    if "fill" not in document:
        return {}
    costs, account = document["costs"], document.get("account") or {}
    return {
        "symbols": [part["symbol"] for part in document["symbols"]],
        "fill": document["fill"],
        **{name: costs[name] for name in ("fee_rate", "slippage_rate")},
        **document.get("stops", {}),
        **{name: account[name] for name in OPTIONS if name in account},
        "timezone": document.get("timezone", SEOUL),
    }


def stored_options(spec: Mapping[str, Any]) -> Json:
    """Return the options of a stored spec by their names, as far as it has them; none of an empty spec.

    Those of the account are left out of an event study, which has none.

    Args:
        spec: Spec of a backtest or a sweep; empty for a document of the legacy platform, which has none.
    """
    complete = complete_stored_spec(spec) if spec else {}
    without = _ACCOUNT if complete.get("fill") == Fill.SIGNAL_CLOSE else set()
    return {name: complete[name] for name in OPTIONS if name in complete and name not in without}


def changed_options(spec: Mapping[str, Any]) -> Json:
    """Return the options of a stored spec that differ from their defaults.

    >>> changed_options({"symbols": ["BTC_KRW"], "fill": "next_open", "fee_rate": 0.002, "warm_up": "auto",
    ...                  "position_size": 0.5, "max_positions": 2, "initial_cash": 10_000_000.0})
    {'fee_rate': 0.002, 'max_positions': 2}
    """
    return {name: value for name, value in stored_options(spec).items() if value not in _defaults(name, spec)}


def _defaults(name: str, spec: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the default of an option, and what the spec of a backtest has in its place."""
    default = BacktestRequest.model_fields[name].default
    if name == "position_size" and spec.get("fill") == Fill.NEXT_OPEN:
        return default, default_position_size(spec.get("max_positions"))
    if name == "initial_cash":
        return default, default_cash(spec["symbols"][0])
    return (default,)
