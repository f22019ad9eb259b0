"""The request fields of a sweep: those of a backtest, plus the search space and how to search it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from coin_pipeline.backtest.request import EXAMPLE, BacktestRequest
from coin_pipeline.candles.fields import parse_fields
from coin_pipeline.errors import coded
from coin_pipeline.sweeps.search_space import Value

Search = Literal["grid", "random", "optuna"]
Objective = Literal["total_return", "return_over_drawdown", "win_rate", "avg_return", "profit_factor"]
MAX_UNCONFIRMED = 100_000
"""Points evaluated without confirmation."""
MAX_POINTS = 10_000_000


def _check_space_value(value: object) -> object:
    scalars = bool | int | float | str | None
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, scalars) for item in value)):
        return value
    raise ValueError(coded("space_value_type", value=f"{value!r:.60}"))


class SweepRequest(BacktestRequest):
    """A sweep as submitted over HTTP, from the command line or from the Dagster UI."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**EXAMPLE, "params": {}, "space": {"volume_window": "5:60:5"}}]}
    )

    space: Annotated[
        dict[str, Annotated[list[Value] | str, BeforeValidator(_check_space_value)]],
        Field(
            min_length=1,
            max_length=10,
            description="Values to try, by name of a strategy parameter, stop_loss, take_profit or trailing_stop: a"
            " list, '0.1,0.2,0.3', '5:60:5' (lo:hi:step, both ends included) or, unless the search is a grid, '5:60'"
            " (a range).",
        ),
    ]
    search: Annotated[
        Search, Field(description="Try all points of the grid, random points, or those that Optuna's TPE proposes.")
    ] = "grid"
    trials: Annotated[
        Annotated[int, Field(ge=1, le=MAX_POINTS, strict=True)] | None,
        Field(description="Number of points to try with random and optuna.", validate_default=True),
    ] = None
    seed: Annotated[
        int, Field(ge=0, lt=2**32, strict=True, description="Seed of the random numbers of random and optuna.")
    ] = 0
    objective: Annotated[Objective, Field(description="Figure to maximize.")] = "total_return"
    confirm: Annotated[bool, Field(description=f"Accept more than {MAX_UNCONFIRMED:,} points.")] = False

    @field_validator("space", mode="before")
    @classmethod
    def _require_names(cls, space: object) -> object:
        if space == {}:
            raise ValueError(coded("nothing_swept"))
        return space

    @field_validator("trials")
    @classmethod
    def _check_trials(cls, trials: int | None, known: ValidationInfo) -> int | None:
        search = known.data.get("search", "grid")
        if search == "grid" and trials is not None:
            raise ValueError(coded("grid_with_trials"))
        if search != "grid" and trials is None:
            raise ValueError(coded("trials_missing", search=search))
        return trials

    @field_validator("max_positions")
    @classmethod
    def _reject_shared_account(cls, value: int | None) -> int | None:
        if value is not None:
            raise ValueError(coded("sweep_shares_account"))
        return value


def parse_sweep(fields: Mapping[str, Any]) -> SweepRequest:
    """Validate loose fields as a sweep request.

    Raises:
        InvalidSpec: Names each invalid field.
    """
    return parse_fields(SweepRequest, fields)
