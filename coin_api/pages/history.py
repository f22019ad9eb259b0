"""The page of stored results: filtered, in an order, and chosen for a comparison."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from coin_api.deps import IndexDep
from coin_api.pages import texts_history as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router
from coin_api.queries import Text
from coin_pipeline.candles.timeframe import TIMEFRAMES
from coin_pipeline.results.index import Filters, Page, ResultIndex
from coin_pipeline.results.index_entry import Kind, Order, OrderColumn

PAGE_SIZE = 50
Number = Annotated[float | None, Field(allow_inf_nan=False)]
_PAGING = ("after", "offset")
_NO_FILTERS = {"sort", "ascending", "after", "offset", "chosen"}
router = page_router()


class HistoryForm(BaseModel):
    """Filters, order and page; an empty field of the form does not filter. Returns are in percent."""

    model_config = ConfigDict(extra="ignore")  # the language

    kind: Kind | None = None
    strategy: Text | None = None
    symbol: Text | None = None
    timeframe: Text | None = None
    params: Text | None = None
    min_return: Number = None
    max_return: Number = None
    min_sharpe: Number = None
    max_sharpe: Number = None
    date_from: date | None = None
    date_to: date | None = None
    sort: OrderColumn | None = None
    ascending: bool = False
    after: Annotated[str | None, Field(max_length=500)] = None
    offset: Annotated[int, Field(ge=0, lt=2**31)] = 0
    chosen: Annotated[str | None, Field(alias="with", max_length=100)] = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:  # noqa: ANN401 -- what a query contains
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values

    def read(self, index: ResultIndex) -> Page:
        """Return the page of the index.

        Raises:
            EmptyRange: A lower bound exceeds its upper bound.
            InvalidSymbol: The symbol is not a market.
            InvalidInput: `after` is not a cursor.
        """
        same = {"kind", "strategy", "symbol", "timeframe", "params", "min_sharpe", "max_sharpe", "date_from", "date_to"}
        filters = Filters(
            **self.model_dump(include=same),
            min_total_return=_fraction(self.min_return),
            max_total_return=_fraction(self.max_return),
        )
        if self.sort:
            return index.ranked(filters, Order(self.sort, not self.ascending), PAGE_SIZE, self.offset)
        return index.page(filters, PAGE_SIZE, after=self.after)


@router.get("/history")
def history(
    request: Request,
    index: IndexDep,
    form: Annotated[HistoryForm, Query()],
) -> Response:
    """Show the stored results, newest first or in the order of a figure."""
    page = form.read(index)
    return render_page(
        request,
        "history.html.j2",
        texts=texts,
        page=page,
        page_size=PAGE_SIZE,
        form=form,
        is_filtered=bool(form.model_dump(exclude=_NO_FILTERS, exclude_defaults=True)),
        timeframes=list(TIMEFRAMES),
        address=partial(_address, dict(request.query_params)),
    )


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _address(query: Mapping[str, str], **changes: object) -> str:
    """Return the address of the list with changes of its query, where None removes a field; of its first page."""
    kept = {name: value for name, value in query.items() if name not in _PAGING}
    merged = {name: value for name, value in {**kept, **changes}.items() if value not in {None, ""}}
    return f"/app/history?{urlencode(merged)}"
