"""The page of a stored backtest: its figures and equity, and the way to everything else about it."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from coin_api.deps import OrchestratorDep, StoreDep
from coin_api.pages import texts_results as texts
from coin_api.pages.language import language_of
from coin_api.pages.rendering import render_page
from coin_api.pages.result_errors import result_error_page
from coin_api.pages.routing import page_router
from coin_api.pages.tasks import dagster_url
from coin_api.responses import explain_missing_result
from coin_pipeline.backtest.labels import FIGURES
from coin_pipeline.backtest.option_labels import option_texts
from coin_pipeline.backtest.options import spec_of
from coin_pipeline.backtest.skipped_signals import NOT_TRADED, skipped_text
from coin_pipeline.candles.timeframe import SEOUL
from coin_pipeline.errors import CoinError, NotFound
from coin_pipeline.languages import Language
from coin_pipeline.report.figures import equity_pictures
from coin_pipeline.report.stored import read_equity
from coin_pipeline.report.warning_list import warning_list
from coin_pipeline.results.index_entry import IndexEntry, build_entry
from coin_pipeline.results.store import load_result, require_structure, stored_document
from coin_pipeline.storage.base import ObjectStore

Json = dict[str, Any]
HEADLINE = ("total_return", "buy_and_hold", "max_drawdown", "sharpe")
"""Figures that a page shows first, in large digits."""
router = page_router()


@router.get("/results/{run_id}")
def result(request: Request, run_id: str, orchestrator: OrchestratorDep, store: StoreDep) -> Response:
    """Show a backtest, or in its place why it has no result; other tasks have pages of their own."""
    try:
        with explain_missing_result(orchestrator, run_id), require_structure(run_id):
            document, entry = read_document(store, run_id)
            warnings = warning_list(document, language_of(request))
            pictures = _equity_pictures(store, run_id, document, language_of(request))
    except CoinError as error:
        return result_error_page(request, run_id, error, {"backtest"})
    if entry.kind == "sweep":
        return RedirectResponse(f"/app/sweeps/{run_id}")
    return render_page(
        request,
        "result.html.j2",
        texts=texts,
        entry=entry,
        document=document,
        run_url=dagster_url(orchestrator, run_id),
        metrics=known_figures(document),
        options=option_texts(spec_of(document), language_of(request)),
        zone=zone_of(document),
        pictures=pictures,
        not_traded=NOT_TRADED,
        skipped=skipped_text(document, language_of(request)),
        warnings=warnings,
    )


def read_document(store: ObjectStore, run_id: str) -> tuple[Json, IndexEntry]:
    """Return a document of any schema, and its facts as lists have them.

    Raises:
        InvalidRunId: `run_id` cannot be the ID of a run.
        ResultNotFound: No complete result is stored under it.
        ObjectCorrupt: The document does not match its digest.
    """
    document = load_result(store, run_id)
    return document, build_entry(document, stored_document(store, run_id))


def zone_of(document: Json) -> str:
    """Return the time zone in which a result is shown: that of its range, as in its report."""
    zone: str = document.get("timezone") or SEOUL
    return zone


def known_figures(document: Json) -> dict[str, float | None]:
    """Return the figures of a result that have a label, the headline first; legacy documents have none."""
    metrics = document.get("metrics")
    if not isinstance(metrics, dict):
        return {}
    names = dict.fromkeys((*HEADLINE, *FIGURES))
    return {name: metrics[name] for name in names if name in metrics and name != "avg_return"}


def _equity_pictures(store: ObjectStore, run_id: str, document: Json, language: Language) -> Markup | None:
    """Return the picture of the equity; None if the result has none, or as in legacy results only part of it."""
    try:
        equity = read_equity(store, run_id, document)
    except NotFound:  # a sweep, or a legacy result without curves
        return None
    if not len(equity) or any(column.null_count for column in equity.columns):
        return None
    title = texts.EQUITY.write(language)
    return Markup(equity_pictures(equity, title, language, zone_of(document)))  # noqa: S704 -- the figure escapes its texts
