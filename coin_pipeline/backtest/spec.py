"""The frozen spec that a backtest request resolves to."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from coin_pipeline.backtest.fingerprint import digest_of
from coin_pipeline.backtest.markets import default_cash, require_known_ticks, resolve_cash
from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.candles.exchanges.upbit_rules import tick_table
from coin_pipeline.candles.timeframe import SEOUL, Timeframe, parse_timeframe
from coin_pipeline.engine.account import Sizing
from coin_pipeline.engine.execution import Costs, Fill, Stops
from coin_pipeline.engine.shared_account import SharedRules
from coin_pipeline.strategies.registry import StrategyRegistry

ResultArea = Literal["tasks", "results"]
"""Area of a result: `tasks` for submitted and polled runs (they expire), `results` for synchronous ones (kept)."""
Times = tuple[datetime, datetime]
"""Start and end of a run, UTC."""
ABSENT_FIELDS = MappingProxyType({"warm_up": "none", "timezone": SEOUL})
"""Meaning of fields that specs stored by earlier releases lack."""


class BacktestSpec(BacktestRequest):
    """A request whose strategy exists and whose parameters are complete and valid; its digest identifies it.

    A field that was added later is left out of every dump if it has its meaning in `ABSENT_FIELDS`, so that the digest
    of a stored spec stays as it was.
    """

    warm_up: Annotated[
        Literal["auto", "none"], Field(description=BacktestRequest.model_fields["warm_up"].description)
    ] = "none"

    @model_serializer(mode="wrap")
    def _leave_out_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if ABSENT_FIELDS.get(name, ...) != value}

    def costs_of(self, symbol: str) -> Costs:
        """Return fee, slippage and tick sizes of a market, per leg.

        Raises:
            InvalidSpec: The ticks of this market are not known. `resolve` rejects such a request, but a spec that an
                earlier version stored may contain it.
        """
        require_known_ticks(self.tick_sizes, [symbol])
        return Costs(self.fee_rate, self.slippage_rate, None if self.tick_sizes == "none" else tick_table(symbol))

    @property
    def stops(self) -> Stops:
        """Stop-loss, take-profit and trailing stop."""
        return Stops(self.stop_loss, self.take_profit, self.trailing_stop)

    @property
    def sizing(self) -> Sizing:
        """Size of an entry, initial cash and smallest order; with markets of several quotes, those of the first."""
        return self.sizing_of(self.symbols[0])

    def sizing_of(self, symbol: str) -> Sizing:
        """Return size of an entry, initial cash and smallest order of an account that trades a market."""
        return Sizing(self.position_size or 1.0, self.initial_cash or default_cash(symbol), self.min_order)

    @property
    def shared(self) -> SharedRules | None:
        """Limits of the account that all symbols share; None if each symbol has its own."""
        if self.max_positions is None:
            return None
        own = self.sizing
        return SharedRules(own.fraction, own.initial_cash, own.min_order, max_positions=self.max_positions)

    @property
    def candle_length(self) -> Timeframe:
        """The parsed timeframe."""
        return parse_timeframe(self.timeframe)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON form; equal backtests have equal digests, whichever defaults were omitted."""
        return digest_of(self.model_dump(mode="json"))


def complete_stored_spec(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored spec as those of a request, with `ABSENT_FIELDS` where it lacks them."""
    return {**ABSENT_FIELDS, **stored}


def default_position_size(max_positions: int | None) -> float:
    """Return the share of the equity in each position if a request names none: equal shares of a shared account."""
    return 1 / (max_positions or 1)


def resolve(request: BacktestRequest, registry: StrategyRegistry) -> BacktestSpec:
    """Return the spec of a request: its strategy's defaults filled in.

    Raises:
        UnknownStrategy: No strategy has this name.
        InvalidParams: The strategy's schema rejects the parameters.
        InvalidSpec: A market has no known tick sizes, or a shared account would mix quote currencies.
    """
    cash = resolve_cash(request)
    params = registry.resolve(request.strategy, request.params)
    size = request.position_size
    if size is None and request.fill is Fill.NEXT_OPEN:
        size = default_position_size(request.max_positions)
    own = {
        "params": params.model_dump(mode="json"),
        "position_size": size,
        "initial_cash": cash,
        "min_coverage": request.min_coverage,
    }
    return BacktestSpec(**{**request.model_dump(), **own})
