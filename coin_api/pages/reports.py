"""Routes of reports, which are built when they are asked for."""

import json
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from coin_api.deps import CatalogDep, LedgerDep, OrchestratorDep, StoreDep, StrategiesDep
from coin_api.pages.language import LanguageQuery, language_of
from coin_api.pages.rendering import as_page
from coin_api.pages.result_errors import result_error_page
from coin_api.pages.routing import CanonicalRoute
from coin_api.responses import explain_missing_result
from coin_api.routes.forward import TestIdDep
from coin_pipeline.errors import CoinError
from coin_pipeline.forward.drift.stored import stored_document
from coin_pipeline.forward.store import get_test
from coin_pipeline.report.forward_page import render_drift_report
from coin_pipeline.report.stored import STYLES_ONLY, Report, read_report

router = APIRouter(tags=["reports"], route_class=CanonicalRoute)
_BUILDERS = CapacityLimiter(2)
"""Limits the reports that are built at a time, for their memory; those that wait occupy no thread of other requests."""


@router.get("/reports/{run_id}", response_class=HTMLResponse)
async def report(
    request: Request,
    run_id: str,
    orchestrator: OrchestratorDep,
    store: StoreDep,
    catalog: CatalogDep,
    strategies: StrategiesDep,
    lang: LanguageQuery = None,
    symbol: Annotated[
        str | None,
        Query(description="The only symbol whose price and trades are shown, BTC_KRW or KRW-BTC.", max_length=80),
    ] = None,
) -> Response:
    """Return the report of a result: one HTML page that loads nothing.

    That of many symbols has price charts of some, and names the others; each of these has one in its own report, with
    `symbol`. Figures are always those of the whole result. Errors are problem details if `Accept` prefers
    JSON, else pages.
    """
    language = lang or language_of(request)

    def build() -> Report:
        with explain_missing_result(orchestrator, run_id):
            return read_report(store, catalog, run_id, language, strategies.current, symbol=symbol)

    try:
        page = await to_thread.run_sync(build, limiter=_BUILDERS)
    except CoinError as error:
        return result_error_page(request, run_id, error)
    return as_page(request, HTMLResponse(page.html), language, page.policy)


@router.get("/forward-tests/{test_id}", response_class=HTMLResponse)
def drift_report(
    request: Request, test_id: TestIdDep, ledger: LedgerDep, store: StoreDep, lang: LanguageQuery = None
) -> Response:
    """Return the newest comparison of a forward test with its backtest: one HTML page that loads nothing."""
    language = lang or language_of(request)
    ledger.run(lambda connection: get_test(connection, test_id))
    html = render_drift_report(json.loads(stored_document(store, test_id)), language)
    return as_page(request, HTMLResponse(html), language, STYLES_ONLY)
