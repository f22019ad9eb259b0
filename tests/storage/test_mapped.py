"""Files as memory that is given back."""

from mmap import mmap
from pathlib import Path

import pytest

from coin_pipeline.storage.base import sha256_hex
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.storage.mapped import KEPT_BYTES, map_file, release_pages

SIZE = 2 * KEPT_BYTES
HALF_MIB = SIZE >> 21


@pytest.fixture
def content(tmp_path: Path) -> mmap:
    """A mapped file that is large enough for its memory to be given back."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (SIZE // 256))
    with path.open("rb") as file:
        return map_file(file)


def mapped_mib() -> int:
    """Return the memory of this process that belongs to files, MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile"))
    return int(line.split()[1]) >> 10


def test_released_pages_are_read_again(content: mmap) -> None:
    """Their memory is free, and their content is the same."""
    before = mapped_mib()
    data = content[:]
    assert mapped_mib() - before > HALF_MIB
    release_pages()
    assert mapped_mib() - before < HALF_MIB
    assert content[:] == data


def test_digests_and_writes_take_no_memory(content: mmap, tmp_path: Path) -> None:
    """A content is read piece by piece."""
    before, store = mapped_mib(), LocalStore(tmp_path / "store")
    digest = sha256_hex(content)
    store.put("results/r1/equity.parquet", content)
    assert mapped_mib() - before < HALF_MIB
    assert sha256_hex(store.get("results/r1/equity.parquet")) == digest == sha256_hex(content[:])
