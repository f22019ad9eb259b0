"""JSON documents of open positions and of the summary; amounts in different currencies are never added together."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, Field

from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.ledger.accounting import Result
from coin_pipeline.ledger.amounts import ZERO, exact
from coin_pipeline.ledger.documents import Instant, PositionDocument, position_fields, result_fields
from coin_pipeline.ledger.exact_model import Amount, ExactModel
from coin_pipeline.ledger.marks import MarkSource
from coin_pipeline.ledger.records import SymbolTotal
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


class Totals(OpenTotals):
    """Sums over open and closed positions."""

    closed_count: Annotated[int, Field(description="Number of closed positions.")]
    won_count: Annotated[int, Field(description="Number of closed positions with a net result above 0.")]
    win_rate: Annotated[float | None, Field(description="won_count / closed_count; null without a closed position.")]
    realized_pnl: Annotated[Amount, Field(description="Result of the units that have left, net of all costs.")]
    realized_gross: Annotated[Amount, Field(description="The same before fees and slippage.")]
    realized_fee: Annotated[Amount, Field(description="Fees of both legs of these units.")]
    realized_slippage: Annotated[Amount, Field(description="Slippage of both legs of these units.")]
    fees: Annotated[Amount, Field(description="All fees so far: realized_fee + unrealized_fee.")]
    slippage: Annotated[Amount, Field(description="All slippage so far: realized_slippage + unrealized_slippage.")]
    net_pnl: Annotated[Amount, Field(description="realized_pnl + unrealized_pnl.")]


class SymbolTotals(Totals):
    """Sums over the positions of one market."""

    symbol: str


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


class Summary(BaseModel):
    """Results of all positions."""

    open_count: int
    closed_count: int
    win_rate: Annotated[float | None, Field(description="Closed positions with a net result above 0; null for none.")]
    totals: Annotated[list[Totals], Field(description="One per quote currency.")]
    by_symbol: list[SymbolTotals]
    warnings: Annotated[list[str], Field(description="Markets whose candles cannot be read.")]

    @classmethod
    def of(cls, totals: Iterable[SymbolTotal], valuation: Valuation) -> Self:
        """Return the summary of the totals of markets and of their open positions."""
        totals = list(totals)
        by_symbol = _sums(
            (
                *((total.symbol, Figures(0, total.closed, total.won, realized=total.realized)) for total in totals),
                *((valued.position.symbol, _figures_of(valued)) for valued in valuation.positions),
            )
        )
        by_quote = _sums((quote_of(symbol), figures) for symbol, figures in by_symbol.items())
        counts = [(figures.open, figures.closed, figures.won) for figures in by_quote.values()]
        opened, closed, won = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
        return cls(
            open_count=opened,
            closed_count=closed,
            win_rate=_rate(won, closed),
            totals=[Totals(quote=quote, **_all_fields(figures)) for quote, figures in by_quote.items()],
            by_symbol=[
                SymbolTotals(symbol=symbol, quote=quote_of(symbol), **_all_fields(figures))
                for symbol, figures in by_symbol.items()
            ],
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


def _all_fields(figures: Figures) -> dict[str, Any]:
    both = figures.realized.plus(figures.unrealized)
    return {
        **_open_fields(figures),
        "closed_count": figures.closed,
        "won_count": figures.won,
        "win_rate": _rate(figures.won, figures.closed),
        **result_fields("realized", figures.realized),
        "fees": both.fee,
        "slippage": both.slippage,
        "net_pnl": both.net,
    }


def _rate(won: int, closed: int) -> float | None:
    return won / closed if closed else None
