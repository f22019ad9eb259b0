"""A stored sweep computed again: identical, or what is no longer what it was."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.backtest.document import to_parquet
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
def place(tmp_path: Path) -> Path:
    """Candles of two markets, and a strategy with a helper beside it."""
    store_candles(tmp_path)
    write(tmp_path / "code", FILES)
    return tmp_path


def loaded(place: Path) -> StrategyRegistry:
    """Load the strategy file as a new process would."""
    return registry_of(place / "code/own.py")


def run(place: Path, space: dict[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    """Run and publish a sweep; return its document."""
    with as_new_process():
        known, catalog, store = loaded(place), CandleCatalog(place), LocalStore(place)
        asked = {"strategy": "rising", "symbols": ["AAA_KRW", "BBB_KRW"], **fields}
        chunks = split_into_chunks(catalog, known, spec_of(known, space or SPACE, **asked), 5).chunks
        tables = [evaluate(catalog, known, store, chunk) for chunk in chunks]
        result = assemble("run-1", tables, catalog, known, "test", datetime.now(UTC))
        publish_result(store, sweep_files(result))
    return result.document


def replayed(place: Path) -> Replay:
    """Replay the sweep on what is in the folder now."""
    return replay_sweep(LocalStore(place), CandleCatalog(place), loaded(place), "run-1")


def everything_in(place: Path) -> dict[Path, bytes]:
    """Return each stored file."""
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.parametrize(
    ("space", "fields"),
    [
        (SPACE, {}),
        ({"rise": "0:0.02", "stop_loss": "none,0.05"}, {"search": "random", "trials": 12, "seed": 3}),
        ({"rise": "0:0.02"}, {"search": "optuna", "trials": 20, "fill": "signal_close"}),
    ],
)
def test_a_replay_is_identical_and_stores_nothing(place: Path, space: dict[str, Any], fields: dict[str, Any]) -> None:
    """Of every search; the rows are computed, not read where the sweep left them."""
    document = run(place, space, **fields)
    before = everything_in(place)
    found = replayed(place)
    assert (found.identical, found.differences) == (True, ())
    assert found.stored_sha256 == found.current_sha256 == document["trials"]["sha256"]
    assert everything_in(place) == before


def test_an_edited_helper_is_named_and_so_is_the_first_trial_that_differs(place: Path) -> None:
    """A comment is no difference; another rule is."""
    document = run(place)
    edit(place / "code/helped_rule.py", "  # a rise", "")
    with as_new_process():
        assert replayed(place).differences == ()
    edit(place / "code/helped_rule.py", "close > bars.open", "close >= bars.high")
    found = replayed(place)
    assert not found.identical
    assert [(each.kind, each.name) for each in found.differences[:-1]] == [("code", "helped_rule")]
    first = found.differences[-1]
    assert (first.kind, first.name) == ("result", "trials.0.trades")
    assert first.stored == document_rows(place)[0]["trades"] != first.current
    assert found.current_sha256 != document["trials"]["sha256"]


def document_rows(place: Path) -> list[dict[str, Any]]:
    """Return the stored trials."""
    rows: list[dict[str, Any]] = pq.read_table(place / "tasks/run-1/trials.parquet").to_pylist()
    return rows


def test_a_helper_that_now_fails_is_told_after_its_edit(place: Path) -> None:
    """With the point at which it does."""
    run(place)
    edit(place / "code/helped_rule.py", "return bars", "1 / 0\n    return bars")
    found = replayed(place)
    assert (found.identical, found.current_sha256) == (False, None)
    assert [each.kind for each in found.differences] == ["code", "result"]
    assert "ZeroDivisionError" in str(found.differences[-1].current)


def test_edited_candles_and_other_versions_are_named(place: Path) -> None:
    """A volume that is never read changes no trial."""
    run(place)
    daily = parse_timeframe("1d")
    frame = synthetic_candles(2, daily, date(2023, 1, 1), 731)
    CandleCatalog(place).merge("BBB_KRW", daily, frame.assign(volume=frame["volume"] * 2))
    rewrite(place, lambda document: document["fingerprint"]["versions"].update(numpy="1.0"))
    found = replayed(place)
    assert found.identical
    assert [(each.kind, each.name) for each in found.differences] == [("candles", "BBB_KRW"), ("versions", "numpy")]


def test_what_chooses_and_evaluates_points_is_part_of_the_code(place: Path) -> None:
    """The modules of sweeps, and Optuna where it proposes the points: else they could differ unnoticed."""
    said = run(place, {"rise": "0:0.02"}, search="optuna", trials=2)["fingerprint"]
    assert {"coin_pipeline.sweeps.trials", "coin_pipeline.sweeps.search", "helped_rule"} <= set(said["modules"])
    assert said["versions"]["optuna"] == metadata.version("optuna")
    assert (
        "optuna"
        not in sweep_fingerprint(spec_of(loaded(place), SPACE, strategy="rising"), {}, loaded(place).get("rising"))[
            "versions"
        ]
    )


def test_a_missing_trial_is_a_difference(place: Path) -> None:
    """Points that the strategy no longer takes have no rows."""
    run(place)
    edit(place / "code/own.py", "hold: int = Field(1, ge=1)", "hold: int = Field(1, ge=1, le=3)")
    first = replayed(place).differences[-1]
    assert first == Difference("result", "trials.6.point", 3, 4)


def rewrite(place: Path, change: Any) -> None:  # noqa: ANN401 -- any function
    """Change a stored document, and what the manifest says of it, behind the platform's back."""
    path = place / "tasks/run-1/result.json"
    document = json.loads(path.read_bytes())
    change(document)
    manifest = json.loads(path.with_name("manifest.json").read_bytes())
    store = LocalStore(place)
    store.put("tasks/run-1/result.json", json.dumps(document).encode(), overwrite=True)
    others = [file for file in manifest["result_files"] if file["name"] != "result.json"]
    manifest["result_files"] = [*others, file_entry("result.json", "tasks/run-1/result.json", path.read_bytes())]
    store.put("tasks/run-1/manifest.json", json.dumps(manifest).encode(), overwrite=True)


def test_trials_that_were_changed_are_corrupt(place: Path) -> None:
    """They are what the document says of them, or nothing can be said."""
    run(place)
    path = place / "tasks/run-1/trials.parquet"
    table = pq.read_table(path)
    wrong = table.set_column(table.column_names.index("wins"), "wins", pa.array([0] * len(table)))
    assert trials_digest(wrong) != trials_digest(table)
    path.write_bytes(to_parquet(wrong))
    with pytest.raises(ObjectCorrupt, match="SHA-256 mismatch"):
        replayed(place)
    path.unlink()  # with it goes the checksum, which knows better
    path.write_bytes(to_parquet(wrong))
    with pytest.raises(ObjectCorrupt, match="changed after the run"):
        replayed(place)


def test_a_sweep_that_does_not_name_its_modules_cannot_be_replayed(place: Path) -> None:
    """Nothing could be said of what differs."""
    run(place)
    rewrite(place, lambda document: document["fingerprint"].pop("modules"))
    with pytest.raises(NotReplayable, match="schema sweep-1"):
        replayed(place)
