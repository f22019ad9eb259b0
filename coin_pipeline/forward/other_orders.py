"""Orders in the book of a forward test that the test did not place, such as a sale by hand."""

import re

from sqlalchemy import Connection, select

from coin_pipeline.forward.account import AccountState, OtherOrder, adopt
from coin_pipeline.forward.records import ForwardTest
from coin_pipeline.ledger.book import lock
from coin_pipeline.ledger.rows import to_entry
from coin_pipeline.ledger.tables import JOURNAL


def adopt_others(
    connection: Connection, test: ForwardTest, symbol: str, account: AccountState, bar_time: int
) -> AccountState:
    """Return an account after the orders in its book that it has not taken note of, and keep others from being booked.

    Args:
        connection: A READ COMMITTED transaction, which will book what is due in the candle.
        test: The forward test.
        symbol: The market.
        account: The account before the candle.
        bar_time: Open of the candle, ns UTC, or `account.END`.
    """
    lock(connection, test.book, symbol)
    known = max((entry_id for entry_id, _ in account.adopted), default=0)
    query = select(JOURNAL).where(
        JOURNAL.c.book == test.book,
        JOURNAL.c.symbol == symbol,
        JOURNAL.c.entry_id > known,
        ~JOURNAL.c.key.regexp_match(rf"^{re.escape(symbol)}:[0-9]+:(enter|exit|close)$"),  # those of `fill_key`
    )
    for entry in map(to_entry, connection.execute(query.order_by(JOURNAL.c.entry_id))):
        account = adopt(account, bar_time, OtherOrder(entry.entry_id, entry.leg))
    return account
