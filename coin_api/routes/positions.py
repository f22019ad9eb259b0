"""Routes of the paper ledger: enter and leave positions, list, value and sum them up."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from coin_api.deps import IdempotencyKey, LedgerDep, MarksDep, PositionIdDep
from coin_api.routing import ExactJsonRoute
from coin_pipeline.ledger import orders, queries
from coin_pipeline.ledger.documents import HistoryPage
from coin_pipeline.ledger.order_documents import EnterDocument, ExitDocument, PositionJournal
from coin_pipeline.ledger.requests import EnterRequest, ExitRequest, HistoryQuery, OpenQuery, SummaryQuery
from coin_pipeline.ledger.summary_documents import OpenPositions, Summary

router = APIRouter(prefix="/api/positions", tags=["positions"], route_class=ExactJsonRoute)
REPLAYED = "Idempotent-Replayed"
_BOOKED: dict[str, Any] = {
    "description": "Booked, now or by an earlier order with the same key.",
    "headers": {
        REPLAYED: {
            "description": "`true` if an earlier order with the same key was booked, and nothing again.",
            "schema": {"type": "string", "enum": ["true"]},
        }
    },
}
_LINKS = {
    name: {"operationId": f"positions_{name}", "parameters": {"position_id": "$response.body#/position_id"}}
    for name in ("exit", "position")
}


@router.post("/enter", responses={200: {**_BOOKED, "links": _LINKS}})
def enter(
    request: EnterRequest,
    ledger: LedgerDep,
    marks: MarksDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> EnterDocument:
    """Open a position, or add to the open one of the market; on the opposite side, reduce that.

    Without `entry_price` the price is the close of the newest stored candle. A `SELL` without a position is 409 unless
    COIN_ALLOW_SHORT is on.
    """
    answer = orders.enter(ledger, marks, request, idempotency_key)
    _mark_replayed(response, answer.replayed)
    return answer.document


@router.post("/{position_id}/exit", name="exit", responses={200: _BOOKED})
def leave(
    position_id: PositionIdDep,
    request: ExitRequest,
    ledger: LedgerDep,
    marks: MarksDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ExitDocument:
    """Leave a position, in part or completely.

    Without `exit_price` the price is the close of the newest stored candle.
    """
    answer = orders.leave(ledger, marks, position_id, request, idempotency_key)
    _mark_replayed(response, answer.replayed)
    return answer.document


@router.get("/open")
def open_positions(query: Annotated[OpenQuery, Query()], ledger: LedgerDep, marks: MarksDep) -> OpenPositions:
    """List open positions with their result at current prices.

    A price is that of the call, else the newest stored close, else that of the entries; `mark_source` states which.
    """
    return queries.list_open(ledger, marks, query)


@router.get("/summary")
def summary(query: Annotated[SummaryQuery, Query()], ledger: LedgerDep, marks: MarksDep) -> Summary:
    """Sum up positions by market and by quote currency; open ones are valued as in the list of open positions."""
    return queries.summarize(ledger, marks, query)


@router.get("/history")
def history(query: Annotated[HistoryQuery, Query()], ledger: LedgerDep) -> HistoryPage:
    """List closed positions, newest first, or open ones, or all."""
    return queries.read_history(ledger, query)


@router.get("/{position_id}")
def position(position_id: PositionIdDep, ledger: LedgerDep) -> PositionJournal:
    """Return a position with its journal."""
    return queries.describe(ledger, position_id)


def _mark_replayed(response: Response, replayed: bool) -> None:  # noqa: FBT001 -- the only fact
    if replayed:
        response.headers[REPLAYED] = "true"
