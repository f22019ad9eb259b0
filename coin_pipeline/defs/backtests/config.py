"""What can be typed into the Launchpad: the typed config of the backtest job, and what it shares with a sweep's."""

from typing import Any, Literal

import dagster as dg
from pydantic import Field

from coin_pipeline.backtest.request import BacktestRequest, parse_request
from coin_pipeline.candles.coverage import MIN_KNOWN_RATIO


class TradingConfig(dg.Config):
    """What is traded, and how. Dagster checks the shapes at launch; the values are checked when the run begins."""

    strategy: str = Field(description="Name of a registered strategy.")
    params: dict[str, Any] = Field(default={}, description="Parameters of the strategy; the rest takes its defaults.")
    symbols: list[str] = Field(description="Markets, as BTC_KRW or KRW-BTC.")
    start_date: str = Field(description="First calendar day in Asia/Seoul, YYYY-MM-DD.")
    end_date: str = Field(description="Last calendar day in Asia/Seoul, included whole.")
    timeframe: str = Field(default="1d", description="1m 3m 5m 10m 15m 30m 1h 4h 1d 1w")
    fill: Literal["next_open", "signal_close"] = Field(default="next_open", description="Where decisions are filled.")
    fee_rate: float = Field(default=0.001, description="Share of the traded value, each leg.")
    slippage_rate: float = Field(default=0.0002, description="Share of the price, each leg.")
    stop_loss: float | None = Field(default=None, description="Sell this fraction below the entry price.")
    take_profit: float | None = Field(default=None, description="Sell this fraction above the entry price.")
    trailing_stop: float | None = Field(
        default=None, description="Sell this fraction below the highest price since the entry."
    )
    position_size: float | None = Field(default=None, description="Share of the equity that an entry spends.")
    max_positions: int | None = Field(
        default=None, description="Trade all symbols from one cash account, at most so many at a time."
    )
    initial_cash: float = Field(default=10_000_000.0, description="What the account starts with, KRW.")
    min_order: float = Field(default=0.0, description="Smallest buy that is placed, KRW; Upbit takes 5000 and more.")
    tick_sizes: Literal["none", "upbit"] = Field(default="none", description="Whose price steps fills are moved to.")
    min_coverage: float = Field(
        default=MIN_KNOWN_RATIO, description="Refuse symbols with a smaller share of known candles."
    )


class BacktestConfig(TradingConfig):
    """One backtest."""

    shelf: Literal["tasks", "results"] = Field(
        default="tasks", description="tasks/ID expires; results/ID.json is kept for good."
    )

    def request(self) -> BacktestRequest:
        """Return the request this describes.

        Raises:
            InvalidSpec: naming each field that is wrong.
        """
        return parse_request(self.model_dump(exclude={"shelf"}))


# What the Launchpad is filled with: it runs as it is once `coin demo` has made the demo's candles.
EXAMPLE = BacktestConfig(
    strategy="volume_zone_breakout", symbols=["DEMO_KRW"], start_date="2023-01-01", end_date="2024-12-31"
)


def backtest_config_of(run: dg.DagsterRun) -> BacktestConfig:
    """Return the config that a run of the job was launched with, or the job's own where it was launched without."""
    ops: Any = run.run_config.get("ops")
    return BacktestConfig(**ops["load_candles"]["config"]) if ops else EXAMPLE
