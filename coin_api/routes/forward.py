"""Routes of forward tests: start, list, read and stop them."""

import uuid
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response, status

from coin_api.deps import CatalogDep, IdempotencyKey, LedgerDep, StrategiesDep
from coin_api.routing import StrategyRoute
from coin_pipeline.forward import documents
from coin_pipeline.forward.advance import Advancer
from coin_pipeline.forward.documents import DecisionQuery, ForwardSummary, ForwardTestDocument, ForwardTestList
from coin_pipeline.forward.spec import ForwardRequest
from coin_pipeline.forward.start import start
from coin_pipeline.forward.store import parse_test_id

router = APIRouter(prefix="/api/forward-tests", tags=["forward tests"], route_class=StrategyRoute)


async def _test_id(test_id: Annotated[str, Path(description="UUID of the forward test.")]) -> uuid.UUID:
    return parse_test_id(test_id)


TestIdDep = Annotated[uuid.UUID, Depends(_test_id)]


@router.post("", status_code=status.HTTP_201_CREATED)
def start_forward_test(
    request: ForwardRequest,
    ledger: LedgerDep,
    catalog: CatalogDep,
    strategies: StrategiesDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ForwardSummary:
    """Start a forward test: from the next candle on, the strategy is evaluated after each close and trades on paper.

    A strategy that fails on the candles is reported by the test, as `failure` of the account. A repeated
    request, with the same `Idempotency-Key`, returns the existing test.
    """
    test = start(ledger, catalog, strategies.current(), request, key=idempotency_key)
    response.headers["Location"] = f"{router.prefix}/{test.test_id}"
    return ledger.run(partial(ForwardSummary.of, test=test))


@router.get("")
def list_forward_tests(ledger: LedgerDep) -> ForwardTestList:
    """List all forward tests, the newest first."""
    return ledger.run(documents.list_documents)


@router.get("/{test_id}")
def forward_test(
    test_id: TestIdDep, query: Annotated[DecisionQuery, Query()], ledger: LedgerDep
) -> ForwardTestDocument:
    """Return a forward test: its accounts, and its decisions, newest first."""
    return ledger.run(partial(documents.describe, test_id=test_id, query=query))


@router.post("/{test_id}/stop")
def stop_forward_test(
    test_id: TestIdDep,
    ledger: LedgerDep,
    catalog: CatalogDep,
    strategies: StrategiesDep,
    *,
    close: Annotated[bool, Query(description="Sell open positions at the close of the last decided candle.")] = False,
) -> ForwardSummary:
    """Stop a forward test permanently; its decisions and its entries in the ledger stay."""
    test = Advancer(ledger, catalog, strategies).stop(test_id, close=close)
    return ledger.run(partial(ForwardSummary.of, test=test))
