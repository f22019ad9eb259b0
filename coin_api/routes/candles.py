"""Routes to list, read, upload and refresh candles."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from coin_api.candles import (
    ARROW,
    UPLOAD_SUFFIXES,
    arrow_stream,
    as_query,
    file_suffix,
    hide_name,
    save_body,
    upload_file,
)
from coin_api.deps import CatalogDep, OrchestratorDep, SettingsDep, StatusesDep, SubmissionIdDep, UploadsDep
from coin_api.events import EVENT_RESPONSES, EventStreamsDep
from coin_api.openapi import BINARY, accepted_response
from coin_api.page_messages import page_language
from coin_api.polling_headers import set_polling_headers
from coin_api.queries import CandleQuery, InventoryQuery, UploadQuery
from coin_api.responses import accepted, status_response, task_fields
from coin_api.routing import StrictJsonRoute
from coin_api.schemas import (
    Accepted,
    CandleInventory,
    CandlePage,
    CandleSeries,
    RefreshAccepted,
    RefreshStatus,
    UploadedColumn,
    UploadReport,
)
from coin_api.tasks import Job, Task
from coin_api.threads import in_submission_threads, without_database
from coin_pipeline.candles.audit.report import audit_json
from coin_pipeline.candles.audit.scan import audit_series
from coin_pipeline.candles.candle_range import CandleRange, stored_range
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.exchanges.registry import open_exchange
from coin_pipeline.candles.imports.batch import ImportedSeries
from coin_pipeline.candles.imports.mapping import parse_columns
from coin_pipeline.candles.imports.prepare import ImportOptions, PreparedFile
from coin_pipeline.candles.imports.series import plan_series, store_series
from coin_pipeline.candles.intervals import clip, total
from coin_pipeline.candles.ohlcv import columns_digest
from coin_pipeline.candles.refresh_spec import RefreshRequest, resolve_refresh
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.symbol import likely_symbol, parse_symbol
from coin_pipeline.candles.timeframe import TIMEFRAMES, parse_timeframe, utc
from coin_pipeline.candles.year_files.places import retry_if_changed
from coin_pipeline.defs.run_requests import refresh_submission
from coin_pipeline.errors import InvalidInput, InvalidSymbol, Problem, coded, page_sentence
from coin_pipeline.languages import Language

router = APIRouter(prefix="/api/candles", tags=["candles"], route_class=StrictJsonRoute)
REFRESH: Job = "refresh_candles"
UPLOAD = "/upload"
"""End of the path whose handler reads and limits the body itself."""
_CANDLES: dict[int | str, dict[str, Any]] = {
    200: {"content": {ARROW: BINARY}, "description": "A page as JSON, or the whole range as a stream."}
}
_FILE_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(UPLOAD_SUFFIXES, BINARY)}}


@router.get("")
@without_database
def inventory(catalog: CatalogDep, query: Annotated[InventoryQuery, Query()]) -> CandleInventory:
    """List the stored series, and the errors of series that cannot be read."""
    stored, errors = catalog.inventory(parse_timeframe(query.timeframe) if query.timeframe else None)
    series = [_to_series(candles) for candles in stored]
    return CandleInventory(count=len(series), series=series, broken=[str(error) for error in errors])


@router.post(
    "/refresh",
    status_code=status.HTTP_202_ACCEPTED,
    responses=accepted_response("candles", "refresh_status", refresh_events="task_id"),
)
@in_submission_threads
def refresh(
    request: RefreshRequest,
    settings: SettingsDep,
    orchestrator: OrchestratorDep,
    response: Response,
    submission_id: SubmissionIdDep,
) -> RefreshAccepted:
    """Store a candle refresh durably and queue it.

    A repeated submission, with the same `Idempotency-Key` or `task_id`, returns the existing task.
    """
    orchestrator.require_async()
    spec = resolve_refresh(request, settings)
    with closing(open_exchange(spec.exchange, settings)):  # rejects an unknown exchange before anything is stored
        task = orchestrator.submit(refresh_submission(spec), submission_id)
    status_url = f"/api/candles/refresh/{task.task_id}"
    set_polling_headers(response, status_url)
    return RefreshAccepted(**dict(accepted(task)), series=len(spec.series), status_url=status_url)


@router.get("/refresh/{task_id}", response_model=RefreshStatus)
async def refresh_status(task_id: str, statuses: StatusesDep) -> Response:
    """Return the progress of a refresh per series, and why markets have failed."""
    status = _status(await statuses.task(task_id, REFRESH))
    return await status_response(status, lambda: b"null")


@router.get("/refresh/{task_id}/events", response_class=Response, responses=EVENT_RESPONSES)
async def refresh_events(task_id: str, events: EventStreamsDep) -> Response:
    """Stream an event for every change of a refresh until it ends."""
    return await events.open(task_id, REFRESH, _status)


@router.post("/refresh/{task_id}/cancel")
def cancel(task_id: str, orchestrator: OrchestratorDep) -> Accepted:
    """Cancel a queued or running refresh; candles that are already stored remain."""
    return accepted(orchestrator.cancel(task_id, REFRESH))


@router.get(
    "/{symbol}",
    response_model=CandlePage,
    responses={200: {"content": {ARROW: BINARY}, "description": "A page, or the whole range."}},
)
@without_database
def candles(
    symbol: str,
    query: Annotated[CandleQuery, Query()],
    catalog: CatalogDep,
    accept: Annotated[str, Header(description=f"{ARROW} returns the whole range as one stream.")] = "",
) -> Response:
    """Return candles of one market, oldest first: a page as JSON, or the whole range as an Arrow stream."""
    stored = stored_range(catalog, symbol, parse_timeframe(query.timeframe), query.start, query.end)
    if ARROW in accept:
        return StreamingResponse(arrow_stream(stored), media_type=ARROW)
    return Response(_to_page(stored, query).model_dump_json(), media_type="application/json")


@router.get("/{base}/{quote}", include_in_schema=False)
@router.post("/{base}/{quote}" + UPLOAD, include_in_schema=False)
def market_with_a_slash(base: str, quote: str) -> None:
    """Report the right form of a market with a slash, which would otherwise be an unknown path."""
    if f"/{quote}" == UPLOAD:
        raise HTTPException(status.HTTP_405_METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    if quote.lower() in TIMEFRAMES:
        raise InvalidInput([_timeframe_in_path(base, quote)])
    parse_symbol(f"{base}/{quote}")


@router.get("/{base}/{quote}/{timeframe}", include_in_schema=False)
def series_with_a_slash(base: str, quote: str, timeframe: str) -> None:
    """Report the right address of candles whose market has a slash and whose timeframe is in the path."""
    if (base, timeframe) == ("refresh", "cancel"):  # the address of a cancellation has the same form
        raise HTTPException(status.HTTP_405_METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
    market = f"{base}/{quote}"
    try:
        parse_symbol(market)
    except InvalidSymbol as error:
        if timeframe.lower() in TIMEFRAMES:
            error.add([_timeframe_in_path(likely_symbol(market) or "BTC_KRW", timeframe)])
        raise


def _timeframe_in_path(symbol: str, timeframe: str) -> Problem:
    address = f"/api/candles/{symbol[:80]}?timeframe={timeframe}"
    return Problem("timeframe", coded("timeframe_in_path", address=address))


@router.post("/{symbol}" + UPLOAD, openapi_extra=_FILE_BODY)
async def upload(
    symbol: str,
    query: Annotated[UploadQuery, Query()],
    request: Request,
    settings: SettingsDep,
    catalog: CatalogDep,
    uploads: UploadsDep,
    content_type: Annotated[str | None, Header(description="text/csv, application/vnd.apache.parquet ...")] = None,
    content_length: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> UploadReport:
    """Merge the candles of a file into the stored ones; if a row is invalid, nothing is stored."""
    name = Path(f"upload{file_suffix(content_type)}")
    options = ImportOptions(
        symbol=parse_symbol(symbol),
        timeframe=parse_timeframe(query.timeframe),
        tz=query.tz,
        columns=parse_columns(query.columns) if query.columns else None,
        stamps=query.stamps,
    )
    with uploads.place(), upload_file(settings.data_root) as file, hide_name(name):
        await save_body(request.stream(), file, content_length, settings.coin_max_upload_mib)
        prepared = await uploads.read(name, file, options, request)
        return await run_in_threadpool(_merge, catalog, prepared, query, page_language(request))


def _store(catalog: CandleCatalog, file: PreparedFile, query: UploadQuery) -> ImportedSeries:
    """Store the candles of a file, unless it is a dry run or stored candles that may not be would be overwritten."""
    planned = plan_series(catalog, [file])
    overwritten = planned.changes.overwritten
    is_allowed = query.replace if query.overwrite is None else query.overwrite == columns_digest(overwritten)
    if query.dry_run or (len(overwritten.time) and not is_allowed):
        return ImportedSeries(planned, None)
    return ImportedSeries(planned, store_series(catalog, planned))


def _merge(catalog: CandleCatalog, file: PreparedFile, query: UploadQuery, language: Language | None) -> UploadReport:
    # If candles are stored between the plan and the merge, what may be overwritten is decided again.
    imported = retry_if_changed(lambda: _store(catalog, file, query))
    planned, stored = imported.planned, imported.stored
    changes = stored or planned.changes
    overwritten = planned.changes.overwritten
    times = overwritten.time
    compared = (planned.price_note, planned.shifted.message if planned.shifted else None)
    notes = [*file.notes, *(note for note in compared if note)]

    def write(message: str) -> str:
        return page_sentence(message, language).text if language else as_query(message)

    return UploadReport(
        symbol=planned.symbol,
        timeframe=planned.timeframe.name,
        added=changes.added,
        replaced=changes.replaced,
        unchanged=changes.unchanged,
        removed=changes.removed,
        overwritten_first=utc(times[0]) if len(times) else None,
        overwritten_last=utc(times[-1]) if len(times) else None,
        overwritten_sha256=columns_digest(overwritten) if len(times) else None,
        first=utc(planned.candles.time[0]),
        last=utc(planned.candles.time[-1]),
        layout=write(file.understood.layout),
        zone=write(file.understood.zone.message),
        columns=[UploadedColumn(**column._asdict()) for column in file.understood.file_columns],
        left_out={write(reason): rows for reason, rows in file.left_out.items()},
        notes=[*map(write, notes)],
        dry_run=stored is None,
        quality=audit_json(audit_series(catalog, planned.symbol, planned.timeframe)),
    )


def _to_series(stored: StoredCandles) -> CandleSeries:
    begin, end = stored.span
    fetched = stored.provenance.fetched
    return CandleSeries(
        symbol=stored.symbol,
        timeframe=stored.timeframe.name,
        first=stored.first,
        last=stored.last,
        end=utc(end),
        rows=stored.rows,
        bytes=stored.bytes,
        source=stored.provenance.source,
        fetched_until=utc(fetched[-1][1]) if fetched and stored.provenance.source else None,
        present=stored.present_ratio,
        fetched=total(clip(fetched, (begin, end))) / (end - begin),
    )


def _to_page(stored: CandleRange, query: CandleQuery) -> CandlePage:
    columns, next_ns = stored.page(query.start_ns, query.limit)
    rows: list[dict[str, Any]] = [
        {"timestamp": utc(time), "open": o, "high": h, "low": low, "close": c, "volume": v}
        for time, o, h, low, c, v in zip(*(column.tolist() for column in columns), strict=True)
    ]
    cursor = None if next_ns is None else str(next_ns)
    return CandlePage(symbol=stored.symbol, timeframe=stored.timeframe.name, candles=rows, next_cursor=cursor)


def _status(task: Task) -> RefreshStatus:
    return RefreshStatus(**task_fields(task), series=list(task.series))
