"""The result of a sweep: the best point and its backtest, the plateau, warnings and files."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_pipeline.backtest import runner
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import CandlesChanged, CodeChanged, InvalidInput, SweepDisagrees
from coin_pipeline.results.publish import publish_result
from coin_pipeline.results.store import load_result, read_manifest, stored_documents
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.sweeps.result import assemble, sweep_files
from coin_pipeline.sweeps.stored_points import read_point
from coin_pipeline.sweeps.trials import read_metadata, trials_digest, with_metadata
from tests.conftest import store_candles
from tests.sweeps.parts import registry, run, spec_of, tables_of

SPACE = {"fast": "1:6:1", "slow": "8:12:2", "stop_loss": "0.05,none"}


def test_best_point_matches_its_backtest(candles: CandleCatalog, tmp_path: Path) -> None:
    """Its parameters and stops, submitted as a backtest, reproduce the result digest in the document."""
    known = registry()
    spec = spec_of(known, SPACE, symbols=["BBB_KRW", "AAA_KRW"])
    swept = run(candles, known, tmp_path, spec).document
    best, start = swept["best"], date.fromisoformat(swept["evaluated_from"])
    single = spec.backtest_at(best["values"]).model_copy(update={"start_date": start})
    assert single.params == best["params"]
    assert best["stops"] == {"stop_loss": best["values"]["stop_loss"], "take_profit": None, "trailing_stop": None}
    parts = [runner.simulate_symbol(candles, known, piece) for piece in runner.find_candles(candles, single, "tasks")]
    document = runner.assemble_result("other", parts, candles, known, "elsewhere", datetime.now(UTC)).document
    assert best["result_sha256"] == document["result_sha256"]
    assert best["result"] == document["metrics"]
    assert best["warnings"] == document["warnings"]
    for row, part in zip(best["symbols"], document["symbols"], strict=True):
        assert row["symbol"] == part["symbol"]
        for name in ("trades", "win_rate", "total_return", "max_drawdown", "exposure", "avg_return", "profit_factor"):
            assert row[name] == part["metrics"][name]


@pytest.mark.parametrize(
    "objective", ["total_return", "return_over_drawdown", "win_rate", "avg_return", "profit_factor"]
)
def test_best_is_the_highest_objective(candles: CandleCatalog, tmp_path: Path, objective: str) -> None:
    """For every objective, points are ranked by the mean over the symbols."""
    known = registry()
    result = run(candles, known, tmp_path, spec_of(known, SPACE, symbols=["AAA_KRW", "BBB_KRW"], objective=objective))
    rows = result.trials.to_pylist()
    means = {a["point"]: (a["objective"] + b["objective"]) / 2 for a, b in zip(rows[::2], rows[1::2], strict=True)}
    order = sorted(means, key=lambda point: (-means[point], point))
    document = result.document
    assert [warning["point"] for warning in document["top"]] == order[:20]
    assert document["top"][0].items() <= document["best"].items()
    assert [warning["figures"]["objective"] for warning in document["top"]] == [means[point] for point in order[:20]]
    assert document["points"] == len(means) == 36


def test_ties_go_to_the_lower_number(candles: CandleCatalog, tmp_path: Path) -> None:
    """A stop that is never reached changes nothing."""
    known = registry()
    document = run(candles, known, tmp_path, spec_of(known, {"take_profit": "80,90,none", "edge": [1]})).document
    assert [warning["point"] for warning in document["top"]] == [0, 1, 2]
    assert document["best"]["point"] == 0


def test_figures_over_several_symbols(candles: CandleCatalog, tmp_path: Path) -> None:
    """Counts are summed, the deepest drawdown is used, other figures are averaged, and undefined values propagate."""
    known = registry()
    result = run(candles, known, tmp_path, spec_of(known, {"fast": "1,2"}, symbols=["AAA_KRW", "BBB_KRW"]))
    figures = result.document["top"][0]["figures"]
    a, b = result.document["best"]["symbols"]
    assert figures["trades"] == a["trades"] + b["trades"]
    assert figures["max_drawdown"] == max(a["max_drawdown"], b["max_drawdown"])
    assert figures["win_rate"] == (a["win_rate"] + b["win_rate"]) / 2
    never = run(candles, known, tmp_path, spec_of(known, {"edge": [1]}, symbols=["AAA_KRW", "BBB_KRW"])).document
    assert never["best"]["figures"]["win_rate"] is None
    assert never["best"]["figures"]["trades"] == 0


def test_undefined_objective_has_no_best_point(candles: CandleCatalog, tmp_path: Path) -> None:
    """The document reports that instead of the first point."""
    known = registry()
    document = run(
        candles, known, tmp_path, spec_of(known, {"edge": [0.9, 1]}, objective="profit_factor", warm_up="none")
    ).document
    assert (document["best"], document["plateau"], document["heat_map"], document["top"]) == (None, None, None, [])
    assert document["warnings"] == ["the profit factor is undefined at every point, so there is no best one"]


def test_unconfirmed_trials_are_not_published(candles: CandleCatalog, tmp_path: Path) -> None:
    """A strategy whose rows differ from its signals is detected at the best point."""
    known = registry()
    with pytest.raises(SweepDisagrees, match=r"the sweep computed trades = \d+ on AAA_KRW for the point slow=9,"):
        run(candles, known, tmp_path, spec_of(known, {"slow": "8:10:1"}, strategy="lying"))


@pytest.mark.parametrize(
    ("column", "change"), [("total_return", 1e-16), ("max_drawdown", 1e-16), ("wins", 1), ("exposure", None)]
)
def test_one_changed_bit_is_detected(candles: CandleCatalog, tmp_path: Path, column: str, change: float | None) -> None:
    """Any figure of the best point's trials is verified, whatever the objective."""
    known = registry()
    (table,) = tables_of(candles, known, tmp_path, spec_of(known, {"fast": "1:4:1"}, objective="win_rate"))
    values = table[column].to_pylist()
    changed = [None if change is None else value + max(change, abs(value) * 2.3e-16) for value in values]
    if column == "wins":
        changed = [int(value) for value in changed]
    wrong = table.set_column(table.column_names.index(column), column, pa.array(changed, table[column].type))
    with pytest.raises(SweepDisagrees, match=f"the sweep computed {column} = "):
        assemble("run-1", [wrong], candles, known, "test", datetime.now(UTC))


@pytest.mark.parametrize("fill", ["next_open", "signal_close"])
def test_plateau_and_samples_are_verified_too(candles: CandleCatalog, tmp_path: Path, fill: str) -> None:
    """A changed bit far from the best point is detected, and the document lists the verified points."""
    known = registry()
    spec = spec_of(known, {"fast": "1:9:1", "hold": "1:5:1"}, symbols=["AAA_KRW", "BBB_KRW"], fill=fill)
    (table,) = tables_of(candles, known, tmp_path, spec)
    document = assemble("run-1", [table], candles, known, "test", datetime.now(UTC)).document
    checked, best = document["checked"], document["best"]["point"]
    assert {best, document["plateau"]["point"]} <= set(checked)
    assert 4 <= len(checked) <= 5
    for point in checked:
        wins = [n + (p == point) for n, p in zip(table["wins"].to_pylist(), table["point"].to_pylist(), strict=True)]
        wrong = table.set_column(table.column_names.index("wins"), "wins", pa.array(wins))
        with pytest.raises(SweepDisagrees, match="the sweep computed wins = "):
            assemble("run-1", [wrong], candles, known, "test", datetime.now(UTC))


def test_chunks_may_come_in_any_order_but_completely(candles: CandleCatalog, tmp_path: Path) -> None:
    """The trials are in the order of the points."""
    known = registry()
    tables = tables_of(candles, known, tmp_path, spec_of(known, SPACE), chunk_points=10)
    result = assemble("run-1", tables[::-1], candles, known, "test", datetime.now(UTC))
    assert result.trials["point"].to_pylist() == sorted(result.trials["point"].to_pylist())
    assert result.document["trials"]["sha256"] == trials_digest(result.trials)
    for wrong in (tables[1:], [*tables, tables[0]]):
        with pytest.raises(ValueError, match="a sweep of 4 chunks needs each of them exactly once"):
            assemble("run-1", wrong, candles, known, "test", datetime.now(UTC))


def test_candles_changed_after_the_sweep_are_rejected(tmp_path: Path) -> None:
    """The backtest of the best point would use other candles than its trials."""
    known, catalog = registry(), store_candles(tmp_path)
    tables = tables_of(catalog, known, tmp_path, spec_of(known, {"fast": "1,2"}))
    metadata = read_metadata(tables[0])
    metadata["chunk"]["candles"][0]["sha256"] = "0" * 64
    with pytest.raises(CandlesChanged, match="AAA_KRW"):
        assemble("run-1", [with_metadata(tables[0], metadata)], catalog, known, "test", datetime.now(UTC))
    metadata = read_metadata(tables[0])
    metadata["chunk"]["code"] = "0" * 64
    with pytest.raises(CodeChanged, match="crossing"):
        assemble("run-1", [with_metadata(tables[0], metadata)], catalog, known, "test", datetime.now(UTC))


def test_plateau_has_the_best_neighbourhood(candles: CandleCatalog, tmp_path: Path) -> None:
    """Its median is the highest of all points, including the best point's."""
    known = registry()
    document = run(candles, known, tmp_path, spec_of(known, {"fast": "1:7:1", "hold": "1:5:1"})).document
    plateau, best = document["plateau"], document["best"]
    assert plateau["median"] >= best["neighbourhood"]["median"]
    assert 4 <= plateau["size"] <= 9
    assert "at most one step" in plateau["definition"]
    table = run(candles, known, tmp_path, spec_of(known, {"fast": "1:7:1", "hold": "1:5:1"})).trials.to_pylist()
    near = sorted(
        row["objective"]
        for row in table
        if max(abs(row[name] - plateau["values"][name]) for name in ("fast", "hold")) <= 1
    )
    assert len(near) == plateau["size"]
    middle = len(near) // 2
    assert plateau["median"] == (near[middle] if len(near) % 2 else (near[middle - 1] + near[middle]) / 2)


def test_searches_without_a_grid_have_no_plateau(candles: CandleCatalog, tmp_path: Path) -> None:
    """Their points have no neighbours."""
    known = registry()
    document = run(candles, known, tmp_path, spec_of(known, {"fast": "1:7"}, search="random", trials=20)).document
    assert document["plateau"] is None
    assert document["best"]["neighbourhood"] is None
    assert document["points"] + document["duplicates"] == 20


def test_warnings_for_the_reader(candles: CandleCatalog, tmp_path: Path) -> None:
    """They cover many points, an edge, few trades, and a loss."""
    known = registry()
    document = run(candles, known, tmp_path, spec_of(known, {"hold": "200,400,600"})).document
    warnings = "; ".join(document["warnings"])
    assert "the best of 3 points is biased upwards" in warnings
    assert "at the best point: fewer than 30 may be luck" in warnings
    assert document["best"]["values"]["hold"] == 200
    assert "hold=200 is at the lowest value swept" in warnings
    never = run(candles, known, tmp_path, spec_of(known, {"edge": [1]}, warm_up="none")).document
    assert never["warnings"] == [
        "even the best point made no profit",
        "only 0 trades at the best point: fewer than 30 may be luck",
    ]


def test_isolated_peak_is_a_warning(candles: CandleCatalog, tmp_path: Path) -> None:
    """The median of its neighbourhood is below half of it; a slope of the same steepness is not isolated."""
    known = registry()
    peak = run(candles, known, tmp_path, spec_of(known, {"slow": "10:100:30", "hold": "1:20:5"})).document
    slope = run(candles, known, tmp_path, spec_of(known, {"fast": "1:9:1", "hold": "1:8:1"})).document
    for document, isolated in ((peak, True), (slope, False)):
        reached, around = document["best"]["figures"]["objective"], document["best"]["neighbourhood"]
        assert (around["median"] < reached / 2) is isolated
        sentence = f"is isolated: its total return is {reached:+.2%}, but the median of the {around['size']} points"
        assert any(sentence in warning for warning in document["warnings"]) is isolated


def test_published_sweep_reads_like_any_result(candles: CandleCatalog, tmp_path: Path) -> None:
    """Its manifest has the usual shape and marks it as a sweep."""
    known, store = registry(), LocalStore(tmp_path)
    result = run(candles, known, tmp_path, spec_of(known, SPACE, symbols=["AAA_KRW", "BBB_KRW"]))
    assert publish_result(store, sweep_files(result)).key == "tasks/run-1/result.json"
    manifest = read_manifest(store, "run-1")
    assert manifest is not None
    assert manifest["sweep"] is True
    assert (manifest["status"], manifest["strategy"], manifest["symbols"]) == (
        "completed",
        "crossing",
        ["AAA_KRW", "BBB_KRW"],
    )
    assert [file["name"] for file in manifest["result_files"]] == ["trials.parquet", "result.json"]
    assert [(entry.run_id, entry.shelf) for entry in stored_documents(store)] == [("run-1", "tasks")]
    document = load_result(store, "run-1")
    assert document == json.loads(json.dumps(result.document))
    assert document["version"] == "sweep-1.0"
    assert [part["symbol"] for part in document["symbols"]] == ["AAA_KRW", "BBB_KRW"]
    trials = pq.read_table(pa.BufferReader(store.get(f"tasks/run-1/{document['trials']['file']}")))
    assert trials_digest(trials) == document["trials"]["sha256"]
    assert len(trials) == document["trials"]["rows"] == 72


def test_every_cell_has_a_stored_best_point(candles: CandleCatalog, tmp_path: Path) -> None:
    """The values of its point are read from the trials, and are in the cell."""
    known = registry()
    result = run(candles, known, tmp_path, spec_of(known, {"fast": "1:6:1", "slow": "8:12:2", "edge": "0,0.01"}))
    store = LocalStore(tmp_path)
    publish_result(store, sweep_files(result))
    heat_map = result.document["heat_map"]
    objectives = {row["point"]: row["objective"] for row in result.trials.to_pylist()}
    for y, row in enumerate(heat_map["best_point"]):
        for x, number in enumerate(row):
            point = read_point(store, result.document, number)
            assert f"{point[heat_map['x']['name']]:g}" == heat_map["x"]["labels"][x]
            assert f"{point[heat_map['y']['name']]:g}" == heat_map["y"]["labels"][y]
            assert objectives[number] == heat_map["best"][y][x]
    with pytest.raises(InvalidInput, match="point: 36 is not a point that this sweep evaluated"):
        read_point(store, result.document, 36)
