"""Positions of the past, and totals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from coin_pipeline.errors import EmptyRange, InvalidInput
from coin_pipeline.ledger.accounting import Side
from coin_pipeline.ledger.history import Filters
from tests.ledger.orders import buy, sell

if TYPE_CHECKING:
    from coin_pipeline.ledger.ledger import Ledger
    from coin_pipeline.ledger.records import Position

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def close(ledger: Ledger, number: int, gain: str = "0", **fields: object) -> Position:
    """Open a position of 1 and close it an hour later, the given number of hours after noon, at a gain before costs."""
    at = NOON + timedelta(hours=number)
    ledger.enter(buy("1", "100", at=at - timedelta(hours=1), **fields))
    return ledger.enter(sell("1", f"{100 + Decimal(gain)}", at=at, **fields)).position


def pages(ledger: Ledger, filters: Filters, limit: int) -> list[Position]:
    """Return the positions of all pages."""
    found, cursor = [], None
    while True:
        page = ledger.history(filters, cursor, limit)
        found += page.positions
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_pages_list_each_position_once_newest_first(ledger: Ledger) -> None:
    """The positions of one time are ordered by id."""
    closed = [close(ledger, number // 2) for number in range(7)]
    found = pages(ledger, Filters(), limit=2)
    assert {position.position_id for position in found} == {position.position_id for position in closed}
    assert [position.closed_at for position in found] == sorted((p.closed_at for p in closed), reverse=True)
    assert ledger.history(Filters(), limit=3).total == 7


def test_a_cursor_stays_valid_while_positions_are_closed(ledger: Ledger) -> None:
    """Newer and older ones alike: those of the first page are not repeated, and none of the others is missed."""
    closed = [close(ledger, number) for number in range(0, 8, 2)]
    first = ledger.history(Filters(), limit=2)
    for number in (1, 5, 7, 9):
        close(ledger, number)
    rest = ledger.history(Filters(), first.next_cursor, limit=100)
    found = first.positions + [position for position in rest.positions if position in closed]
    assert found == closed[::-1]
    assert not set(rest.positions) & set(first.positions)


def test_filters_select_positions(ledger: Ledger) -> None:
    """By each field, and in either spelling of a symbol."""
    lost, won = close(ledger, 0, "-10"), close(ledger, 3, "10")
    other, foreign = close(ledger, 1, symbol="ETH_KRW"), close(ledger, 2, book="other")
    held = ledger.enter(buy("1", at=NOON)).position
    assert ledger.history(Filters(book="other")).positions == [foreign]
    assert ledger.history(Filters(symbol="KRW-ETH")).positions == [other]
    assert ledger.history(Filters(min_net=Decimal(1))).positions == [won]
    assert ledger.history(Filters(max_net=lost.holding.realized.net)).positions == [lost]
    assert ledger.history(Filters(side=Side.SELL)).positions == []
    assert ledger.history(Filters(status="open")).positions == [held]
    assert ledger.history(Filters(status="all")).total == 5


def test_days_are_those_of_seoul(ledger: Ledger) -> None:
    """15:00 UTC is midnight; both days are included."""
    before, after = close(ledger, 2), close(ledger, 3)
    assert ledger.history(Filters(date_from=date.min, date_to=date(2024, 5, 1))).positions == [before]
    assert ledger.history(Filters(date_from=date(2024, 5, 2), date_to=date.max)).positions == [after]


@pytest.mark.parametrize("token", ["", "x", "MjAyNC0wNS0wMSB4", "MjAyNC0wNS0wMVQxMjowMDowMCswMDowMCB4"])
def test_another_text_is_no_cursor(ledger: Ledger, token: str) -> None:
    """The message names where to get one."""
    with pytest.raises(InvalidInput, match="use next_cursor of the previous page"):
        ledger.history(Filters(), token)


def test_an_empty_range_is_refused() -> None:
    """Both bounds are named."""
    with pytest.raises(EmptyRange, match="min_net: 2 is above max_net, which is 1; no position can match"):
        Filters(min_net=Decimal(2), max_net=Decimal(1))


def test_totals_are_sums_by_book_and_symbol(ledger: Ledger) -> None:
    """With the open positions of the same moment; a loss is not a win."""
    closed = [close(ledger, number, gain) for number, gain in enumerate(("10", "-10", "20"))]
    held = ledger.enter(buy("1")).position
    close(ledger, 0, symbol="ETH_BTC", book="other")
    overview = ledger.overview("paper")
    (total,) = overview.totals
    assert total[:6] == ("paper", "BTC_KRW", 7, 4, 3, 2)
    assert total.realized.gross == 20
    assert total.realized.net == sum(position.holding.realized.net for position in closed)
    assert overview.positions == [held]
    assert [(one.book, one.symbol) for one in ledger.totals()] == [("other", "ETH_BTC"), ("paper", "BTC_KRW")]
