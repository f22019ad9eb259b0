"""What the Launchpad takes is what a request takes."""

from coin_pipeline.backtest.spec import BacktestRequest
from coin_pipeline.defs.config import EXAMPLE, BacktestConfig


def test_the_launchpad_has_every_field_of_a_request() -> None:
    """A field that a request gets cannot be forgotten here, nor its default differ."""
    request = EXAMPLE.request()
    assert set(BacktestConfig.model_fields) == {*BacktestRequest.model_fields, "shelf"}
    defaults = {name: field.default for name, field in BacktestRequest.model_fields.items() if not field.is_required()}
    assert {name: getattr(request, name) for name in defaults} == defaults
