"""Replay of stored runs, and reuse of stored results."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.fingerprint import digest_of, fingerprint_of, result_digest
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import BacktestSpec, ResultArea, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.errors import CodeChanged, InvalidStrategyFile, NotReplayable, ObjectCorrupt, ResultNotFound
from coin_pipeline.results.publish import backtest_files, publish_result
from coin_pipeline.results.replay import Difference, replay_backtest, result_differences
from coin_pipeline.results.reuse import find_reusable
from coin_pipeline.results.store import Json, load_result, to_bytes, with_reused_from
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry
from tests.strategy_files import FILES, as_new_process, edit, registry_of, write

DAILY = parse_timeframe("1d")
DAYS = {"start_date": "2024-01-01", "end_date": "2024-04-09"}
SYMBOLS = ["AAA_KRW", "BBB_KRW"]


class Moody(Strategy[StrategyParams]):
    """Depends on a module variable that no spec contains."""

    name = "moody"

    def __init__(self, mood: int = 1) -> None:
        self.mood = mood

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Hold for as many bars as the variable."""
        assert params is not None
        return Signals(bars.close > bars.open, hold=self.mood)


@pytest.fixture(autouse=True)
def _nothing_stays_imported() -> Iterator[None]:
    with as_new_process():
        yield


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a hundred days of two markets, and a strategy with a helper module."""
    write(tmp_path / "code", FILES)
    for seed, symbol in enumerate(SYMBOLS):
        store_candles(tmp_path, symbol, seed)
    return tmp_path


def store_candles(root: Path, symbol: str, seed: int) -> None:
    """Store a hundred generated days of a market."""
    CandleCatalog(root).merge(symbol, DAILY, synthetic_candles(seed, DAILY, date(2024, 1, 1), 100))


def loaded(place: Path) -> StrategyRegistry:
    """Load the strategy file as a new process would."""
    return registry_of(place / "code/own.py")


def spec_of(registry: StrategyRegistry, **fields: object) -> BacktestSpec:
    """Return the spec that all runs in this module use."""
    return resolve(parse_request({"strategy": "helped", "symbols": SYMBOLS, **DAYS, **fields}), registry)


def run(
    place: Path, registry: StrategyRegistry, run_id: str = "r", shelf: ResultArea = "results", **fields: object
) -> Json:
    """Run and publish a backtest; return its document as stored."""
    catalog, store = CandleCatalog(place), LocalStore(place)
    pieces = runner.find_candles(catalog, spec_of(registry, **fields), shelf)
    parts = [runner.simulate_symbol(catalog, registry, piece) for piece in pieces]
    result = runner.assemble_result(run_id, parts, catalog, registry, "test", datetime.now(UTC))
    publish_result(store, backtest_files(result))
    return load_result(store, run_id)


def replayed(place: Path, registry: StrategyRegistry, run_id: str = "r") -> Any:  # noqa: ANN401 -- a Replay
    """Replay a run on what is in the folder now."""
    return replay_backtest(LocalStore(place), CandleCatalog(place), registry, run_id)


def reusable(place: Path, registry: StrategyRegistry, **fields: object) -> str | None:
    """Return the run that an identical submission would reuse."""
    found = find_reusable(LocalStore(place), CandleCatalog(place), registry, spec_of(registry, **fields))
    return found and found.run_id


@pytest.mark.parametrize("shelf", ["results", "tasks"])
@pytest.mark.parametrize("fields", [{}, {"fill": "signal_close"}, {"stop_loss": 0.02, "max_positions": 1}])
def test_a_replay_is_identical(place: Path, shelf: ResultArea, fields: dict[str, object]) -> None:
    """The same spec, candles and code give the same digest, in either area."""
    with as_new_process():
        document = run(place, loaded(place), shelf=shelf, **fields)
    found = replayed(place, loaded(place))
    assert found.identical
    assert found.differences == ()
    assert found.current_sha256 == document["result_sha256"]


def test_an_edited_comment_is_no_difference(place: Path) -> None:
    """No executed code has changed."""
    with as_new_process():
        run(place, loaded(place))
    edit(place / "code/helped_levels.py", "  # a rise", "  # the candle rises")
    found = replayed(place, loaded(place))
    assert (found.identical, found.differences) == (True, ())


def test_an_edited_helper_is_named_and_so_is_what_it_changed(place: Path) -> None:
    """First the input that differs, then the first figure that differs."""
    with as_new_process():
        run(place, loaded(place))
    edit(place / "code/helped_levels.py", "close > bars.open", "close > 1.01 * bars.open")
    found = replayed(place, loaded(place))
    assert not found.identical
    assert [(each.kind, each.name) for each in found.differences[:-1]] == [("code", "helped_levels")]
    assert found.differences[-1].kind == "result"
    assert found.differences[-1].name.startswith("symbols.0.signals.0.")


def test_an_edit_without_effect_is_reported(place: Path) -> None:
    """The result is identical although the code differs."""
    with as_new_process():
        run(place, loaded(place))
    edit(place / "code/helped_levels.py", "return bars", "unused = 1\n    return bars")
    found = replayed(place, loaded(place))
    assert found.identical
    assert [(each.kind, each.name) for each in found.differences] == [("code", "helped_levels")]


def test_a_failing_helper_is_reported_after_its_edit(place: Path) -> None:
    """The code difference is reported before the error that it causes."""
    with as_new_process():
        run(place, loaded(place))
    edit(place / "code/helped_levels.py", "return bars", "1 / 0\n    return bars")
    found = replayed(place, loaded(place))
    assert (found.identical, found.current_sha256) == (False, None)
    assert [each.kind for each in found.differences] == ["code", "result"]
    assert "ZeroDivisionError" in str(found.differences[-1].current)


def test_edited_candles_are_named_by_their_symbol(place: Path) -> None:
    """One market's candles changed, the other's did not."""
    document = run(place, loaded(place))
    store_candles(place, "BBB_KRW", 9)
    found = replayed(place, loaded(place))
    assert not found.identical
    assert [(each.kind, each.name) for each in found.differences[:-1]] == [("candles", "BBB_KRW")]
    assert found.differences[0].stored == document["fingerprint"]["candles"]["BBB_KRW"]
    assert found.differences[-1].name.startswith("symbols.1.")


def test_edited_candles_without_effect_are_reported(place: Path) -> None:
    """The strategy never reads the volume: the candles differ, the result is identical."""
    run(place, loaded(place))
    catalog = CandleCatalog(place)
    candles = synthetic_candles(1, DAILY, date(2024, 1, 1), 100)
    catalog.merge("BBB_KRW", DAILY, candles._replace(volume=candles.volume * 2))
    found = replayed(place, loaded(place))
    assert found.identical
    assert [(each.kind, each.name) for each in found.differences] == [("candles", "BBB_KRW")]


def rewrite(place: Path, change: Callable[[Json], object]) -> None:
    """Modify a stored result without updating its checksum."""
    path = place / "results/r.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.unlink()  # with it goes the checksum, which knows better
    path.write_bytes(to_bytes(document))


def test_another_version_of_a_package_is_named(place: Path) -> None:
    """The figures may still be identical."""
    run(place, loaded(place))
    rewrite(place, lambda document: document["fingerprint"]["versions"].update(numpy="1.0"))
    found = replayed(place, loaded(place))
    assert found.identical
    (only,) = found.differences
    assert (only.kind, only.name, only.stored, only.current) == ("versions", "numpy", "1.0", np.__version__)


def test_a_field_that_the_spec_did_not_have_is_named(place: Path) -> None:
    """A result of an earlier release, whose requests had one field less, is computed with its default."""
    run(place, loaded(place))

    def as_earlier(document: Json) -> None:
        del document["spec"]["slippage_rate"]
        document["fingerprint"]["spec"] = digest_of(document["spec"])

    rewrite(place, as_earlier)
    found = replayed(place, loaded(place))
    assert found.identical
    assert found.differences == (Difference("spec", "slippage_rate", None, 0.0002),)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["symbols"][0]["trades"][3].update(return_pct=9.9),
        lambda document: document["spec"].update(fee_rate=0.0),
        lambda document: document["metrics"].update(sharpe=9.9),
    ],
)
def test_a_result_that_was_changed_is_corrupt(place: Path, change: Callable[[Json], object]) -> None:
    """A replay refuses a document that does not match its own digests."""
    run(place, loaded(place))
    rewrite(place, change)
    with pytest.raises(ObjectCorrupt, match="changed after the run"):
        replayed(place, loaded(place))


@pytest.mark.parametrize(
    ("document", "version"),
    [
        ({"run_id": "r", "symbols": [{"symbol": "BTC_KRW", "signals": 3}]}, "1.0"),
        ({"run_id": "r", "version": "1.1.0", "symbols": []}, "1.1.0"),
        ({"run_id": "r", "version": "1.2.0", "symbols": [], "fingerprint": {"spec": "0", "code": "0"}}, "1.2.0"),
    ],
)
def test_a_result_without_inputs_cannot_be_replayed(tmp_path: Path, document: Json, version: str) -> None:
    """Results of the legacy platform and results without a spec cannot be replayed."""
    LocalStore(tmp_path).put("results/r.json", to_bytes(document))
    with pytest.raises(NotReplayable, match=f"'r' \\(schema {version}\\) cannot be replayed"):
        replayed(tmp_path, StrategyRegistry([]))
    with pytest.raises(ResultNotFound):
        replayed(tmp_path, StrategyRegistry([]), "absent")


def test_a_nondeterministic_strategy_is_detected(place: Path) -> None:
    """All inputs are equal, so the result is the only difference."""
    run(place, StrategyRegistry([Moody(1)]), strategy="moody")
    assert replayed(place, StrategyRegistry([Moody(1)])).identical
    found = replayed(place, StrategyRegistry([Moody(2)]))
    assert not found.identical
    assert [each.kind for each in found.differences] == ["result"]


def test_editing_code_during_a_run_ends_it(place: Path) -> None:
    """Otherwise the fingerprint would name code that did not compute the result."""
    registry, catalog = loaded(place), CandleCatalog(place)
    pieces = runner.find_candles(catalog, spec_of(registry), "results")
    parts = [runner.simulate_symbol(catalog, registry, piece) for piece in pieces]
    edit(place / "code/helped_levels.py", "> bars", ">= bars")
    with pytest.raises(CodeChanged, match="'helped'"):
        runner.assemble_result("r", parts, catalog, registry, "test", datetime.now(UTC))


def test_editing_code_while_the_symbols_are_simulated_ends_the_run(place: Path) -> None:
    """The digest of the code is computed once, before the first symbol."""

    class EditedMeanwhile(CandleCatalog):
        def load(self, *arguments: Any, **options: Any) -> LoadedCandles:  # noqa: ANN401 -- those of any read
            edit(place / "code/helped_levels.py", "> bars", ">= bars")
            return super().load(*arguments, **options)

    registry = loaded(place)
    spec = spec_of(registry, symbols=SYMBOLS[:1], warm_up="none")
    slices = runner.find_candles(CandleCatalog(place), spec, "results")
    with pytest.raises(CodeChanged, match="'helped'"):
        runner.run_backtest(spec, EditedMeanwhile(place), registry, slices=slices)


def test_an_identical_submission_finds_the_stored_result(place: Path) -> None:
    """The same spec in any spelling finds the latest run, in either area."""
    with as_new_process():
        assert reusable(place, loaded(place)) is None
        run(place, loaded(place), "first")
        assert reusable(place, loaded(place), symbols=["KRW-AAA", "BBB_KRW"], timeframe="1D") == "first"
        run(place, loaded(place), "second", "tasks")
        assert reusable(place, loaded(place)) == "second"
        assert reusable(place, loaded(place), fee_rate=0.0) is None
        assert reusable(place, loaded(place), symbols=SYMBOLS[::-1]) is None
    edit(place / "code/helped_levels.py", "  # a rise", "")
    with as_new_process():
        assert reusable(place, loaded(place)) == "second"
    edit(place / "code/helped_levels.py", "> bars", ">= bars")
    assert reusable(place, loaded(place)) is None


def test_other_candles_find_nothing(place: Path) -> None:
    """Changed candles in the range prevent reuse; changes outside of it do not."""
    run(place, loaded(place))
    later = synthetic_candles(5, DAILY, date(2024, 6, 1), 10)
    CandleCatalog(place).merge("AAA_KRW", DAILY, later)
    assert reusable(place, loaded(place)) == "r"
    store_candles(place, "AAA_KRW", 9)
    assert reusable(place, loaded(place)) is None


@pytest.mark.parametrize("shelf", ["results", "tasks"])
@pytest.mark.parametrize("fate", ["gone", "changed", "its note is broken"])
def test_a_dangling_fingerprint_is_not_an_error(place: Path, shelf: ResultArea, fate: str) -> None:
    """With an expired task, a changed document or a broken entry the backtest runs again."""
    sha256 = run(place, loaded(place), shelf=shelf)["fingerprint"]["sha256"]
    document = place / ("results/r.json" if shelf == "results" else "tasks/r/result.json")
    if fate == "gone":
        LocalStore(place).delete("tasks/r/manifest.json")
        document.unlink()
    elif fate == "changed":
        document.write_bytes(document.read_bytes().replace(b'"traded":true', b'"traded":null', 1))
    else:
        (place / f"fingerprints/{sha256}.json").write_bytes(b'"r"')
    assert reusable(place, loaded(place)) is None
    run(place, loaded(place), "again", shelf)
    assert reusable(place, loaded(place)) == "again"


def test_a_response_is_the_document_plus_one_key(place: Path) -> None:
    """The stored document has no such key."""
    document = run(place, loaded(place))
    assert "reused_from" not in document
    for run_id in ("r", None):
        assert json.loads(with_reused_from(to_bytes(document), run_id)) == {**document, "reused_from": run_id}


def test_the_fingerprint_is_over_all_four(place: Path) -> None:
    """It can be recomputed from the document, and every part of it matters."""
    document = run(place, loaded(place))
    stored = document["fingerprint"]
    inputs = {key: stored[key] for key in ("spec", "candles", "code", "versions")}
    assert stored["sha256"] == digest_of(inputs)
    assert stored["spec"] == digest_of(document["spec"])
    assert stored["code"] == digest_of(stored["modules"])
    strategy = loaded(place).get("helped")
    same = fingerprint_of(stored["spec"], stored["candles"], strategy)
    assert same == stored
    assert fingerprint_of("0", stored["candles"], strategy)["sha256"] != stored["sha256"]
    assert fingerprint_of(stored["spec"], {**stored["candles"], "AAA_KRW": "0"}, strategy)["sha256"] != stored["sha256"]
    assert fingerprint_of(stored["spec"], stored["candles"], Moody())["sha256"] != stored["sha256"]


def test_the_result_digest_is_of_the_figures_alone(place: Path) -> None:
    """Run ID, times, host and inputs do not change it; it survives a round trip through JSON."""
    document = run(place, loaded(place))
    assert result_digest(document) == document["result_sha256"]
    for key in ("run_id", "execution_time", "metadata", "description", "spec", "fingerprint", "reused_from"):
        assert result_digest({**document, key: "other"}) == document["result_sha256"]
    slower = [{**part, "execution_time": 99.0} for part in document["symbols"]]
    assert result_digest({**document, "symbols": slower}) == document["result_sha256"]
    for key in ("symbols", "metrics", "warnings", "costs", "total_signals", "params", "strategy"):
        assert result_digest({**document, key: document["symbols"][1:]}) != document["result_sha256"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("abc\u00e9"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u00e9"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_digests_survive_writing_and_reading(value: object) -> None:
    """A value has the same digest after a round trip through JSON, in any order of keys."""
    again = json.loads(to_bytes({"value": value}))["value"]
    assert digest_of(again) == digest_of(value)
    if isinstance(value, dict):
        assert digest_of(dict(reversed(value.items()))) == digest_of(value)


def test_a_missing_strategy_file_is_reported(place: Path) -> None:
    """Loading the registry before a replay reports the missing file."""
    run(place, loaded(place))
    (place / "code/own.py").unlink()
    with pytest.raises(InvalidStrategyFile, match=r"own\.py: is not a file"):
        loaded(place)


@pytest.mark.parametrize(
    ("stored", "current", "kinds"),
    [
        ({"warnings": ["a", "b"]}, {"warnings": ["A", "B"]}, ["text", "text"]),
        ({"warnings": ["a"], "x": 1}, {"warnings": ["A"], "x": 2}, ["result"]),
        ({"x": 1}, {"x": 1, "y": 2}, ["field"]),
        ({"x": 1, "y": None}, {"x": 1, "y": 2}, ["result"]),
        ({"x": 1, "y": 2}, {"x": 1}, ["result"]),
        ({"warnings": ["a"]}, {"warnings": []}, ["result"]),
        ({"symbols": [{"checks": [{"detail": "a"}]}]}, {"symbols": [{"checks": [{"detail": "b"}]}]}, ["text"]),
        ({"symbols": [{"checks": [{"passed": True}]}]}, {"symbols": [{"checks": [{"passed": False}]}]}, ["result"]),
        ({"tables": {"trades": {"sha256": "a"}}}, {"tables": {"trades": {"sha256": "b"}}}, ["result"]),
    ],
)
def test_only_other_words_of_a_sentence_are_text(stored: Json, current: Json, kinds: list[str]) -> None:
    """A warning that is gone, a check that fails and a digest are results."""
    assert [difference.kind for difference in result_differences(stored, current)] == kinds
