"""Pages of paper positions and of forward tests, with forms that place orders, and start and stop tests."""

import json
from functools import partial
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from coin_api.deps import CatalogDep, LedgerDep, MarksDep, PositionIdDep, PresetsDep, StoreDep, StrategiesDep
from coin_api.pages import texts_trading as texts
from coin_api.pages.language import language_of
from coin_api.pages.prefill import PrefillDep
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.pages.submit import form_values
from coin_api.routes.forward import TestIdDep
from coin_pipeline.candles.fields import parse_fields
from coin_pipeline.errors import DriftNotFound
from coin_pipeline.forward import documents
from coin_pipeline.forward.documents import DecisionQuery
from coin_pipeline.forward.drift.stored import stored_document
from coin_pipeline.forward.spec import ForwardRequest
from coin_pipeline.languages import Language
from coin_pipeline.ledger import queries
from coin_pipeline.ledger.accounting import Side
from coin_pipeline.ledger.records import DEFAULT_BOOK
from coin_pipeline.ledger.requests import (
    ALL_BOOKS,
    MAX_PAGE,
    BookFilter,
    EnterRequest,
    HistoryQuery,
    OpenQuery,
    SummaryQuery,
)
from coin_pipeline.report.forward_page import drift_pictures
from coin_pipeline.storage.base import ObjectStore

COSTS = {name: float(EnterRequest.model_fields[name].default) for name in ("fee_rate", "slippage_rate")}
"""Costs of an order from a form."""
router = page_router()
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
"""Rows of a page of a list."""
Cursor = Annotated[str | None, Query(max_length=500)]
"""Where a page of a list begins."""


@router.get("/positions")
def positions(
    request: Request,
    ledger: LedgerDep,
    marks: MarksDep,
    book: BookFilter = ALL_BOOKS,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> HTMLResponse:
    """Show open positions at current prices, closed ones, and their sums."""
    return render_page(
        request,
        "positions.html.j2",
        texts=texts,
        book=book,
        open=queries.list_open(ledger, marks, OpenQuery(book=book)),
        summary=queries.summarize(ledger, marks, SummaryQuery(book=book)),
        history=queries.read_history(ledger, HistoryQuery(book=book, cursor=cursor, limit=limit)),
        limit=limit,
        order_book=DEFAULT_BOOK if book == ALL_BOOKS else book,
        sides=list(Side),
        costs=COSTS,
    )


@router.get("/positions/{position_id}")
def position(request: Request, position_id: PositionIdDep, ledger: LedgerDep) -> HTMLResponse:
    """Show a position with its journal."""
    position = queries.describe(ledger, position_id)
    return render_page(request, "position.html.j2", texts=texts, position=position, costs=COSTS)


@router.get("/forward-tests")
def forward_tests(request: Request, ledger: LedgerDep) -> HTMLResponse:
    """List the forward tests, the newest first."""
    tests = ledger.run(documents.list_documents).items
    return render_page(request, "forward_tests.html.j2", texts=texts, tests=tests)


@router.get("/forward-tests/new")
def forward_form(
    request: Request,
    strategies: StrategiesDep,
    catalog: CatalogDep,
    presets: PresetsDep,
    prefill: PrefillDep,
) -> HTMLResponse:
    """Show the form that starts a forward test: empty, or as a stored result or a preset fills it in."""
    language = language_of(request)
    return render_page(
        request,
        "forward_form.html.j2",
        title=texts.NEW_FORWARD,
        action="/api/forward-tests",
        next="/app/forward-tests/",
        trading_texts=texts,
        chosen_preset=prefill.preset,
        **form_values(strategies.current(), catalog, presets, prefill.fields, language, model=ForwardRequest),
    )


@router.get("/forward-tests/{test_id}")
def forward_test(
    request: Request,
    test_id: TestIdDep,
    ledger: LedgerDep,
    store: StoreDep,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> HTMLResponse:
    """Show a forward test: its profit against the backtest, its accounts and its latest decisions."""
    query = parse_fields(DecisionQuery, {"cursor": cursor, "limit": limit})
    test = ledger.run(partial(documents.describe, test_id=test_id, query=query))
    figures = _figures(store, test, language_of(request))
    return render_page(request, "forward_test.html.j2", texts=texts, test=test, figures=figures, limit=limit)


def _figures(store: ObjectStore, test: documents.ForwardTestDocument, language: Language) -> list[Markup]:
    """Return the pictures of the newest drift report, one per quote currency; none before the first night."""
    try:
        document = json.loads(stored_document(store, test.test_id))
    except DriftNotFound:
        return []
    return [drift_pictures(account, language) for account in document["accounts"]]
