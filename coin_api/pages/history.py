"""The page of stored results: filtered, in an order, and chosen for a comparison."""

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from coin_api.deps import IndexDep
from coin_api.errors import status_code_of
from coin_api.pages import texts_history as texts
from coin_api.pages.compare import LEAST, MOST
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router, wants_problems
from coin_api.queries import Day, Text
from coin_pipeline.candles.fields import parse_fields
from coin_pipeline.candles.timeframe import TIMEFRAMES
from coin_pipeline.database.pages import unordered
from coin_pipeline.errors import EmptyRange, InvalidInput
from coin_pipeline.results.index import Filters, Page, ResultIndex
from coin_pipeline.results.index_entry import Kind, Order, OrderColumn

PAGE_SIZE = 50
Number = Annotated[float | None, Field(allow_inf_nan=False)]
_PAGING = ("after", "offset")
_NO_FILTERS = {"sort", "ascending", "after", "offset", "chosen"}
"""Fields of the form without a control in it, which removing the filters does not change."""
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
    date_from: Day | None = None
    date_to: Day | None = None
    sort: OrderColumn | None = None
    ascending: bool = False
    after: Annotated[str | None, Field(max_length=500)] = None
    offset: Annotated[int, Field(ge=0, lt=2**31)] = 0
    chosen: Annotated[str | None, Field(alias="with", max_length=100)] = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:  # noqa: ANN401 -- what a query contains
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values

    def filters(self) -> Filters:
        """Return the filters.

        Raises:
            EmptyRange: A lower bound exceeds its upper bound.
            InvalidSymbol: The symbol is not a market; also names each such bound.
        """
        same = {"kind", "strategy", "symbol", "timeframe", "params", "min_sharpe", "max_sharpe", "date_from", "date_to"}
        fields, low, high = self.model_dump(include=same), self.min_return, self.max_return
        problems = unordered([("min_return", low, "max_return", high)], "result")  # in percent
        if not problems:
            fields |= {"min_total_return": _fraction(low), "max_total_return": _fraction(high)}
        try:
            filters = Filters(**fields)
        except InvalidInput as error:
            error.add(problems)
            raise
        if problems:
            raise EmptyRange(problems)
        return filters

    def read(self, index: ResultIndex) -> Page:
        """Return the page of the index.

        Raises:
            EmptyRange, InvalidSymbol: As for `filters`.
            InvalidInput: `after` is not a cursor.
        """
        filters = self.filters()
        if self.sort:
            return index.ranked(filters, Order(self.sort, not self.ascending), PAGE_SIZE, self.offset)
        return index.page(filters, PAGE_SIZE, after=self.after)


@router.get("/history")
def history(request: Request, index: IndexDep) -> Response:
    """Show the stored results, newest first or in the order of a figure.

    The form reads its query itself: what is wrong with a filter is shown next to its field.
    """
    query = dict(request.query_params)
    try:
        form = _parse(query)
        page = form.read(index)
    except InvalidInput as error:
        wrong = {problem.field for problem in error.problems}
        if wants_problems(request) or not wrong <= HistoryForm.model_fields.keys() - _NO_FILTERS:
            raise
        typed: dict[str, Any] = {**query, "ascending": query.get("ascending") == "true"}
        return _render(request, HistoryForm.model_construct(**typed), None, error)
    return _render(request, form, page)


def _parse(query: Mapping[str, str]) -> HistoryForm:
    """Return the form.

    Raises:
        InvalidInput: Names each field that is wrong, including what only `filters` finds in the other ones.
    """
    try:
        return parse_fields(HistoryForm, query)
    except InvalidInput as error:
        wrong = {problem.field for problem in error.problems}
        try:
            parse_fields(HistoryForm, {name: text for name, text in query.items() if name not in wrong}).filters()
        except InvalidInput as other:
            error.add(other.problems)
        raise


def _render(request: Request, form: HistoryForm, page: Page | None, error: InvalidInput | None = None) -> Response:
    """Return the page; without results if a filter is not valid."""
    return render_page(
        request,
        "history.html.j2",
        status=status_code_of(type(error)) if error else HTTPStatus.OK,
        texts=texts,
        compared=(LEAST, MOST),
        page=page,
        page_size=PAGE_SIZE,
        form=form,
        typed=request.query_params,
        problems={problem.field: problem.message for problem in error.problems} if error else {},
        is_filtered=bool(form.model_dump(exclude=_NO_FILTERS, exclude_defaults=True)) if page else True,
        timeframes=list(TIMEFRAMES),
        address=partial(_address, dict(request.query_params)),
        unfiltered=dict.fromkeys(HistoryForm.model_fields.keys() - _NO_FILTERS),
    )


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _address(query: Mapping[str, str], **changes: object) -> str:
    """Return the address of the list with changes of its query, where None removes a field; of its first page."""
    kept = {name: value for name, value in query.items() if name not in _PAGING}
    merged = {name: value for name, value in {**kept, **changes}.items() if value not in {None, ""}}
    return f"/app/history?{urlencode(merged)}"
