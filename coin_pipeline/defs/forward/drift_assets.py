"""The asset of forward tests: a materialization compares the active ones with their backtests."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from dagster import MetadataValue
from pydantic import Field
from sqlalchemy import Connection

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import CoinError, ServiceUnavailable
from coin_pipeline.forward import store as stored_tests
from coin_pipeline.forward.drift.build import EdgeLimits, read_drift
from coin_pipeline.forward.drift.document import drift_json
from coin_pipeline.forward.drift.edge import MAX_DECAY, MIN_TRADES
from coin_pipeline.forward.drift.stored import store_drift
from coin_pipeline.forward.records import ForwardTest
from coin_pipeline.ledger.ledger import Ledger
from coin_pipeline.orchestration.failures import translate_errors
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.strategies.registry import StrategyRegistry

ASSET = dg.AssetKey("forward_tests")
EXPLAINED, EDGE = "drift_explained", "edge_holds"
CHECKS = (
    dg.AssetCheckSpec(
        EXPLAINED,
        asset=ASSET,
        description="Every decision that differs from the backtest has a cause, and no money is left unexplained.",
    ),
    dg.AssetCheckSpec(
        EDGE, asset=ASSET, description="The mean return per trade is not far below that before the test started."
    ),
)
_DECISION_KEYS = {"equal": "equal", "decisions": "total", "late": "late"}
_ACCOUNT_KEYS = {
    "forward": "forward_pnl",
    "backtest": "backtest_pnl",
    "difference": "difference",
    "unexplained": "residual",
}
_CAUSE_KEYS = ("label", "count", "amount")
_TYPES = dict.fromkeys(("equal", "decisions", "late", "count"), "int") | dict.fromkeys(
    (*_ACCOUNT_KEYS, "amount"), "float"
)


class DriftConfig(dg.Config):
    """Config of the asset."""

    test_ids: list[str] = Field(default=[], description="Forward tests to compare; by default, the active ones.")
    max_decay: float = Field(default=MAX_DECAY, gt=0, description="Largest lost fraction of the mean return per trade.")
    min_trades: int = Field(default=MIN_TRADES, ge=1, description="Trades below which the decay is not judged.")


@dg.asset(
    key=ASSET,
    group_name="forward",
    kinds={"postgres"},
    check_specs=CHECKS,
    description="Forward tests, each compared with the backtest of the candles that it has decided.",
)
def forward_tests(
    context: dg.AssetExecutionContext,
    config: DriftConfig,
    ledger: dg.ResourceParam[Ledger],
    candles: dg.ResourceParam[CandleCatalog],
    strategies: dg.ResourceParam[StrategyRegistry],
    store: dg.ResourceParam[ObjectStore],
    alive: dg.ResourceParam[RunHeartbeat],
) -> Iterator[dg.MaterializeResult[None]]:
    """Compare each test and store its report; one that cannot be compared fails its checks, not those of others."""
    limits = EdgeLimits(config.max_decay, config.min_trades)
    documents: dict[str, Json] = {}
    failures: dict[str, str] = {}
    with translate_errors():
        tests = ledger.run(lambda connection: _selected(connection, config.test_ids))
        for test in tests:
            name = str(test.test_id)
            try:
                document = drift_json(read_drift(ledger, test.test_id, candles, strategies, limits))
                store_drift(store, document)
                documents[name] = document
            except ServiceUnavailable:
                raise
            except CoinError as error:
                context.log.warning("%s: %s", name, error)
                failures[name] = str(error)
        alive.step_done(1)
    yield dg.MaterializeResult(metadata=drift_metadata(documents), check_results=drift_checks(documents, failures))


def drift_metadata(documents: dict[str, Json]) -> dict[str, MetadataValue]:
    """Return drift reports, by test, as metadata: a table per test and currency, one of the causes, and totals."""
    accounts = [(document, account) for document in documents.values() for account in document["accounts"]]
    decisions = [document["decisions"] for document in documents.values()]
    drift = [
        {
            "test": document["test_id"],
            "quote": account["quote"],
            **{name: document["decisions"][key] for name, key in _DECISION_KEYS.items()},
            **{name: account[key] for name, key in _ACCOUNT_KEYS.items()},
        }
        for document, account in accounts
    ]
    causes = [
        {"test": document["test_id"], "quote": account["quote"], **{key: cause[key] for key in _CAUSE_KEYS}}
        for document, account in accounts
        for cause in account["causes"]
        if cause["count"]
    ]
    return {
        "tests": MetadataValue.int(len(documents)),
        "decisions": MetadataValue.int(sum(own["total"] for own in decisions)),
        "differing_decisions": MetadataValue.int(sum(own["total"] - own["equal"] for own in decisions)),
        "drift": _table(drift, ("test", "quote", *_DECISION_KEYS, *_ACCOUNT_KEYS)),
        "causes": _table(causes, ("test", "quote", *_CAUSE_KEYS)),
    }


def drift_checks(documents: dict[str, Json], failures: dict[str, str]) -> list[dg.AssetCheckResult]:
    """Return the checks of all tests: each fails with the sentences about the tests that fail it.

    Args:
        documents: Drift reports by test.
        failures: Why the other tests could not be compared.
    """
    unexplained = {**failures, **{name: " ".join(own["unexplained"]) for name, own in documents.items()}}
    decayed = {name: "" if own["edge"]["holds"] else own["edge"]["verdict"] for name, own in documents.items()}
    verdicts = {name: own["edge"]["verdict"] for name, own in documents.items()}
    return [_check(EXPLAINED, unexplained, unexplained), _check(EDGE, decayed, verdicts)]


def _check(name: str, problems: dict[str, str], verdicts: dict[str, str]) -> dg.AssetCheckResult:
    failed = {test: problem for test, problem in problems.items() if problem}
    rows = [{"test": test, "result": verdict or "explained"} for test, verdict in verdicts.items()]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(f"{test}: {problem}" for test, problem in failed.items()) or None,
        metadata={"tests": _table(rows, ("test", "result"))},
    )


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> MetadataValue:
    schema = dg.TableSchema([dg.TableColumn(name, _TYPES.get(name, "string")) for name in columns])
    return MetadataValue.table([dg.TableRecord(row) for row in rows], schema)


def _selected(connection: Connection, test_ids: Sequence[str]) -> list[ForwardTest]:
    if test_ids:
        return [stored_tests.get_test(connection, stored_tests.parse_test_id(test_id)) for test_id in test_ids]
    return stored_tests.list_tests(connection, active=True)
