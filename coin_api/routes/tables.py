"""Routes of the tables of a result: its signals, its trades and its equity per bar."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from coin_api.queries import SignalQuery, TableQuery
from coin_api.schemas import EquityPage, SignalPage, TradePage
from coin_api.tables import TableResponsesDep
from coin_pipeline.results.table_formats import FORMATS

router = APIRouter(prefix="/api/backtests", tags=["backtests"])


def _responses(page: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    files = {
        chosen.media_type: {"schema": {"type": "string"} if name == "csv" else {"type": "string", "format": "binary"}}
        for name, chosen in FORMATS.items()
        if name != "json"
    }
    return {
        200: {"model": page, "description": "A page as JSON, or all rows as a file.", "content": files},
        304: {"description": "The cached response is current."},
    }


@router.get("/{run_id}/signals", responses=_responses(SignalPage))
def signals(run_id: str, query: Annotated[SignalQuery, Query()], tables: TableResponsesDep) -> Response:
    """Return the signals that can be filled: a page as JSON, or all of them as CSV, Parquet or Arrow."""
    return tables.open(run_id, "signals", query)


@router.get("/{run_id}/trades", responses=_responses(TradePage))
def trades(run_id: str, query: Annotated[TableQuery, Query()], tables: TableResponsesDep) -> Response:
    """Return the trades of the account: a page as JSON, or all of them as CSV, Parquet or Arrow."""
    return tables.open(run_id, "trades", query)


@router.get("/{run_id}/equity", responses=_responses(EquityPage))
def equity(run_id: str, query: Annotated[TableQuery, Query()], tables: TableResponsesDep) -> Response:
    """Return the equity per bar: a page as JSON, or all of it as CSV, Parquet or Arrow."""
    return tables.open(run_id, "equity", query)
