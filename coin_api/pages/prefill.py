"""What fills the form of a backtest, a sweep or a forward test in: a result, a point of a sweep, a task or a preset."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Query

from coin_api.deps import OrchestratorDep, PresetsDep, StoreDep
from coin_pipeline.backtest.markets import common_quote, default_cash
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import complete_stored_spec
from coin_pipeline.errors import ResultNotFound
from coin_pipeline.results.store import load_result
from coin_pipeline.sweeps.replay import is_sweep
from coin_pipeline.sweeps.request import SweepRequest
from coin_pipeline.sweeps.search_space import Dimension, Point, format_values
from coin_pipeline.sweeps.stored_points import read_point

Json = dict[str, Any]
SEARCH_FIELDS = [name for name in SweepRequest.model_fields if name not in BacktestRequest.model_fields]
"""Fields that only a sweep has."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """What a form starts with.

    Attributes:
        fields: Fields of the request of a backtest.
        search: Fields of a sweep: all of them, or around a point only those that a backtest lacks.
        swept: Values of each swept name in the notation of a search space; empty texts where the page proposes some.
        preset: Name of the preset, None for none.
    """

    fields: Json = field(default_factory=dict)
    search: Json = field(default_factory=dict)
    swept: dict[str, str] = field(default_factory=dict)
    preset: str | None = None

    @property
    def first_day(self) -> Json:
        """The first day of a whole sweep; `fields` have the one of its best point, after the warm-up."""
        return {name: value for name, value in self.search.items() if name == "start_date"}


def read_prefill(
    store: StoreDep,
    presets: PresetsDep,
    orchestrator: OrchestratorDep,
    run: Annotated[str | None, Query(alias="from", max_length=100)] = None,
    point: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    preset: Annotated[str | None, Query(max_length=100)] = None,
) -> Prefill:
    """Return what a form starts with.

    Args:
        store: The results.
        presets: The presets.
        orchestrator: The tasks, of which those without a result have only their request.
        run: ID of a result or a task; None for none.
        point: Number of a point, if the result is that of a sweep; None for its best one.
        preset: Name of a preset; None for none.

    Raises:
        ResultNotFound: There is neither a result nor a task with this ID.
        PresetNotFound: There is no such preset.
        InvalidInput: The sweep evaluated no such point.
    """
    if run is not None:
        try:
            document = load_result(store, run)
        except ResultNotFound:
            return _of_request(orchestrator.request(run))
        if is_sweep(document):
            return _of_sweep(document, None if point is None else read_point(store, document, point))
        return Prefill(request_of(document))
    if preset is not None:
        chosen = presets.get(preset)
        return Prefill({"strategy": chosen.strategy, "params": chosen.params}, preset=preset)
    return Prefill()


PrefillDep = Annotated[Prefill, Depends(read_prefill)]


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
    fields = _backtest_fields({**legacy, **spec})
    if point is None and document.get("top"):
        point = document["top"][0]["values"]
    if point:
        fields["start_date"] = document.get("evaluated_from", fields["start_date"])  # its points need a warm-up
        params = {dimension["name"] for dimension in document["spec"]["space"] if dimension["param"]}
        fields |= {name: value for name, value in point.items() if name not in params}
        fields["params"] = fields["params"] | {name: value for name, value in point.items() if name in params}
    return fields


def _of_sweep(document: Json, point: Point | None) -> Prefill:
    """Return the whole sweep, or a point around which the page proposes values of the parameters."""
    fields, spec = request_of(document, point), document["spec"]
    space = [Dimension.model_validate(dimension) for dimension in spec["space"]]
    kept = [dimension for dimension in space if point is None or not dimension.param]
    swept = dict.fromkeys((dimension.name for dimension in space), "")
    search = spec if point is None else {name: spec[name] for name in SEARCH_FIELDS if name in spec}
    return Prefill(fields, search, swept | {dimension.name: format_values(dimension.values) for dimension in kept})


def _of_request(request: Json) -> Prefill:
    """Return the request of a task."""
    space = request.get("space", {})
    swept = {name: values if isinstance(values, str) else json.dumps(values) for name, values in space.items()}
    return Prefill(_backtest_fields(request), request, swept)


def _backtest_fields(fields: Json) -> Json:
    """Return the fields of a backtest, without an amount of cash that is the default of its market's currency.

    A spec states it, but it was not entered: with another market the default is another one.
    """
    known = {name: value for name, value in fields.items() if name in BacktestRequest.model_fields}
    quote = common_quote(known.get("symbols") or ())
    if quote and known.get("initial_cash") == default_cash(known["symbols"][0]):
        del known["initial_cash"]
    return known
