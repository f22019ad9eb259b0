"""The page of stored results."""

from typing import Annotated

from fastapi import Query, Request, Response

from coin_api.deps import IndexDep
from coin_api.pages import texts_history as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_pipeline.results.index import Filters

PAGE_SIZE = 50
router = page_router()


@router.get("/history")
def history(request: Request, index: IndexDep, after: Annotated[str | None, Query(max_length=500)] = None) -> Response:
    """Show the stored results, newest first."""
    page = index.page(Filters(kind=None), PAGE_SIZE, after=after)
    return render_page(request, "history.html.j2", texts=texts, page=page)
