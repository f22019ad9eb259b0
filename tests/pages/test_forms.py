"""Form fields from JSON schemas, and the texts of the fields of a backtest."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from coin_api.pages.forms import form_fields
from coin_api.pages.texts_submit import FIELDS
from coin_pipeline.backtest.request import BacktestRequest


class Params(BaseModel):
    """Parameters of every type."""

    window: int = Field(5, ge=1, lt=10, description="bars")
    share: float = Field(0.5, gt=0, le=1)
    stop: float | None = Field(None, ge=0.01)
    mode: Literal["fast", "slow"] = "fast"
    wicks: bool = True
    maybe: bool | None = None
    levels: list[float] = [1.0]
    either: int | str = 1
    number: Literal[1, 2] = 1
    name: str


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("window", {"kind": "integer", "low": 1, "high": 9, "bounds": (">= 1", "< 10"), "default": 5}),
        ("share", {"kind": "number", "low": None, "high": 1, "bounds": ("> 0", "<= 1"), "required": False}),
        ("stop", {"kind": "number", "low": 0.01, "high": None, "default": None}),
        ("mode", {"kind": "choice", "choices": ("fast", "slow"), "default": "fast"}),
        ("wicks", {"kind": "switch", "default": True}),
        ("maybe", {"kind": "json", "default": None}),
        ("levels", {"kind": "json", "default": [1.0]}),
        ("either", {"kind": "json"}),
        ("number", {"kind": "json"}),
        ("name", {"kind": "text", "required": True, "default": None}),
    ],
)
def test_field_follows_from_its_schema(name: str, expected: dict[str, Any]) -> None:
    """A value that has no control of its own is edited as JSON, so that none is lost."""
    (field,) = (field for field in form_fields(Params.model_json_schema(), "params.") if field.name == name)
    assert field.path == f"params.{name}"
    assert {key: getattr(field, key) for key in expected} == expected


def test_every_field_of_a_backtest_has_texts() -> None:
    """A new field needs a label and a Korean description."""
    own = ("strategy", "params", "symbols", "start_date", "end_date", "timeframe")
    fields = form_fields(BacktestRequest.model_json_schema(), leave_out=own)
    of_forward_tests = {"collect", "exchange"}
    assert {field.name for field in fields} == FIELDS.keys() - of_forward_tests
