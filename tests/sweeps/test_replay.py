"""Replays of a stored sweep: identical, or with the changed inputs named."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.backtest.tables import to_parquet
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import NotReplayable, ObjectCorrupt
from coin_pipeline.results.publish import publish_result
from coin_pipeline.results.replay import Difference, Replay
from coin_pipeline.results.store import file_entry
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.evaluate import evaluate
from coin_pipeline.sweeps.plan import split_into_chunks, sweep_fingerprint
from coin_pipeline.sweeps.replay import replay_sweep
from coin_pipeline.sweeps.result import assemble, sweep_files
from coin_pipeline.sweeps.trials import trials_digest
from tests.conftest import store_candles
from tests.strategy_files import as_new_process, edit, registry_of, write
from tests.sweeps.parts import spec_of

RULES = """
def rule(bars, params):
    return bars.close > bars.open * (1 + params.rise)  # a rise
"""
OWN = """
from coin_pipeline.strategies import Bars, Field, Signals, Strategy, StrategyParams
from helped_rule import rule

class Params(StrategyParams):
    rise: float = Field(0.0, ge=0)
    hold: int = Field(1, ge=1)

class Rising(Strategy[Params]):
    name = "rising"
    Params = Params

    def signals(self, bars: Bars, params: Params) -> Signals:
        return Signals(rule(bars, params), hold=params.hold)
"""
FILES = {"own.py": OWN, "helped_rule.py": RULES}
SPACE = {"rise": "0:0.02:0.01", "hold": "1:4:1"}


@pytest.fixture(autouse=True)
def _nothing_stays_imported() -> Iterator[None]:
    with as_new_process():
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with candles of two markets and a strategy with a helper module."""
    store_candles(tmp_path)
    write(tmp_path / "code", FILES)
    return tmp_path


def load_strategy(root: Path) -> StrategyRegistry:
    """Load the strategy file as a new process would."""
    return registry_of(root / "code/own.py")


def run_sweep(root: Path, space: dict[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    """Run and publish a sweep; return its document."""
    with as_new_process():
        known, catalog, store = load_strategy(root), CandleCatalog(root), LocalStore(root)
        asked = {"strategy": "rising", "symbols": ["AAA_KRW", "BBB_KRW"], **fields}
        chunks = split_into_chunks(catalog, known, spec_of(known, space or SPACE, **asked), 5).chunks
        tables = [evaluate(catalog, known, store, chunk) for chunk in chunks]
        result = assemble("run-1", tables, catalog, known, "test", datetime.now(UTC))
        publish_result(store, sweep_files(result))
    return result.document


def replay(root: Path) -> Replay:
    """Replay the sweep with the current content of the folder."""
    return replay_sweep(LocalStore(root), CandleCatalog(root), load_strategy(root), "run-1")


def stored_files(root: Path) -> dict[Path, bytes]:
    """Return the content of every stored file."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.parametrize(
    ("space", "fields"),
    [
        (SPACE, {}),
        ({"rise": "0:0.02", "stop_loss": "none,0.05"}, {"search": "random", "trials": 12, "seed": 3}),
        ({"rise": "0:0.02"}, {"search": "optuna", "trials": 20, "fill": "signal_close"}),
    ],
)
def test_replay_is_identical_and_stores_nothing(root: Path, space: dict[str, Any], fields: dict[str, Any]) -> None:
    """This holds for every search; trials are computed, not read from the store."""
    document = run_sweep(root, space, **fields)
    before = stored_files(root)
    report = replay(root)
    assert (report.identical, report.differences) == (True, ())
    assert report.stored_sha256 == report.current_sha256 == document["trials"]["sha256"]
    assert stored_files(root) == before


def test_edited_helper_and_first_changed_trial_are_named(root: Path) -> None:
    """A changed comment is not a difference; a changed rule is."""
    document = run_sweep(root)
    edit(root / "code/helped_rule.py", "  # a rise", "")
    with as_new_process():
        assert replay(root).differences == ()
    edit(root / "code/helped_rule.py", "close > bars.open", "close >= bars.high")
    report = replay(root)
    assert not report.identical
    assert [(difference.kind, difference.name) for difference in report.differences[:-1]] == [("code", "helped_rule")]
    first = report.differences[-1]
    assert (first.kind, first.name) == ("result", "trials.0.trades")
    assert first.stored == stored_trials(root)[0]["trades"] != first.current
    assert report.current_sha256 != document["trials"]["sha256"]


def stored_trials(root: Path) -> list[dict[str, Any]]:
    """Return the stored trials."""
    rows: list[dict[str, Any]] = pq.read_table(root / "tasks/run-1/trials.parquet").to_pylist()
    return rows


def test_helper_that_fails_after_its_edit_is_reported(root: Path) -> None:
    """The message names the failing point."""
    run_sweep(root)
    edit(root / "code/helped_rule.py", "return bars", "1 / 0\n    return bars")
    report = replay(root)
    assert (report.identical, report.current_sha256) == (False, None)
    assert [difference.kind for difference in report.differences] == ["code", "result"]
    assert "ZeroDivisionError" in str(report.differences[-1].current)


def test_changed_candles_and_versions_are_named(root: Path) -> None:
    """A volume that the strategy ignores changes no trial."""
    run_sweep(root)
    daily = parse_timeframe("1d")
    candles = synthetic_candles(2, daily, date(2023, 1, 1), 731)
    CandleCatalog(root).merge("BBB_KRW", daily, candles._replace(volume=candles.volume * 2))
    rewrite(root, lambda document: document["fingerprint"]["versions"].update(numpy="1.0"))
    report = replay(root)
    assert report.identical
    assert [(difference.kind, difference.name) for difference in report.differences] == [
        ("candles", "BBB_KRW"),
        ("versions", "numpy"),
    ]


def test_code_digest_covers_search_and_evaluation(root: Path) -> None:
    """The sweep modules are included, and Optuna if it proposes the points."""
    fingerprint = run_sweep(root, {"rise": "0:0.02"}, search="optuna", trials=2)["fingerprint"]
    assert {"coin_pipeline.sweeps.trials", "coin_pipeline.sweeps.search", "helped_rule"} <= set(fingerprint["modules"])
    assert fingerprint["versions"]["optuna"] == metadata.version("optuna")
    assert (
        "optuna"
        not in sweep_fingerprint(
            spec_of(load_strategy(root), SPACE, strategy="rising"), {}, load_strategy(root).get("rising")
        )["versions"]
    )


def test_missing_trial_is_a_difference(root: Path) -> None:
    """Points that the strategy now rejects have no trials."""
    run_sweep(root)
    edit(root / "code/own.py", "hold: int = Field(1, ge=1)", "hold: int = Field(1, ge=1, le=3)")
    first = replay(root).differences[-1]
    assert first == Difference("result", "trials.6.point", 3, 4)


def rewrite(root: Path, change: Any) -> None:  # noqa: ANN401 -- any function
    """Change a stored document and its manifest without the platform's knowledge."""
    path = root / "tasks/run-1/result.json"
    document = json.loads(path.read_bytes())
    change(document)
    manifest = json.loads(path.with_name("manifest.json").read_bytes())
    store = LocalStore(root)
    store.put("tasks/run-1/result.json", json.dumps(document).encode(), overwrite=True)
    others = [file for file in manifest["result_files"] if file["name"] != "result.json"]
    manifest["result_files"] = [*others, file_entry("result.json", "tasks/run-1/result.json", path.read_bytes())]
    store.put("tasks/run-1/manifest.json", json.dumps(manifest).encode(), overwrite=True)


def test_changed_trials_are_corrupt(root: Path) -> None:
    """Trials must match the document before they can be compared."""
    run_sweep(root)
    path = root / "tasks/run-1/trials.parquet"
    table = pq.read_table(path)
    wrong = table.set_column(table.column_names.index("wins"), "wins", pa.array([0] * len(table)))
    assert trials_digest(wrong) != trials_digest(table)
    path.write_bytes(to_parquet(wrong))
    with pytest.raises(ObjectCorrupt, match="SHA-256 mismatch"):
        replay(root)
    path.unlink()  # with it goes the checksum, which knows better
    path.write_bytes(to_parquet(wrong))
    with pytest.raises(ObjectCorrupt, match="changed after the run"):
        replay(root)


def test_sweep_without_module_digests_cannot_be_replayed(root: Path) -> None:
    """Differences could not be attributed."""
    run_sweep(root)
    rewrite(root, lambda document: document["fingerprint"].pop("modules"))
    with pytest.raises(NotReplayable, match="schema sweep-1"):
        replay(root)
