"""Routes of the drift of forward tests: the newest stored report as JSON and as a page."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from coin_api.deps import LedgerDep, StoreDep
from coin_api.routes.forward import TestIdDep
from coin_pipeline.forward import store as tests
from coin_pipeline.forward.drift.stored import stored_document, stored_page

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
router = APIRouter(tags=["forward tests"])


@router.get("/api/forward-tests/{test_id}/drift", response_model=dict[str, Any])
def drift(test_id: TestIdDep, ledger: LedgerDep, store: StoreDep) -> Response:
    """Return the newest comparison with the backtest, which the job forward_drift stores every night."""
    ledger.run(lambda connection: tests.get_test(connection, test_id))
    return Response(stored_document(store, test_id), media_type="application/json")


@router.get("/forward-tests/{test_id}", response_class=HTMLResponse)
def page(test_id: TestIdDep, ledger: LedgerDep, store: StoreDep) -> HTMLResponse:
    """Return the same comparison as a self-contained page."""
    ledger.run(lambda connection: tests.get_test(connection, test_id))
    return HTMLResponse(stored_page(store, test_id), headers={"Content-Security-Policy": _POLICY})
