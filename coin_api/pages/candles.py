"""Pages of the candle inventory, and of one series with its coverage calendar."""

from operator import attrgetter
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from coin_api.candles import UPLOAD_SUFFIXES
from coin_api.deps import CatalogDep, OrchestratorDep
from coin_api.pages import texts_candles as texts
from coin_api.pages.candle_views import axis_of, calendar_years, floor_percent, series_bars
from coin_api.pages.language import language_of
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.threads import without_database
from coin_pipeline.candles.audit.calendar import coverage_calendar
from coin_pipeline.candles.exchanges.registry import exchange_names
from coin_pipeline.candles.imports.mapping import SPELLINGS
from coin_pipeline.candles.refresh_spec import RefreshRequest
from coin_pipeline.candles.symbol import QUOTES, parse_symbol
from coin_pipeline.candles.timeframe import SEOUL, TIMEFRAMES, parse_timeframe
from coin_pipeline.candles.timezones import timezone_names

router = page_router()
MEDIA_TYPES = {suffix: media_type for media_type, suffix in reversed([*UPLOAD_SUFFIXES.items()])}
"""Content-Type of each suffix; the first media type of several."""
USUAL_ZONES = (SEOUL, "UTC")
"""Time zones at the top of the list."""

NEW_FETCH = {**RefreshRequest().model_dump(), "symbols": (), "timeframes": ("1d",)}
"""What the form to fetch candles starts with."""


@router.get("/candles")
@without_database
def inventory(
    request: Request,
    catalog: CatalogDep,
    orchestrator: OrchestratorDep,
    run: Annotated[str | None, Query(alias="from", max_length=100)] = None,
) -> HTMLResponse:
    """List the stored series on a common time axis, with forms to upload candles and to fetch them, also as a task did.

    Raises:
        ResultNotFound: No task has this ID.
    """
    series, broken = catalog.inventory()
    return render_page(
        request,
        "candles.html.j2",
        texts=texts,
        axis=axis_of(series),
        bars=series_bars(series),
        broken=[str(error) for error in broken],
        filled=NEW_FETCH if run is None else {**NEW_FETCH, **orchestrator.request(run)},
        timeframes=list(TIMEFRAMES),
        floor_percent=floor_percent,
        media_types=MEDIA_TYPES,
        untouched=attrgetter(language_of(request)),
        exchanges=exchange_names(),
        usual_zones=USUAL_ZONES,
        zones=sorted(timezone_names() - {*USUAL_ZONES}),
        spellings=SPELLINGS,
    )


@router.get("/candles/{base}/{quote}/{timeframe}")
def market_with_a_slash(base: str, quote: str) -> None:
    """Report the right form of a market with a slash, which would otherwise be an unknown path."""
    parse_symbol(f"{base}/{quote}")


@router.get("/candles/{symbol}/{timeframe}")
@without_database
def series(request: Request, symbol: str, timeframe: str, catalog: CatalogDep) -> HTMLResponse:
    """Show the coverage of a series month by month, and its longest gaps."""
    if {symbol.upper(), timeframe.upper()} & {*QUOTES}:
        market_with_a_slash(symbol, timeframe)
    calendar = coverage_calendar(catalog, symbol, parse_timeframe(timeframe))
    return render_page(
        request,
        "series.html.j2",
        texts=texts,
        calendar=calendar,
        total=calendar.total,
        years=calendar_years(calendar),
        floor_percent=floor_percent,
    )
