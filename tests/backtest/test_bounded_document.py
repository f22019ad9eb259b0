"""Documents of results with more rows than a document has in full."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.backtest import document as documents
from coin_pipeline.backtest import runner
from coin_pipeline.backtest.document import BOUNDED, MAX_CURVE_POINTS, MAX_ROWS, Limits, complete_document, with_rows
from coin_pipeline.backtest.fingerprint import result_digest
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.backtest.symbol_output import from_table, to_table
from coin_pipeline.backtest.tables import TABLE_SCHEMAS, content_digest, to_rows, unstack
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.strategies.registry import load_registry

MINUTE = parse_timeframe("1m")
SYMBOLS = ["XRP_KRW", "BTC_KRW"]
LISTS = {"signals": {"type": "buy"}, "trades": {}}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> CandleCatalog:
    """Twenty days of minutes of two markets."""
    catalog = CandleCatalog(tmp_path_factory.mktemp("minutes"))
    for seed, symbol in enumerate(SYMBOLS):
        catalog.merge(symbol, MINUTE, synthetic_candles(seed, MINUTE, date(2024, 1, 1), 20 * 1440))
    return catalog


def result_of(catalog: CandleCatalog, days: int = 20, **fields: object) -> BacktestResult:
    """Run the default strategy on the first days, each symbol passed on as between two steps."""
    registry = load_registry()
    request = {"strategy": "volume_zone_breakout", "symbols": SYMBOLS, "timeframe": "1m", "start_date": "2024-01-01"}
    spec = resolve(parse_request({**request, "end_date": f"2024-01-{days:02}", **fields}), registry)
    return runner.run_backtest(spec, catalog, registry, run_id="r")


@pytest.fixture(scope="module", params=[{}, {"max_positions": 1}], ids=["single", "shared"])
def large(request: pytest.FixtureRequest, catalog: CandleCatalog) -> BacktestResult:
    """A result with more signals and more trades than a document has in full."""
    result = result_of(catalog, **request.param)
    assert min(len(result.tables["signals"]), len(result.tables["trades"])) > MAX_ROWS
    return result


def lists_of(document: dict[str, Any], name: str) -> list[list[Any]]:
    """Return one list of each symbol."""
    return [part[name] for part in document["symbols"]]


@pytest.mark.parametrize("name", LISTS)
def test_a_large_document_has_the_first_and_the_last_rows(large: BacktestResult, name: str) -> None:
    """Each symbol has an equal share of the limit, half of it from the start and half from the end."""
    half = MAX_ROWS // (2 * len(SYMBOLS))
    for part, (symbol, rows) in zip(large.document["symbols"], unstack(large.tables[name]), strict=True):
        every = to_rows(rows, **LISTS[name])
        assert part["symbol"] == symbol
        assert part[name] == [*every[:half], *every[-half:]]


def test_counts_of_a_large_document_are_those_of_all_rows(large: BacktestResult) -> None:
    """`tables` has the number of rows, how many the document has, the digest of their content and a link."""
    document = large.document
    assert document["total_signals"] == len(large.tables["signals"])
    assert document["metrics"]["trades"] == len(large.tables["trades"])
    for name, table in large.tables.items():
        key = "performance_curve" if name == "equity" else name
        points = 0 if document["account"] is None else len(document["account"].get(key, []))
        assert document["tables"][name] == {
            "rows": len(table),
            "in_document": sum(map(len, lists_of(document, key))) + points,
            "sha256": content_digest(TABLE_SCHEMAS[name], table.to_batches()),
            "href": f"/api/backtests/r/{name}",
        }


def test_the_digest_of_a_result_covers_rows_outside_of_the_document(large: BacktestResult) -> None:
    """It depends on the digests of the tables, and not on the link, which contains the ID of the run."""
    other = {name: {**entry, "href": "elsewhere"} for name, entry in large.document["tables"].items()}
    assert result_digest({**large.document, "tables": other}) == large.document["result_sha256"]
    other["trades"]["sha256"] = "0" * 64
    assert result_digest({**large.document, "tables": other}) != large.document["result_sha256"]


def test_a_document_below_the_limit_is_complete(catalog: CandleCatalog) -> None:
    """Apart from `tables` and its own digest it is what earlier releases stored, key by key."""
    result = result_of(catalog, days=3)
    complete = complete_document(result.document, result.tables)
    bare = {key: value for key, value in result.document.items() if key not in {"tables", "result_sha256"}}
    assert [*complete] == [*bare, "result_sha256"]
    assert {**complete, "result_sha256": None} == {**bare, "result_sha256": None}
    assert all(entry["in_document"] == entry["rows"] for entry in result.document["tables"].values())


def test_a_complete_document_has_every_row(large: BacktestResult) -> None:
    """That is how results were stored before they had tables."""
    complete = complete_document(large.document, large.tables)
    for name, constants in LISTS.items():
        rows = [row for own in lists_of(complete, name) for row in own]
        assert rows == to_rows(large.tables[name], **constants)


def test_the_curves_of_a_document_share_a_limit(large: BacktestResult) -> None:
    """Many symbols with long curves have fewer points each; first and last stay."""
    curves = 2 + (large.document["account"] is not None)
    thinned = with_rows(large.document, large.tables, Limits(MAX_ROWS, 300))
    complete = with_rows(large.document, large.tables, BOUNDED)
    for short, long in zip(
        lists_of(thinned, "performance_curve"), lists_of(complete, "performance_curve"), strict=True
    ):
        assert 2 < len(short) <= 300 // curves < len(long) <= MAX_CURVE_POINTS
        assert (short[0], short[-1]) == (long[0], long[-1])


@pytest.mark.parametrize("fields", [{}, {"max_positions": 1}], ids=["single", "shared"])
def test_what_a_step_passes_on_has_its_rows_in_columns(catalog: CandleCatalog, fields: dict[str, Any]) -> None:
    """The facts grow neither with the rows nor with the symbols, and the result is the same after a round trip."""
    direct, registry = result_of(catalog, **fields), load_registry()
    slices = runner.find_candles(catalog, direct.spec, "results")
    rows = to_table([runner.simulate_symbol(catalog, registry, part) for part in slices])
    assert max(map(len, rows["facts"].to_pylist())) < 10_000
    assert not any(other in facts for facts, other in zip(rows["facts"].to_pylist(), SYMBOLS[::-1], strict=True))
    passed_on = runner.assemble_result("r", from_table(rows), catalog, registry, "", datetime.now(UTC))
    assert passed_on.document["result_sha256"] == direct.document["result_sha256"]


def test_an_empty_result_has_empty_tables(catalog: CandleCatalog) -> None:
    """Tables without rows keep their schema."""
    tables = result_of(catalog, days=1, params={"breakout_buffer": 1.0}).tables
    assert [len(tables[name]) for name in ("signals", "trades")] == [0, 0]
    assert all(tables[name].schema == TABLE_SCHEMAS[name] for name in tables)


def test_the_limits_are_documented() -> None:
    """The pages that describe the document name its limits."""
    page = (Path(__file__).parents[2] / "docs/api.md").read_text()
    assert f"{documents.MAX_ROWS:,} signals" in page
    assert f"{documents.MAX_POINTS:,} points" in page
