"""Reports of stored results."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from coin_pipeline.backtest import runner
from coin_pipeline.backtest.fingerprint import result_digest
from coin_pipeline.backtest.portfolio import account_of, curve_of
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import resolve
from coin_pipeline.backtest.tables import to_parquet, unstack
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidInput, InvalidRunId, NoReport, NoSymbolReport, ObjectCorrupt, ResultNotFound
from coin_pipeline.report.stored import read_equity, read_report, render_report
from coin_pipeline.results.publish import ResultFiles, backtest_files, publish_document, publish_result, write_result
from coin_pipeline.results.store import to_bytes
from coin_pipeline.results.tables import document_tables
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.result import sweep_files
from tests.conftest import store_candles
from tests.report.documents import curve, document, part
from tests.sweeps.parts import registry, run, spec_of

HOUR = parse_timeframe("1h")
SYMBOLS = ["XRP_KRW", "BTC_KRW", "ETH_KRW"]
RUN_ID = "run-1"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with candles of three markets, of which one starts later, and a backtest of them."""
    root = tmp_path_factory.mktemp("stored")
    catalog = CandleCatalog(root)
    for seed, symbol in enumerate(SYMBOLS):
        catalog.merge(symbol, HOUR, synthetic_candles(seed, HOUR, date(2024, 1, 1 + 10 * seed), 40 * 24))
    publish_result(LocalStore(root), backtest_files(backtest(catalog)))
    return root


def backtest(catalog: CandleCatalog, **fields: object) -> BacktestResult:
    """Run the default strategy in January."""
    registry = load_registry()
    days = {"start_date": "2024-01-01", "end_date": "2024-02-05", "min_coverage": 0.0}
    request = {"strategy": "volume_zone_breakout", "symbols": SYMBOLS, "timeframe": "1h", **days, **fields}
    result = runner.run_backtest(resolve(parse_request(request), registry), catalog, registry, run_id=RUN_ID)
    return replace(result, shelf="tasks")


def test_a_report_is_one_file_with_the_policy_of_its_scripts(root: Path) -> None:
    """It has the figures of the result and its prices."""
    report = read_report(LocalStore(root), CandleCatalog(root), RUN_ID)
    assert "script-src 'sha256-" in report.policy
    assert "unsafe-inline" not in report.policy
    assert RUN_ID in report.html
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", re.sub(r"<a .*?>", "", report.html))


def test_a_report_is_in_the_language_of_its_reader(root: Path) -> None:
    """English by default."""
    store, catalog = LocalStore(root), CandleCatalog(root)
    assert "총수익률" in read_report(store, catalog, RUN_ID, "ko").html
    assert "총수익률" not in read_report(store, catalog, RUN_ID).html


@pytest.mark.parametrize("symbol", ["ETH_KRW", "KRW-ETH"])
def test_a_report_of_a_symbol(root: Path, symbol: str) -> None:
    """In either spelling; it states what it is limited to."""
    html = read_report(LocalStore(root), CandleCatalog(root), RUN_ID, symbol=symbol).html
    assert "Price chart and table of trades: ETH_KRW only." in html
    assert "only." not in read_report(LocalStore(root), CandleCatalog(root), RUN_ID).html


def test_a_symbol_without_a_report(root: Path, tmp_path: Path) -> None:
    """The result does not have it, or was stored with the only report that there is."""
    with pytest.raises(NoSymbolReport, match=r"no symbol 'ETH_KRV' \(did you mean 'ETH_KRW'\?\); use one of its 3"):
        read_report(LocalStore(root), CandleCatalog(root), RUN_ID, symbol="ETH_KRV")
    store = LocalStore(tmp_path)
    publish_document(store, {"run_id": "early", "version": "1.0"}, {"report.html": b"<p>early</p>"})
    with pytest.raises(NoSymbolReport, match="only one report, of all symbols; omit the symbol"):
        read_report(store, CandleCatalog(tmp_path), "early", symbol="ETH_KRW")


@pytest.mark.parametrize("fields", [{}, {"max_positions": 2}], ids=["single", "shared"])
def test_the_account_of_a_large_result_is_read_symbol_by_symbol(
    root: Path, tmp_path: Path, fields: dict[str, object]
) -> None:
    """It is that of the tables in memory, and the report has no equity of a single symbol."""
    store, catalog = LocalStore(tmp_path), CandleCatalog(root)
    result = backtest(catalog, **fields)
    publish_result(store, backtest_files(result))
    expected = account_of([curve_of(symbol, rows) for symbol, rows in unstack(result.tables["equity"])])
    ((name, rows),) = unstack(read_equity(store, RUN_ID, result.document, max_rows=10))
    found = curve_of(name, rows)
    assert (found.name, found.time.tolist()) == (expected.name, expected.time.tolist())
    for column in ("equity", "drawdown", "buy_and_hold"):
        np.testing.assert_allclose(getattr(found, column), getattr(expected, column), atol=1e-12)
    assert expected.name in read_report(store, catalog, RUN_ID, max_equity_rows=10).html


def test_an_early_result_has_the_report_that_was_stored_with_it(tmp_path: Path) -> None:
    """With a policy that allows its styles and no script."""
    store = LocalStore(tmp_path)
    publish_document(store, {"run_id": "early", "version": "1.0"}, {"report.html": b"<p>early</p>"})
    report = read_report(store, CandleCatalog(tmp_path), "early")
    assert report.html == "<p>early</p>"
    assert "script" not in report.policy


@pytest.fixture
def swept_files(tmp_path: Path) -> ResultFiles:
    """The files of a sweep, which are not stored yet."""
    known = registry()
    return sweep_files(run(store_candles(tmp_path), known, tmp_path, spec_of(known, {"fast": "1,2"})))


@pytest.fixture
def swept(swept_files: ResultFiles, tmp_path: Path) -> LocalStore:
    """A store with a sweep that has the report of an earlier release."""
    store = LocalStore(tmp_path)
    publish_result(store, replace(swept_files, files={"report.html": b"<p>early</p>", **swept_files.files}))
    return store


def test_the_report_of_an_early_sweep_is_built(swept: LocalStore, tmp_path: Path) -> None:
    """In either language, although one in English is stored with it."""
    assert "<h2>최적 포인트</h2>" in read_report(swept, CandleCatalog(tmp_path), RUN_ID, "ko").html
    assert "<h2>Best point</h2>" in read_report(swept, CandleCatalog(tmp_path), RUN_ID).html


@pytest.mark.parametrize(
    "damage", [None, b"PAR1", to_parquet(pa.table({"objective": [1.0]}))], ids=["missing", "unreadable", "other"]
)
def test_a_sweep_with_damaged_trials_has_no_report(swept: LocalStore, tmp_path: Path, damage: bytes | None) -> None:
    """The error names them, whether they are missing, unreadable or those of another sweep."""
    key = f"tasks/{RUN_ID}/trials.parquet"
    swept.delete(key)
    if damage is not None:
        swept.put(key, damage)
    with pytest.raises(ObjectCorrupt, match=r"trials\.parquet"):
        read_report(swept, CandleCatalog(tmp_path), RUN_ID)


def test_a_sweep_without_a_key_of_its_schema_has_no_report(swept_files: ResultFiles, tmp_path: Path) -> None:
    """As a backtest without one."""
    store = LocalStore(tmp_path)
    lacking = {name: value for name, value in swept_files.document.items() if name != "plateau"}
    publish_result(store, replace(swept_files, files={**swept_files.files, "result.json": to_bytes(lacking)}))
    with pytest.raises(ObjectCorrupt, match="structure of a result"):
        read_report(store, CandleCatalog(tmp_path), RUN_ID)


def test_results_without_a_report(tmp_path: Path) -> None:
    """Each has its own error."""
    store, catalog = LocalStore(tmp_path), CandleCatalog(tmp_path)
    publish_document(store, {"run_id": "early", "version": "1.0"}, {})
    with pytest.raises(NoReport, match=r"'early' of schema 1\.0"):
        read_report(store, catalog, "early")
    with pytest.raises(ResultNotFound):
        read_report(store, catalog, "missing")
    with pytest.raises(InvalidRunId):
        read_report(store, catalog, "../secret")


def test_a_damaged_table_has_no_report(root: Path, tmp_path: Path) -> None:
    """The error names it."""
    store = LocalStore(tmp_path)
    publish_result(store, backtest_files(backtest(CandleCatalog(root))))
    file = tmp_path / "tasks" / RUN_ID / "trades.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(ObjectCorrupt, match=r"trades\.parquet"):
        read_report(store, CandleCatalog(root), RUN_ID)


@pytest.mark.parametrize("key", ["costs", "stops", "metadata", "start_date"])
def test_a_document_without_a_key_of_its_schema_has_no_report(root: Path, tmp_path: Path, key: str) -> None:
    """Although its digests are right."""
    result = backtest(CandleCatalog(root))
    lacking = {name: value for name, value in result.document.items() if name != key}
    lacking["result_sha256"] = result_digest(lacking)
    store = LocalStore(tmp_path)
    write_result(store, backtest_files(replace(result, document=lacking, shelf="results")))
    with pytest.raises(ObjectCorrupt, match="structure of a result"):
        read_report(store, CandleCatalog(root), RUN_ID)


def test_texts_of_a_document_are_escaped() -> None:
    """Markup is shown as text, whatever field it is in."""
    hostile = "<b onclick=alert(1)>&"
    check = {"name": hostile, "passed": False, "detail": hostile}
    content = document(
        part(checks=[check]), strategy=hostile, params={hostile: hostile}, warnings=[hostile], description=hostile
    )
    html = render_report(content, {**document_tables(content), "equity": curve([1.0, 0.9])})
    assert "<b onclick" not in html
    assert html.count("&lt;b onclick=alert(1)&gt;&amp;") >= 5


@pytest.fixture
def folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the stored result under DATA_ROOT."""
    monkeypatch.setenv("DATA_ROOT", str(root))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*options: str) -> None:
    """Run the command; a CoinError propagates."""
    CliRunner().invoke(coin, ["results", "report", RUN_ID, *options], catch_exceptions=False)


def test_the_command_writes_a_file(folder: Path, root: Path) -> None:
    """Named after the run by default; one that exists is kept without --force."""
    write()
    expected = read_report(LocalStore(root), CandleCatalog(root), RUN_ID, strategies=load_registry).html
    assert (folder / f"{RUN_ID}.html").read_text() == expected
    with pytest.raises(InvalidInput, match="--force"):
        write()
    write("--force", "--lang", "ko")
    assert "총수익률" in (folder / f"{RUN_ID}.html").read_text()


def test_the_command_writes_the_report_of_a_symbol(folder: Path) -> None:
    """To a file that is named after it."""
    write("--symbol", "ETH_KRW")
    assert "table of trades: ETH_KRW only" in (folder / f"{RUN_ID}-ETH_KRW.html").read_text()


def test_the_command_writes_to_standard_output(folder: Path) -> None:
    """Nothing but the report."""
    result = CliRunner().invoke(coin, ["results", "report", RUN_ID, "--output", "-"])
    assert result.stdout.startswith("<!doctype html>")
    assert list(folder.iterdir()) == []
