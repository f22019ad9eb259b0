"""The order of keys in the Launchpad."""

import pytest
from dagster_graphql.schema.pipelines import pipeline

from coin_pipeline.orchestration._dagster_internals import order_run_config
from coin_pipeline.orchestration.webserver import CONFIG_KEYS


def test_a_request_begins_with_what_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ops come before loggers, the strategy before the fee rate, and unknown keys last, by name."""
    monkeypatch.setattr(pipeline, "dump_run_config_yaml", pipeline.dump_run_config_yaml)  # restored after the test
    order_run_config(CONFIG_KEYS)
    fields = {"fee_rate": 0.001, "shelf": "tasks", "symbols": ["AAA_KRW"], "other": None, "strategy": "s"}
    config = {"loggers": {}, "ops": {"load_candles": {"config": fields}}}
    words = " ".join(pipeline.dump_run_config_yaml(config).split())
    assert words == (
        "ops: load_candles: config: strategy: s symbols: - AAA_KRW fee_rate: 0.001 other: null shelf: tasks loggers: {}"
    )
