"""Route of the drift of forward tests: the newest stored report as JSON."""

from typing import Any

from fastapi import APIRouter, Response

from coin_api.deps import LedgerDep, StoreDep
from coin_api.routes.forward import TestIdDep
from coin_pipeline.forward import store as tests
from coin_pipeline.forward.drift.stored import stored_document

router = APIRouter(tags=["forward tests"])


@router.get("/api/forward-tests/{test_id}/drift", response_model=dict[str, Any])
def drift(test_id: TestIdDep, ledger: LedgerDep, store: StoreDep) -> Response:
    """Return the newest comparison with the backtest, which the job forward_drift stores every night."""
    ledger.run(lambda connection: tests.get_test(connection, test_id))
    return Response(stored_document(store, test_id), media_type="application/json")
