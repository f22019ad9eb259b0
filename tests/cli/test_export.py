"""The export of a result's tables."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from coin_pipeline.backtest.tables import TABLE_NAMES
from coin_pipeline.cli.app import coin
from coin_pipeline.cli.results import export_table
from coin_pipeline.errors import InvalidInput, ObjectCorrupt, StorageFailed, TableNotStored
from coin_pipeline.results.table_formats import FORMATS
from coin_pipeline.results.tables import open_table
from coin_pipeline.storage.local import LocalStore
from tests.result_tables import publish_tables, sample_tables, signals_table

ROWS = 500
SIGNALS = signals_table(ROWS)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A store under DATA_ROOT with the tables of one task."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    store = LocalStore(tmp_path)
    publish_tables(store, "t", sample_tables(ROWS))
    return store


def export(*arguments: object) -> Result:
    """Run the command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ["results", "export", *map(str, arguments)], catch_exceptions=False)


def test_a_file_is_what_the_api_sends(store: LocalStore, tmp_path: Path) -> None:
    """Command and API share the encoders; the suffix of the file selects one."""
    for name, known in FORMATS.items():
        path = tmp_path / f"signals{known.suffix}"
        assert "500 rows of signals written to" in export("t", "signals", "--output", path).stderr
        with open_table(store, "t", "signals") as table:
            assert path.read_bytes() == b"".join(known.encode(table)), name


def test_standard_output_is_the_default_and_csv(store: LocalStore) -> None:
    """Nothing but the table is written to it."""
    assert store
    result = export("t", "trades")
    lines = result.stdout.splitlines()
    assert len(lines) == 1 + ROWS
    assert lines[0].startswith('"symbol","entry_time","exit_time"')
    assert result.stderr == ""


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_format_overrides_the_suffix(store: LocalStore, tmp_path: Path, file_format: str) -> None:
    """As does ?format= in the API."""
    assert store
    path = tmp_path / "table.txt"
    export("t", "signals", "--output", path, "--format", file_format, "--symbol", "KRW-ETH")
    data = path.read_bytes()
    read = {
        "csv": lambda: pa.csv.read_csv(path),
        "json": lambda: pa.Table.from_pylist(json.loads(data)),
        "parquet": lambda: pq.read_table(path),
        "arrow": lambda: pa.ipc.open_stream(data).read_all(),
    }[file_format]()
    assert set(read["symbol"].to_pylist()) == {"ETH_KRW"}
    assert read["exit_price"].to_pylist() == SIGNALS["exit_price"].to_pylist()[ROWS // 2 :]


def test_an_existing_file_is_replaced_only_with_force(store: LocalStore, tmp_path: Path) -> None:
    """The error names the remedy, and leaves the file as it was."""
    assert store
    path = tmp_path / "equity.csv"
    path.write_text("mine")
    with pytest.raises(InvalidInput, match="already exists; choose another name, or replace it with --force"):
        export("t", "equity", "--output", path)
    assert path.read_text() == "mine"
    export("t", "equity", "--output", path, "--force")
    assert len(path.read_text().splitlines()) == 1 + ROWS


def test_a_failed_export_leaves_no_file(store: LocalStore, tmp_path: Path) -> None:
    """Neither a damaged table nor a missing folder leaves a part of a file."""
    with pytest.raises(StorageFailed, match="No such file or directory"):
        export("t", "signals", "--output", tmp_path / "absent/signals.csv")
    (store.root / "tasks/t/signals.parquet").write_bytes(b"PAR1")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ObjectCorrupt):
        export("t", "signals", "--output", tmp_path / "signals.csv")
    assert sorted(tmp_path.iterdir()) == before


def test_a_result_without_rows_is_explained(store: LocalStore) -> None:
    """An early result of the legacy platform has only the number of its signals."""
    store.put("results/early.json", b'{"symbols": [{"symbol": "BTC_KRW", "signals": 7}]}')
    with pytest.raises(TableNotStored, match="only the number of its signals"):
        export("early", "signals")


def test_a_reader_that_stops_ends_the_command(store: LocalStore) -> None:
    """As in `coin results export ... | head -1`: no traceback."""
    publish_tables(store, "long", {"signals": signals_table(50_000)})
    command = [sys.executable, "-m", "coin_pipeline.cli", "results", "export", "long", "signals"]
    environment = {**os.environ, "DATA_ROOT": str(store.root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as program:
        assert program.stdout
        assert program.stderr
        assert program.stdout.readline().startswith(b'"symbol"')
        program.stdout.close()
        assert program.stderr.read() == b""


def test_a_terminal_gets_no_binary_format(store: LocalStore) -> None:
    """It would print noise, and may even act on it."""
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "coin_pipeline.cli", "results", "export", "t", "signals", "--format", "parquet"]
    environment = {**os.environ, "DATA_ROOT": str(store.root)}
    done = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, env=environment, check=False, text=True)
    os.close(terminal)
    os.close(main)
    assert done.returncode == 2
    assert "parquet is not text for a terminal; add --output FILE" in done.stderr


def test_the_choices_are_all_tables_and_formats() -> None:
    """They are literals in the command, whose help must not import Arrow."""
    choices = {param.name: param.type.choices for param in export_table.params if hasattr(param.type, "choices")}
    assert choices["table"] == TABLE_NAMES
    assert set(choices["file_format"]) == set(FORMATS)
