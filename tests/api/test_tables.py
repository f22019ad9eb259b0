"""The tables of results over HTTP: formats, pages, filters, and results without rows."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from coin_pipeline.backtest.tables import TABLE_NAMES, TABLE_SCHEMAS, TableName
from coin_pipeline.results.table_formats import CHUNK_ROWS
from coin_pipeline.storage.local import LocalStore
from tests.api.conftest import client_of
from tests.api.test_backtests import BODY
from tests.fakes import QUEUED, FakeOrchestrator
from tests.migration.legacy_platform import RESULTS
from tests.result_tables import publish_tables, sample_tables, to_items

ROWS = 4 * CHUNK_ROWS + 5
RUN = "tables-of-every-kind"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
TABLES = sample_tables(ROWS)
FAILED = replace(QUEUED, status="failed", error="no candles")
Read = Callable[[bytes, pa.Schema], pa.Table]
FILES: dict[str, tuple[str, str, Read]] = {
    "parquet": (PARQUET, "parquet", lambda data, _: pq.read_table(io.BytesIO(data))),
    "arrow": (ARROW, "arrows", lambda data, _: pa.ipc.open_stream(data).read_all()),
    "csv": (
        "text/csv; charset=utf-8",
        "csv",
        lambda data, schema: pa.csv.read_csv(
            io.BytesIO(data),
            convert_options=pa.csv.ConvertOptions(
                column_types=schema, strings_can_be_null=True, include_columns=schema.names
            ),
        ),
    ),
}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A client of one application for all tests, which only read."""
    with client_of(FakeOrchestrator(outcome=FAILED)) as client:
        yield client


@pytest.fixture(scope="module")
def run(data_root: Path) -> str:
    """The URL of a result with a table of each kind."""
    publish_tables(LocalStore(data_root), RUN, TABLES)
    return f"/api/backtests/{RUN}"


def store_document(data_root: Path, run_id: str, document: dict[str, Any]) -> str:
    """Store a document as another program would, and return the URL of the result."""
    (data_root / "results").mkdir(exist_ok=True)
    (data_root / f"results/{run_id}.json").write_text(json.dumps({"run_id": run_id, **document}))
    return f"/api/backtests/{run_id}"


def pages(client: TestClient, url: str, **query: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 -- of httpx
    """Yield the pages of a table, following the cursors."""
    cursor: dict[str, str] = {}
    while True:
        page = client.get(url, params={**query, **cursor}).raise_for_status().json()
        yield page
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def plain(table: pa.Table, name: TableName) -> pa.Table:
    """Return a table that a client has read with the types of its schema, and texts as such."""
    kinds = {
        field.name: pa.string() if pa.types.is_dictionary(field.type) else field.type for field in TABLE_SCHEMAS[name]
    }
    return table.cast(TABLE_SCHEMAS[name]).cast(pa.schema(kinds))


@pytest.mark.parametrize("name", TABLE_NAMES)
@pytest.mark.parametrize("file", FILES)
def test_a_file_has_the_rows_that_were_stored(client: TestClient, run: str, name: TableName, file: str) -> None:
    """Every number reads back as the same float and every time with its zone, in every format."""
    media_type, suffix, read = FILES[file]
    response = client.get(f"{run}/{name}", headers={"Accept": media_type})
    assert response.headers["content-type"] == media_type
    assert response.headers["content-disposition"] == f'attachment; filename="backtest_{RUN}_{name}.{suffix}"'
    assert plain(read(response.content, TABLE_SCHEMAS[name]), name) == plain(TABLES[name], name)


def test_a_parquet_file_is_sent_as_stored(client: TestClient, run: str, data_root: Path) -> None:
    """Nothing is decoded or encoded; with a filter, the rows that match form a file of their own."""
    stored = (data_root / f"tasks/{RUN}/trades.parquet").read_bytes()
    assert client.get(f"{run}/trades?format=parquet").content == stored
    assert client.get(f"{run}/trades?format=parquet&symbol=BTC_KRW").content != stored


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_pages_have_every_row_once(client: TestClient, run: str, name: TableName) -> None:
    """Items have the names and formats of the document, and null for what is unknown."""
    read = list(pages(client, f"{run}/{name}", limit=10_000))
    assert [item for page in read for item in page["items"]] == to_items(TABLES[name], name)
    assert [page["offset"] for page in read] == [0, 10_000]
    assert {(page["total"], page["limit"]) for page in read} == {(ROWS, 10_000)}


def test_items_have_the_keys_of_the_document_in_their_order(client: TestClient, run: str) -> None:
    """A client reads signals of a page and of a document with the same code."""
    (item,) = client.get(f"{run}/signals?limit=1").json()["items"]
    assert list(item) == ["symbol", "type", "timestamp", "entry_price", "exit_price", "return_pct", "traded"]
    assert item["timestamp"] == "2024-01-01T00:00:00Z"


def test_offset_skips_rows(client: TestClient, run: str) -> None:
    """Beyond the last row there is an empty last page."""
    assert client.get(f"{run}/trades?offset={ROWS - 5}").json()["items"] == to_items(TABLES["trades"][-5:], "trades")
    beyond = client.get(f"{run}/trades?offset={10**12}").json()
    assert (beyond["items"], beyond["total"], beyond["next_cursor"]) == ([], ROWS, None)


@pytest.mark.parametrize("symbol", ["ETH_KRW", "KRW-ETH"])
def test_filters_apply_to_every_format(client: TestClient, run: str, symbol: str) -> None:
    """Both spellings of a market match; `total` counts what matches."""
    query, signals = {"symbol": symbol, "traded": "true"}, plain(TABLES["signals"], "signals")
    expected = signals.filter((pc.field("symbol") == "ETH_KRW") & pc.field("traded"))
    read = list(pages(client, f"{run}/signals", limit=1000, **query))
    assert [item for page in read for item in page["items"]] == to_items(expected, "signals")
    assert {page["total"] for page in read} == {len(expected)}
    for file, (_, _, parse) in FILES.items():
        data = client.get(f"{run}/signals", params={**query, "format": file}).content
        assert plain(parse(data, TABLE_SCHEMAS["signals"]), "signals") == expected


def test_csv_has_times_of_a_zone(client: TestClient, run: str) -> None:
    """With the offset that its clocks had; the instants stay the same."""
    query = {"format": "csv", "timezone": "Europe/Berlin"}
    rows = list(csv.DictReader(client.get(f"{run}/trades", params=query).text.splitlines()))
    expected = TABLES["trades"]["entry_time"].to_pylist()
    assert [datetime.fromisoformat(row["entry_time"]) for row in rows] == expected
    assert {row["entry_time"][-6:] for row in rows} <= {"+01:00", "+02:00"}
    assert client.get(f"{run}/trades", params={**query, "format": "parquet"}).status_code == 422


@pytest.mark.parametrize("file", [*FILES, "json"])
def test_a_filter_that_matches_nothing_leaves_a_table_without_rows(client: TestClient, run: str, file: str) -> None:
    """It is a table with columns, not an error."""
    response = client.get(f"{run}/trades", params={"symbol": "XRP_KRW", "format": file}).raise_for_status()
    if file == "json":
        assert response.json() == {"total": 0, "limit": 1000, "offset": 0, "items": [], "next_cursor": None}
    else:
        table = FILES[file][2](response.content, TABLE_SCHEMAS["trades"])
        assert (len(table), table.column_names) == (0, TABLE_SCHEMAS["trades"].names)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, Text/CSV", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/x-parquet", PARQUET),
        (f"{ARROW};q=0.9, {PARQUET}; q=0.2", ARROW),
        ("text/csv;q=nonsense, */*;q=0.1", "application/json"),
    ],
)
def test_the_format_is_the_one_that_the_client_prefers(
    client: TestClient, run: str, accept: str, media_type: str
) -> None:
    """Quality and specificity count as in RFC 9110; caches learn that the header matters."""
    response = client.get(f"{run}/trades", headers={"Accept": accept})
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.headers["vary"] == "Accept"


def test_the_query_overrides_the_accept_header(client: TestClient, run: str) -> None:
    """A link can request a format, even one that the header excludes."""
    response = client.get(f"{run}/equity?format=csv", headers={"Accept": "image/png"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


def test_a_client_that_accepts_no_format_gets_406(client: TestClient, run: str) -> None:
    """The sentence lists the formats."""
    response = client.get(f"{run}/equity", headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert "'image/png' matches none of application/json, text/csv" in response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ("format=xlsx", "format", "'json', 'csv', 'parquet' or 'arrow'"),
        ("limit=0", "limit", "greater than or equal to 1"),
        ("limit=10001", "limit", "less than or equal to 10000"),
        ("offset=-1", "offset", "greater than or equal to 0"),
        ("cursor=nonsense", "cursor", "'nonsense' is not a cursor"),
        ("cursor=5-00000000", "cursor", "is not a cursor of this table with these filters"),
        ("format=csv&limit=5", "limit", "applies to JSON only"),
        ("symbl=BTC_KRW", "symbl", "did you mean 'symbol'?"),
        ("traded=perhaps", "traded", "valid boolean"),
    ],
)
def test_a_wrong_query_is_422_and_names_the_field(
    client: TestClient, run: str, query: str, field: str, reason: str
) -> None:
    """Nothing is ignored silently."""
    response = client.get(f"{run}/signals?{query}")
    assert response.status_code == 422
    (problem,) = response.json()["errors"]
    assert problem["field"] == field
    assert reason in problem["message"]


def test_a_cursor_belongs_to_its_table_and_filters(client: TestClient, run: str) -> None:
    """With other filters it would skip rows without a word."""
    cursor = client.get(f"{run}/signals?limit=5&traded=true").json()["next_cursor"]
    assert client.get(f"{run}/signals?limit=5&traded=true&cursor={cursor}").status_code == 200
    for url in (f"{run}/signals?cursor={cursor}", f"{run}/trades?cursor={cursor}"):
        assert client.get(url).status_code == 422
    both = client.get(f"{run}/signals?traded=true&offset=5&cursor={cursor}")
    assert "cannot be combined with a cursor" in both.json()["detail"]


def test_only_signals_have_the_filter_traded(client: TestClient, run: str) -> None:
    """Every trade was traded."""
    assert client.get(f"{run}/trades?traded=true").status_code == 422


@pytest.mark.parametrize("file", [*FILES, "json"])
def test_head_has_the_headers_of_get(client: TestClient, run: str, file: str) -> None:
    """A client learns type, name and validator without the rows."""
    head, get = (client.request(method, f"{run}/signals?format={file}") for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


def test_a_cached_table_is_not_sent_again(client: TestClient, run: str) -> None:
    """The validator depends on content, format and filters."""
    url = f"{run}/signals?format=csv"
    etag = client.get(url).headers["etag"]
    for header in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        response = client.get(url, headers={"If-None-Match": header})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", etag)
    for other in (f"{url}&traded=true", f"{run}/signals?format=arrow", f"{run}/trades?format=csv"):
        assert client.get(other, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_a_task_without_a_result_is_described(client: TestClient, name: TableName) -> None:
    """Unknown and failed tasks are answered like the result itself."""
    task_id = client.post("/api/backtests/run-async", json=BODY).json()["task_id"]
    for run_id in (task_id, "unknown", "not a run id"):
        table, result = (client.get(f"/api/backtests/{run_id}{path}") for path in (f"/{name}?format=csv", ""))
        assert (table.status_code, table.json()) == (404, result.json())


@pytest.mark.parametrize("path", ["", "/download"])
def test_a_full_document_has_every_row(client: TestClient, run: str, path: str) -> None:
    """The document itself has the first and last rows of each symbol."""
    full, stored = (client.get(f"{run}{path}{query}") for query in ("?full=true", ""))
    assert full.headers["content-type"] == stored.headers["content-type"] == "application/json"
    assert full.headers.get("content-disposition") == stored.headers.get("content-disposition")
    counts = [[len(part["signals"]) for part in response.json()["symbols"]] for response in (full, stored)]
    assert (sum(counts[0]), counts[1]) == (ROWS, [2, 0, 2])
    assert list(full.json()) == list(stored.json())
    assert client.get(f"/api/backtests/unknown{path}?full=true").status_code == 404


def test_a_damaged_table_is_like_a_damaged_result(client: TestClient, data_root: Path) -> None:
    """It is noticed before the response has started."""
    publish_tables(LocalStore(data_root), "damaged", sample_tables(3))
    run, path = "/api/backtests/damaged", data_root / "tasks/damaged/signals.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    damaged = client.get(f"{run}/signals?format=csv")
    path.with_name("result.json").write_bytes(b"{}")
    result = client.get(run)
    assert damaged.status_code == result.status_code >= 500
    assert str(data_root) not in damaged.text


@pytest.mark.parametrize("file", [*FILES, "json"])
def test_a_legacy_result_has_its_rows_in_every_format(client: TestClient, data_root: Path, file: str) -> None:
    """Times with an offset and Z are read; what such a result lacks is null."""
    legacy = store_document(data_root, "late_signal_lists", RESULTS["late_signal_lists"])
    response = client.get(f"{legacy}/signals?format={file}").raise_for_status()
    signal = {**RESULTS["late_signal_lists"]["symbols"][0]["signals"][0], "timestamp": "2024-03-04T00:00:00Z"}
    items = (
        response.json()["items"]
        if file == "json"
        else to_items(FILES[file][2](response.content, TABLE_SCHEMAS["signals"]), "signals")
    )
    assert items == [{**signal, "traded": None}]


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_a_result_with_counts_only_has_no_tables(client: TestClient, data_root: Path, name: TableName) -> None:
    """Early results of the legacy platform contain the number of their signals; the sentence explains that."""
    url = store_document(data_root, "early_integer_signals", RESULTS["early_integer_signals"])
    response = client.get(f"{url}/{name}?format=parquet")
    assert response.status_code == 404
    assert f"has no table of {name}" in response.json()["detail"]


@pytest.mark.parametrize(
    "symbol", ["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", '"', "a,b\r\nc", "\u202e\ud55c\uae00", "\ud800", "\x00"]
)
def test_hostile_names_of_a_legacy_result_do_no_harm(client: TestClient, data_root: Path, symbol: str) -> None:
    """Symbols of this platform are validated, those of copied documents are not: JSON and CSV stay valid."""
    signal = {"timestamp": "2024-01-01T00:00:00.5Z", "entry_price": 1e-320, "exit_price": -0.0, "return_pct": 1e18}
    url = store_document(data_root, "hostile", {"symbols": [{"symbol": symbol, "signals": [signal]}]})
    (item,) = client.get(f"{url}/signals?format=json").json()["items"]
    assert item["timestamp"] == "2024-01-01T00:00:00.500000000Z"
    assert [item[name] for name in ("entry_price", "exit_price", "return_pct")] == [1e-320, -0.0, 1e18]
    text = client.get(f"{url}/signals?format=csv").text
    (name,) = (row[0] for row in list(csv.reader(io.StringIO(text, newline="")))[1:])
    assert name.lstrip("'") == item["symbol"]
    assert not name.startswith(("=", "+", "-", "@", "\t", "\r"))
