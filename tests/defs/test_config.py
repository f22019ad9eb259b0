"""The Launchpad accepts what a request accepts."""

import dagster as dg
import pytest

from coin_pipeline.backtest.request import BacktestRequest
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.candles.fields import RequestModel
from coin_pipeline.candles.refresh_spec import RefreshRequest
from coin_pipeline.defs.backtests.config import EXAMPLE, BacktestConfig
from coin_pipeline.defs.candles.config import RefreshConfig
from coin_pipeline.defs.run_requests import backtest_submission
from coin_pipeline.defs.sweeps.config import SWEEP_EXAMPLE, SweepConfig
from coin_pipeline.orchestration.run_tags import SPEC_TAG
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.request import SweepRequest


@pytest.mark.parametrize(
    ("config", "request_model", "extra"),
    [
        (BacktestConfig, BacktestRequest, {"shelf"}),
        (SweepConfig, SweepRequest, set()),
        (RefreshConfig, RefreshRequest, set()),
    ],
)
def test_launchpad_config_has_the_fields_of_the_request(
    config: type[dg.Config], request_model: type[RequestModel], extra: set[str]
) -> None:
    """Names and descriptions come from the request model."""
    assert set(config.model_fields) == {*request_model.model_fields, *extra}
    for name, field in request_model.model_fields.items():
        assert field.description
        assert config.model_fields[name].description == field.description


def test_launchpad_defaults_are_those_of_the_request() -> None:
    """A config with only the required fields becomes a request with only the required fields."""
    for example in (EXAMPLE, SWEEP_EXAMPLE):
        request = example.request()
        model = type(request)
        defaults = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
        assert {name: getattr(request, name) for name in defaults} == defaults


def test_min_coverage_changes_the_digest_of_a_submission() -> None:
    """A repeated submission that accepts less coverage does not return the run that was refused."""
    spec = resolve(EXAMPLE.request(), load_registry())
    digests = [
        backtest_submission(spec.model_copy(update={"min_coverage": coverage}), "tasks").tags[SPEC_TAG]
        for coverage in (0.9, 0.5, 0.5, 0.4)
    ]
    assert digests[0] == spec.digest
    assert digests[1] == digests[2]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("warm_up", ["auto", "none"])
def test_a_run_resolves_the_spec_that_was_submitted(warm_up: str) -> None:
    """A field that a spec leaves out for the sake of its digest is in the run's config, whatever its default there."""
    spec = resolve(EXAMPLE.request().model_copy(update={"warm_up": warm_up}), load_registry())
    config = backtest_submission(spec, "tasks").config["ops"]["load_candles"]["config"]
    again = resolve(BacktestConfig(**config).request(), load_registry())
    assert (again, again.digest) == (spec, spec.digest)
