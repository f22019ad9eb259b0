"""The page that submits a sweep: the form of a backtest, in which fields can be swept, and how to search them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, get_args

from fastapi import Request, Response

from coin_api.deps import CatalogDep, PresetsDep, StrategiesDep
from coin_api.pages import texts_sweep_form as texts
from coin_api.pages.forms import FormField, form_fields
from coin_api.pages.language import language_of
from coin_api.pages.prefill import SEARCH_FIELDS, PrefillDep
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.pages.submit import form_values
from coin_api.pages.texts_sweeps import SEARCHES
from coin_pipeline.backtest.labels import FIGURES
from coin_pipeline.sweeps.request import Objective, SweepRequest
from coin_pipeline.sweeps.resolve import STOPS

_AXES = 2
"""Numeric parameters that a form proposes to sweep: a heat map has two axes."""
_STOP_VALUES = "none,0.02,0.05,0.1"
"""Proposed values of a stop, which has none by itself."""
_OWN_CONTROLS = ("space", "confirm")
router = page_router()


class Sweepable(NamedTuple):
    """How a field can be swept.

    Attributes:
        chosen: Whether it is swept unless the user chooses otherwise.
        values: Its values in the notation of a search space; empty where the page proposes some around its fixed value.
        proposal: Values that the page proposes for a field without a value.
    """

    chosen: bool
    values: str
    proposal: str


@router.get("/sweeps/new")
def sweep_form(
    request: Request,
    strategies: StrategiesDep,
    catalog: CatalogDep,
    presets: PresetsDep,
    prefill: PrefillDep,
) -> Response:
    """Show the form: empty, filled in as a sweep, or with values around those of a result, point or preset."""
    filled = prefill.fields | prefill.first_day
    values = form_values(
        strategies.current(), catalog, presets, filled, language_of(request), leave_out=("max_positions",)
    )
    for strategy in values["strategies"]:
        swept = prefill.swept if strategy["name"] == filled.get("strategy") else {}
        strategy["sweepable"] = dict(_sweepable(strategy["fields"], swept or _first_numeric(strategy["fields"])))
    return render_page(
        request,
        "sweep_form.html.j2",
        title=texts.TITLE,
        action="/api/sweeps",
        chosen_preset=prefill.preset,
        sweep_texts=texts,
        search_fields=_search_fields(),
        search=prefill.search,
        labels={"search": SEARCHES, "objective": {name: FIGURES[name].text for name in get_args(Objective)}},
        stops=dict(_sweepable([field for field in values["account_fields"] if field.name in STOPS], prefill.swept)),
        **values,
    )


def _search_fields() -> list[FormField]:
    """Return the fields of a sweep that a backtest lacks and that need no controls of their own."""
    fields = form_fields(SweepRequest.model_json_schema(), leave_out=_OWN_CONTROLS)
    return [field for field in fields if field.name in SEARCH_FIELDS]


def _first_numeric(fields: list[FormField]) -> dict[str, str]:
    numeric = [field.name for field in fields if field.kind in {"integer", "number"}]
    return dict.fromkeys(numeric[:_AXES], "")


def _sweepable(fields: list[FormField], swept: Mapping[str, str]) -> Iterator[tuple[str, Sweepable]]:
    """Yield the fields that take a single value each, by name."""
    for field in fields:
        if field.kind != "json":
            proposal = _STOP_VALUES if field.name in STOPS else ""
            yield field.name, Sweepable(field.name in swept, swept.get(field.name, ""), proposal)
