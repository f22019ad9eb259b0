"""JSON documents of open positions and of the summary; amounts in different currencies are never added together."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, Field

from coin_pipeline.ledger.accounting import Result
from coin_pipeline.ledger.amounts import ZERO, exact
from coin_pipeline.ledger.documents import Instant, PositionDocument, position_fields, result_fields
from coin_pipeline.ledger.exact_model import Amount, ExactModel
from coin_pipeline.ledger.marks import MarkSource
from coin_pipeline.ledger.valuation import Valuation, ValuedPosition


class Figures(NamedTuple):
    """Sums over positions in one quote currency.

    Attributes:
        open: Number of open positions.
        closed: Number of closed positions.
        won: Number of those with a net result above 0.
        exposure: Market value of the open positions, long and short ones alike.
        realized: Result of the units that have left.
        unrealized: Result of the open units.
    """

    open: int = 0
    closed: int = 0
    won: int = 0
    exposure: Decimal = ZERO
    realized: Result = Result()
    unrealized: Result = Result()

    @exact
    def plus(self, other: "Figures") -> "Figures":
        """Return the sum of two figures."""
        return Figures(
            self.open + other.open,
            self.closed + other.closed,
            self.won + other.won,
            self.exposure + other.exposure,
            self.realized.plus(other.realized),
            self.unrealized.plus(other.unrealized),
        )


class OpenPositionDocument(PositionDocument):
    """An open position and its result at a price."""

    mark_price: Annotated[Amount, Field(description="Price at which it is valued.")]
    mark_source: Annotated[
        MarkSource,
        Field(description="request: of the call; candle: newest stored close; entry_price: no other price is known."),
    ]
    mark_time: Annotated[Instant | None, Field(description="Close of the candle; null for another source.")]
    market_value: Annotated[Amount, Field(description="Open units at this price.")]
    unrealized_pnl: Annotated[
        Amount, Field(description="Result of the open units at this price, net of the costs of their entries.")
    ]
    unrealized_gross: Annotated[Amount, Field(description="The same before fees and slippage.")]
    unrealized_fee: Annotated[Amount, Field(description="Fees of these entries.")]
    unrealized_slippage: Annotated[Amount, Field(description="Slippage of these entries.")]

    @classmethod
    def at(cls, valued: ValuedPosition) -> Self:
        """Return the document of a valued position."""
        return cls(
            **position_fields(valued.position),
            mark_price=valued.mark.price,
            mark_source=valued.mark.source,
            mark_time=valued.mark.time,
            market_value=valued.market_value,
            **result_fields("unrealized", valued.unrealized),
        )


class OpenTotals(ExactModel):
    """Sums over open positions."""

    quote: Annotated[str, Field(description="Currency of the amounts.")]
    open_count: Annotated[int, Field(description="Number of open positions.")]
    exposure: Annotated[Amount, Field(description="Market value of the open positions, long and short ones alike.")]
    unrealized_pnl: Annotated[Amount, Field(description="Result of the open units, net of the costs of their entries.")]
    unrealized_gross: Annotated[Amount, Field(description="The same before fees and slippage.")]
    unrealized_fee: Annotated[Amount, Field(description="Fees of these entries.")]
    unrealized_slippage: Annotated[Amount, Field(description="Slippage of these entries.")]


class OpenPositions(BaseModel):
    """Open positions at current prices."""

    count: int
    positions: list[OpenPositionDocument]
    totals: Annotated[list[OpenTotals], Field(description="One per quote currency.")]
    warnings: Annotated[list[str], Field(description="Markets whose candles cannot be read.")]

    @classmethod
    def of(cls, valuation: Valuation) -> Self:
        """Return the document of valued positions."""
        by_quote = _sums((valued.position.quote, _figures_of(valued)) for valued in valuation.positions)
        return cls(
            count=len(valuation.positions),
            positions=[OpenPositionDocument.at(valued) for valued in valuation.positions],
            totals=[OpenTotals(quote=quote, **_open_fields(figures)) for quote, figures in by_quote.items()],
            warnings=valuation.warnings,
        )


def _sums(named: Iterable[tuple[str, Figures]]) -> dict[str, Figures]:
    """Return the sum of the figures of each name, sorted by name."""
    sums: dict[str, Figures] = {}
    for name, figures in named:
        sums[name] = sums.get(name, Figures()).plus(figures)
    return dict(sorted(sums.items()))


def _figures_of(valued: ValuedPosition) -> Figures:
    return Figures(open=1, exposure=valued.market_value, unrealized=valued.unrealized)


def _open_fields(figures: Figures) -> dict[str, Any]:
    unrealized = result_fields("unrealized", figures.unrealized)
    return {"open_count": figures.open, "exposure": figures.exposure, **unrealized}
