"""Progress of a candle refresh, per series: what its run's events report and the API serves."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SeriesState = Literal["waiting", "collecting", "collected", "failed"]


class SeriesProgress(BaseModel):
    """Progress of one series, which is one market in one timeframe."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    symbol: str
    timeframe: str
    state: SeriesState = "waiting"
    done: Annotated[int, Field(description="Candle slots requested so far.")] = 0
    planned: Annotated[int | None, Field(description="Candle slots to request; null until known.")] = None
    candles: Annotated[int, Field(description="Candles received.")] = 0
    added: Annotated[
        int | None, Field(description="Received candles that were not stored yet; null until the series is collected.")
    ] = None
    per_second: Annotated[float | None, Field(description="Candle slots requested per second; null if unknown.")] = None
    eta_seconds: Annotated[float | None, Field(description="Seconds left at this rate; null if unknown.")] = None
    error: Annotated[str | None, Field(description="Reason why the series failed.")] = None

    @property
    def share(self) -> float:
        """Completed share, 0 to 1; a failed series counts as complete."""
        if self.state in {"collected", "failed"}:
            return 1.0
        return self.done / self.planned if self.planned else 0.0
