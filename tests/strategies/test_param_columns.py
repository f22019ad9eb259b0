"""Parameters as columns: equal to single objects, and validated by field only where no validator sees several."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import AfterValidator, ValidationInfo, field_validator, model_validator

from coin_pipeline.errors import StrategyFailed
from coin_pipeline.strategies import Field, StrategyParams
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle, VolumeLongCandleParams
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout
from coin_pipeline.strategies.loader import declared_warm_ups
from coin_pipeline.strategies.param_columns import ParamColumns, column_of, has_independent_fields, valid_values


class Plain(StrategyParams):
    """Fields of all common kinds."""

    window: int = Field(4, ge=1, multiple_of=2)
    share: float | None = Field(None, gt=0)
    mode: Literal["a", "b"] = "a"
    limit: int | Literal["auto"] = "auto"


class OneValue(Plain):
    """A validator that sees one value."""

    @field_validator("window")
    @classmethod
    def _check(cls, window: int) -> int:
        return window


class Earlier(Plain):
    """A validator that may see earlier fields."""

    @field_validator("share")
    @classmethod
    def _check(cls, share: float | None, info: ValidationInfo) -> float | None:
        assert info
        return share


class Whole(Plain):
    """A validator of the whole model."""

    @model_validator(mode="after")
    def _check(self) -> "Whole":
        return self


class Initialized(Plain):
    """A hook after validation."""

    def model_post_init(self, _: object) -> None:
        """See all fields."""


def _with_info(share: float, info: ValidationInfo) -> float:
    assert info
    return share


class Annotation(Plain):
    """A validator in an annotation, which may see earlier fields."""

    share: Annotated[float, AfterValidator(_with_info)] = 0.5


@pytest.mark.parametrize(
    ("model", "independent"),
    [(Plain, True), (OneValue, True), (Earlier, False), (Whole, False), (Initialized, False), (Annotation, False)],
)
def test_a_field_is_independent_if_no_code_sees_several(model: type[StrategyParams], independent: bool) -> None:  # noqa: FBT001
    """Points of other models are validated one by one."""
    assert has_independent_fields(model) is independent


def test_each_value_is_validated_as_in_the_model() -> None:
    """Bounds, multiples and types hold; a value is not coerced."""
    assert valid_values(Plain, "window", [2, 3, 0, 2.0, "2", True, 8]).tolist() == [True, *[False] * 5, True]
    assert valid_values(Plain, "share", [None, 0.5, 0.0]).tolist() == [True, True, False]


def test_objects_are_built_on_access() -> None:
    """They have the values of the columns, the fixed values and the defaults; a slice has the same ones."""
    columns = ParamColumns(Plain, {"mode": "b"}, {"window": np.array([2, 4, 6])}, 3)
    assert columns[-1] == Plain(window=6, mode="b")
    assert list(columns[1:]) == [Plain(window=4, mode="b"), Plain(window=6, mode="b")]
    with pytest.raises(IndexError):
        columns[3]


@pytest.mark.parametrize("name", ["window", "share", "mode", "limit"])
def test_a_column_equals_that_of_the_objects(name: str) -> None:
    """This holds for swept, fixed and default values, of numbers and of other objects."""
    shares = np.array([0.5, None, 0.25], object)
    columns = ParamColumns(Plain, {"mode": "b"}, {"window": np.array([2, 4, 6]), "share": shares}, 3)
    assert column_of(columns, name).tolist() == column_of([*columns], name).tolist()


@pytest.mark.parametrize("strategy", [VolumeLongCandle(), VolumeZoneBreakout()])
def test_warm_ups_of_built_in_strategies_agree(strategy: VolumeLongCandle | VolumeZoneBreakout) -> None:
    """Of one point and of many."""
    name = "vol_ma_window" if isinstance(strategy, VolumeLongCandle) else "volume_window"
    points = [strategy.Params.model_validate({name: window}) for window in (3, 50, 7)]
    assert strategy.warm_up_rows(points).tolist() == [strategy.warm_up_bars(params) for params in points]


class ShallowRows(VolumeLongCandle):
    """It overrides the declaration for one point only."""

    name = "shallow_rows"

    def warm_up_bars(self, params: VolumeLongCandleParams) -> int:
        """Return a bar more than `warm_up_rows` does."""
        return super().warm_up_bars(params) + 1


class WrongRows(VolumeLongCandle):
    """What it returns is not one integer per point."""

    name = "wrong_rows"

    def __init__(self, rows: object) -> None:
        self.rows = rows

    def warm_up_rows(self, points: Sequence[VolumeLongCandleParams]) -> Any:  # noqa: ANN401 -- what a strategy may return by mistake
        """Return what the test gave, if there are points."""
        return points and self.rows


def test_warm_ups_that_contradict_each_other_are_an_error() -> None:
    """A subclass that overrides only one of the methods is noticed."""
    with pytest.raises(StrategyFailed, match="override both or none"):
        declared_warm_ups(ShallowRows(), [VolumeLongCandleParams()], "AAA_KRW")


@pytest.mark.parametrize("rows", [None, [1], [1.5, 2.5], [[1, 2]], "ab"])
def test_warm_ups_that_are_not_one_integer_per_point_are_an_error(rows: object) -> None:
    """The error states what was returned, instead of one from inside NumPy."""
    with pytest.raises(StrategyFailed, match="must return 2 integers"):
        declared_warm_ups(WrongRows(rows), [VolumeLongCandleParams(), VolumeLongCandleParams()], "AAA_KRW")
