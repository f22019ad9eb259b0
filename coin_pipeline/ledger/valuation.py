"""Open positions at current prices: those of the caller, else of the newest candles, else of their own entries."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from coin_pipeline.errors import InvalidCandleFile
from coin_pipeline.ledger.accounting import Result
from coin_pipeline.ledger.amounts import ZERO, exact, share
from coin_pipeline.ledger.marks import CandleMarks, Mark
from coin_pipeline.ledger.records import Position


class ValuedPosition(NamedTuple):
    """An open position at a price.

    Attributes:
        position: The position.
        mark: The price.
        market_value: The open units at this price, at least 0.
        unrealized: Their result at this price, with the costs of their entries and without exit costs.
    """

    position: Position
    mark: Mark
    market_value: Decimal
    unrealized: Result


class Valuation(NamedTuple):
    """Open positions at current prices.

    Attributes:
        positions: The positions in the given order.
        warnings: A sentence for each market whose candles cannot be read.
    """

    positions: list[ValuedPosition]
    warnings: list[str]


def value_positions(positions: Iterable[Position], marks: CandleMarks, prices: Mapping[str, Decimal]) -> Valuation:
    """Value open positions.

    A market whose candle files cannot be read is valued like one without candles, with a warning: a damaged file must
    not hide every position.

    Args:
        positions: The positions.
        marks: The newest stored closes.
        prices: Prices of the caller by market, which come first.
    """
    valued, warnings = [], {}
    for position in positions:
        mark = Mark(prices[position.symbol], "request") if position.symbol in prices else None
        try:
            mark = mark or marks.newest(position.symbol)
        except InvalidCandleFile as error:
            warnings[position.symbol] = f"{position.symbol} is valued at its entry price: {error.problems[0].message}"
        valued.append(_at_entry(position) if mark is None else _at(position, mark))
    return Valuation(valued, list(warnings.values()))


@exact
def _at(position: Position, mark: Mark) -> ValuedPosition:
    holding = position.holding
    return ValuedPosition(position, mark, holding.quantity * mark.price, holding.unrealized(mark.price))


def _at_entry(position: Position) -> ValuedPosition:
    """Value a position at its own entries; exactly so, although the average of their prices is rounded."""
    holding = position.holding
    mark = Mark(share(holding.value, Decimal(1), holding.quantity), "entry_price")
    return ValuedPosition(position, mark, holding.value, Result(ZERO, holding.fee, holding.slippage))
