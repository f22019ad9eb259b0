"""The page that compares results: their equity, their figures, and what differs in their inputs."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from fastapi import Query, Request, Response

from coin_api.deps import OrchestratorDep, StoreDep
from coin_api.pages import texts_results as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.results import Json, known_figures, read_document, zone_of
from coin_api.pages.routing import page_router
from coin_api.responses import explain_missing_result
from coin_pipeline.backtest.labels import FIGURES, UNDEFINED
from coin_pipeline.backtest.options import OPTIONS
from coin_pipeline.backtest.spec import complete_stored_spec
from coin_pipeline.candles.timeframe import SECOND_NS, SEOUL, utc, zone_offset_ns
from coin_pipeline.errors import InvalidInput, NotFound, Problem, coded
from coin_pipeline.report.analysis import account_of_equity
from coin_pipeline.report.packing import extreme_rows
from coin_pipeline.report.stored import read_equity
from coin_pipeline.results.index_entry import IndexEntry
from coin_pipeline.storage.base import ObjectStore

LEAST, MOST = 2, 5
"""Results that can be compared at a time."""
_BUCKETS = 1000
"""Each keeps the lowest and the highest equity, so a curve has at most two points per bucket."""
_DIGEST_SHOWN = 12
_PARAM = "params."
_KINDS = ("spec", "candles", "code", "versions")
router = page_router()


class Compared(NamedTuple):
    """A result that is compared: its document, its facts, and whether its equity is stored."""

    document: Json
    entry: IndexEntry
    curve: Json | None


class InputDifference(NamedTuple):
    """What differs in one kind of input.

    Attributes:
        kind: `spec`, `candles`, `code` or `versions`.
        same: Whether all results have the same; None if that of some is unknown.
        rows: Name and values, one per result, of each part that differs.
    """

    kind: str
    same: bool | None
    rows: list[tuple[str, list[str | None]]]


@router.get("/compare")
def compare(
    request: Request,
    orchestrator: OrchestratorDep,
    store: StoreDep,
    run: Annotated[list[str], Query(default_factory=list, max_length=100)],
) -> Response:
    """Compare results."""
    results = [_read(orchestrator, store, run_id) for run_id in _require_few(run)]
    zones = list(dict.fromkeys(zone_of(each.document) for each in results))
    zone = zones[0] if len(zones) == 1 else SEOUL
    figures = [known_figures(each.document) for each in results]
    inputs = [_difference(kind, [each.document for each in results]) for kind in _KINDS]
    return render_page(
        request,
        "compare.html.j2",
        texts=texts,
        results=results,
        figure_names=[name for name in FIGURES if any(name in each for each in figures)],
        figures_of=figures,
        inputs=inputs,
        settings=_differing_settings(results, inputs[0]),
        curves=[each.curve and _in_zone(each.curve, zone) for each in results],
        zones=zones,
        zone=zone,
    )


def _require_few(run_ids: Sequence[str]) -> list[str]:
    """Return the ids without repetitions.

    Raises:
        InvalidInput: There are too few or too many.
    """
    unique = list(dict.fromkeys(run_ids))
    if not LEAST <= len(unique) <= MOST:
        message = coded("results_to_compare", count=len(unique), least=LEAST, most=MOST)
        raise InvalidInput([Problem("run", message)])
    return unique


def _read(orchestrator: OrchestratorDep, store: ObjectStore, run_id: str) -> Compared:
    with explain_missing_result(orchestrator, run_id):
        document, entry = read_document(store, run_id)
        return Compared(document, entry, _curve(store, run_id, document))


def _curve(store: ObjectStore, run_id: str, document: Json) -> Json | None:
    """Return the equity of the account by time, s UTC, thinned; None if none is stored."""
    try:
        equity = read_equity(store, run_id, document)
    except NotFound:
        return None
    if not len(equity) or equity["equity"].null_count:
        return None
    account = account_of_equity(equity)
    kept = extreme_rows(len(account.time), _BUCKETS, [account.equity])
    rows = np.arange(len(account.time)) if kept is None else kept
    return {
        "time": (account.time[rows] // SECOND_NS).tolist(),
        "equity": np.round(account.equity[rows], 6).tolist(),
    }


def _in_zone(curve: Json, zone: str) -> Json:
    """Return a curve with times of the clocks of a zone, which the chart labels as if they were UTC."""
    shift = zone_offset_ns(utc(curve["time"][0] * SECOND_NS), zone) // SECOND_NS
    return {**curve, "time": [time + shift for time in curve["time"]]}


def _difference(kind: str, documents: Sequence[Json]) -> InputDifference:
    inputs = [_input(kind, document) for document in documents]
    if None in inputs:
        return InputDifference(kind, None, [])
    known = [_flatten(each) for each in inputs]
    rows = [(name, [each.get(name) for each in known]) for name in dict.fromkeys(itertools.chain(*known))]
    varying = [(name, values) for name, values in rows if len(set(values)) > 1]
    return InputDifference(
        kind, not varying, [(name, [_short(kind, value) for value in values]) for name, values in varying]
    )


def _differing_settings(results: Sequence[Compared], spec: InputDifference) -> list[str]:
    """Return the parameters and options of each result that differ; all parameters if none do."""
    names = [name for name, _ in spec.rows if name.startswith(_PARAM) or name in OPTIONS]
    if not names:
        return [each.entry.params or UNDEFINED for each in results]
    columns = dict(spec.rows)
    known = [[(name, columns[name][i]) for name in names] for i in range(len(results))]
    return [
        ", ".join(f"{name.removeprefix(_PARAM)}={value}" for name, value in pairs if value is not None)
        for pairs in known
    ]


def _input(kind: str, document: Json) -> Any:  # noqa: ANN401 -- of a JSON document
    """Return an input of a result; None if the document, of an early schema, does not state it."""
    if kind == "spec":
        spec = document.get("spec")
        return spec and complete_stored_spec(spec)
    fingerprint = document.get("fingerprint") or {}
    return fingerprint.get("modules" if kind == "code" else kind)


def _flatten(value: object, path: str = "") -> dict[str, str]:
    """Return the single values of nested objects as texts, by their path.

    >>> _flatten({"fill": "next_open", "stop_loss": None, "params": {"window": 20}})
    {'fill': 'next_open', 'stop_loss': '-', 'params.window': '20'}
    """
    if not isinstance(value, Mapping):
        text = ", ".join(map(str, value)) if isinstance(value, list) else UNDEFINED if value is None else str(value)
        return {path: text}
    parts = [_flatten(inner, f"{path}.{name}".lstrip(".")) for name, inner in value.items()]
    return dict(itertools.chain.from_iterable(part.items() for part in parts))


def _short(kind: str, value: str | None) -> str | None:
    """Shorten a digest."""
    return value[:_DIGEST_SHOWN] if value and kind in {"candles", "code"} else value
