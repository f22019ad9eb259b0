"""Contents that are written before they are stored."""

import tempfile
from io import BytesIO
from mmap import mmap
from pathlib import Path

import pyarrow as pa
import pytest

from coin_pipeline.errors import ObjectCorrupt, StorageFull
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.spooled import MAX_IN_MEMORY, map_object, spool
from tests.small_disk import small_disk

LARGE = MAX_IN_MEMORY + 1


def test_a_small_content_stays_in_memory() -> None:
    """No file is needed for a small content."""
    assert spool(lambda file: file.write(b"abc"), MAX_IN_MEMORY, "a table") == b"abc"


def test_a_large_content_is_mapped_from_a_file() -> None:
    """A large content is a view of a file."""
    content = spool(lambda file: file.write(b"abc"), LARGE, "a table")
    assert isinstance(content, mmap)
    assert content[:] == b"abc"


def test_a_mapped_content_is_stored_like_bytes(tmp_path: Path) -> None:
    """A store takes a mapped content."""
    store = LocalStore(tmp_path)
    store.put("results/r1/signals.parquet", spool(lambda file: file.write(b"abc"), LARGE, "a table"))
    assert store.get("results/r1/signals.parquet") == b"abc"


def test_a_full_disk_of_temporary_files_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what did not fit."""
    with small_disk(tmp_path, 1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with pytest.raises(StorageFull, match="the temporary file of a table"):
            spool(lambda file: file.write(bytes(2 * 2**20)), LARGE, "a table")


def test_a_mapped_object_outlives_its_deletion(tmp_path: Path) -> None:
    """The op outputs of a run are deleted while their views exist."""
    store = LocalStore(tmp_path)
    store.put("runs/r1/part", b"abc")
    content = map_object(store, "runs/r1/part")
    store.delete("runs/r1/part")
    assert content[:] == b"abc"


def test_a_damaged_object_is_not_mapped(tmp_path: Path) -> None:
    """An object is verified before it is mapped."""
    store = LocalStore(tmp_path)
    store.put("runs/r1/part", b"abc")
    (tmp_path / "runs/r1/part").write_bytes(b"abd")
    with pytest.raises(ObjectCorrupt):
        map_object(store, "runs/r1/part")


def test_a_table_of_a_mapped_object_takes_no_memory(tmp_path: Path) -> None:
    """Arrow reads the columns where they are."""
    table, sink = pa.table({"value": pa.array(range(100_000))}), BytesIO()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    store = LocalStore(tmp_path)
    store.put("runs/r1/part", sink.getvalue())
    before = pa.total_allocated_bytes()
    mapped = pa.ipc.open_file(pa.BufferReader(map_object(store, "runs/r1/part"))).read_all()
    assert mapped == table
    assert pa.total_allocated_bytes() == before
