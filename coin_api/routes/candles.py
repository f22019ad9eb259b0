"""What candles are stored, their figures, files of them, and collecting more."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from coin_api.candles import ARROW, arrow_stream, file_suffix, merge_file, save_body, upload_folder
from coin_api.deps import AppState, Deps
from coin_api.events import EVENTS, LastEventId, stream_events
from coin_api.responses import SubmittedAs, accepted, set_polling_headers, status_response, task_fields
from coin_api.schemas import (
    Accepted,
    CandleInventory,
    CandlePage,
    CandleQuery,
    CandleSeries,
    RefreshAccepted,
    RefreshStatus,
    UploadReport,
)
from coin_api.tasks import Job, Task
from coin_pipeline.candles.audit.scan import audit_json, audit_series
from coin_pipeline.candles.candle_range import CandleRange, stored_range
from coin_pipeline.candles.catalog import CandleCatalog, StoredCandles
from coin_pipeline.candles.exchanges.registry import open_exchange
from coin_pipeline.candles.fields import TimeframeName
from coin_pipeline.candles.intervals import clip, total
from coin_pipeline.candles.refresh_spec import RefreshRequest, resolve_refresh
from coin_pipeline.candles.symbol import parse_symbol
from coin_pipeline.candles.timeframe import Timeframe, parse_timeframe, utc

router = APIRouter(prefix="/api/candles", tags=["candles"])
REFRESH: Job = "refresh_candles"


@router.get("")
def inventory(parts: Deps) -> CandleInventory:
    """List what is stored: each market in each timeframe, and what is wrong with series that cannot be read."""
    found, broken = parts.candles.inventory()
    return CandleInventory(count=len(found), series=[_told(each) for each in found], broken=[str(e) for e in broken])


@router.post("/refresh", status_code=status.HTTP_202_ACCEPTED)
def refresh(request: RefreshRequest, parts: Deps, response: Response, submitted_as: SubmittedAs) -> RefreshAccepted:
    """Accept to collect candles: it is stored before this answers, and runs when its turn comes.

    A repeated submission, one with the same `Idempotency-Key` or `task_id`, finds its task.
    """
    parts.runs.require_async()
    spec = resolve_refresh(request, parts.settings)
    with closing(open_exchange(spec.exchange, parts.settings)):  # one that is none is told now
        task = parts.runs.submit_refresh(spec, submitted_as.idempotency_key, task_id=submitted_as.task_id)
    place = f"/api/candles/refresh/{task.task_id}"
    set_polling_headers(response, place)
    return RefreshAccepted(**dict(accepted(task)), series=len(spec.series), status_url=place)


@router.get("/refresh/{task_id}", response_model=RefreshStatus)
async def refresh_status(task_id: str, parts: Deps) -> Response:
    """Tell how far a refresh is, series by series, and why markets have failed."""
    return await status_response(_status(parts, await parts.statuses.task(task_id, REFRESH)), lambda: b"null")


@router.get("/refresh/{task_id}/events", responses=EVENTS)
async def refresh_events(task_id: str, parts: Deps, last_event_id: LastEventId = None) -> Response:
    """Stream an event whenever a refresh moves, until it has ended."""
    return await stream_events(parts, task_id, REFRESH, last_event_id, lambda task: _status(parts, task))


@router.post("/refresh/{task_id}/cancel")
def cancel(task_id: str, parts: Deps) -> Accepted:
    """End a refresh, queued or under way; candles that are stored stay."""
    return accepted(parts.runs.cancel(task_id, REFRESH))


@router.get("/{symbol}", response_model=CandlePage, responses={200: {"content": {ARROW: {}}}})
def candles(
    symbol: str,
    wanted: Annotated[CandleQuery, Query()],
    parts: Deps,
    accept: Annotated[str, Header(description=f"{ARROW} for all of the range as one stream.")] = "",
) -> Response:
    """Return candles of one market, oldest first: a page as JSON, or the whole range as a stream of Arrow."""
    found = stored_range(parts.candles, symbol, parse_timeframe(wanted.timeframe), wanted.start, wanted.end)
    if ARROW in accept:
        return StreamingResponse(arrow_stream(found), media_type=ARROW)
    return Response(_page(found, wanted).model_dump_json(), media_type="application/json")


@router.post("/{symbol}/upload")
async def upload(
    symbol: str,
    timeframe: Annotated[TimeframeName, Query()],
    request: Request,
    parts: Deps,
    tz: Annotated[str | None, Query(description="Zone of times that name none: UTC, Asia/Seoul ...")] = None,
    content_type: Annotated[str | None, Header(description="text/csv, application/vnd.apache.parquet ...")] = None,
    content_length: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> UploadReport:
    """Store the candles of a file, beside those that are there; if a row is wrong, none of them."""
    market, length, suffix = parse_symbol(symbol), parse_timeframe(timeframe), file_suffix(content_type)
    with upload_folder() as folder:
        path = folder / f"candles{suffix}"
        await save_body(request.stream(), path, content_length, parts.settings.coin_max_upload_mib)
        return await run_in_threadpool(_merged, parts.candles, market, length, path, tz)


def _merged(catalog: CandleCatalog, symbol: str, timeframe: Timeframe, path: Path, tz: str | None) -> UploadReport:
    report = merge_file(catalog, symbol, timeframe, path, tz)
    return UploadReport(
        symbol=symbol,
        timeframe=timeframe.name,
        added=report.added,
        replaced=report.replaced,
        unchanged=report.unchanged,
        first=report.first,
        last=report.last,
        quality=audit_json(audit_series(catalog, symbol, timeframe)),
    )


def _told(stored: StoredCandles) -> CandleSeries:
    begin, end = (int(instant.timestamp()) * 10**9 for instant in (stored.first, stored.last))
    span = (begin, end + stored.timeframe.ns)
    fetched = stored.provenance.fetched
    return CandleSeries(
        symbol=stored.symbol,
        timeframe=stored.timeframe.name,
        first=stored.first,
        last=stored.last,
        rows=stored.rows,
        bytes=stored.bytes,
        source=stored.provenance.source,
        fetched_until=utc(fetched[-1][1]) if fetched else None,
        present=stored.present_ratio,
        fetched=total(clip(fetched, span)) / (span[1] - span[0]),
    )


def _page(found: CandleRange, wanted: CandleQuery) -> CandlePage:
    columns, following = found.page(wanted.at, wanted.limit)
    rows: list[dict[str, Any]] = [
        {"timestamp": utc(time), "open": o, "high": h, "low": low, "close": c, "volume": v}
        for time, o, h, low, c, v in zip(*(column.tolist() for column in columns), strict=True)
    ]
    cursor = None if following is None else str(following)
    return CandlePage(symbol=found.symbol, timeframe=found.timeframe.name, candles=rows, next_cursor=cursor)


def _status(parts: AppState, task: Task) -> RefreshStatus:
    return RefreshStatus(**task_fields(parts, task), series=list(task.series))
