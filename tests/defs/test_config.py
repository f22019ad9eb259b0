"""What the Launchpad takes is what a request takes."""

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.defs.backtests.config import EXAMPLE, BacktestConfig
from coin_pipeline.defs.run_requests import backtest_submission
from coin_pipeline.orchestration.run_tags import SPEC_TAG
from coin_pipeline.strategies.registry import load_registry


def test_the_launchpad_has_every_field_of_a_request() -> None:
    """A field that a request gets cannot be forgotten here, nor its default differ."""
    request = EXAMPLE.request()
    assert set(BacktestConfig.model_fields) == {*BacktestRequest.model_fields, "shelf"}
    defaults = {name: field.default for name, field in BacktestRequest.model_fields.items() if not field.is_required()}
    assert {name: getattr(request, name) for name in defaults} == defaults


def test_another_share_of_known_candles_is_another_submission() -> None:
    """A repeated submission that takes less must not be answered with the run that was refused."""
    spec = resolve(EXAMPLE.request(), load_registry())
    tags = [
        backtest_submission(spec.model_copy(update={"min_coverage": share}), "tasks").tags[SPEC_TAG]
        for share in (0.9, 0.5, 0.5, 0.4)
    ]
    assert tags[0] == spec.digest
    assert tags[1] == tags[2]
    assert len(set(tags)) == 3
