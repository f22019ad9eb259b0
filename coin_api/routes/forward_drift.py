"""Routes of the drift of forward tests: the report as JSON and as a page."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from coin_api.deps import CatalogDep, LedgerDep, StrategiesDep
from coin_api.routes.forward import TestIdDep
from coin_pipeline.forward.drift.build import read_drift
from coin_pipeline.forward.drift.document import drift_json
from coin_pipeline.report.forward_page import render_drift_report

router = APIRouter(tags=["forward tests"])


@router.get("/api/forward-tests/{test_id}/drift")
def drift(test_id: TestIdDep, ledger: LedgerDep, catalog: CatalogDep, strategies: StrategiesDep) -> dict[str, Any]:
    """Compare a forward test with the backtest of the candles that it has decided, computed now."""
    return drift_json(read_drift(ledger, test_id, catalog, strategies.current()))


@router.get("/forward-tests/{test_id}", response_class=HTMLResponse)
def page(test_id: TestIdDep, ledger: LedgerDep, catalog: CatalogDep, strategies: StrategiesDep) -> HTMLResponse:
    """Return the comparison as a self-contained page."""
    document = drift_json(read_drift(ledger, test_id, catalog, strategies.current()))
    return HTMLResponse(render_drift_report(document))
