"""Contents of files as memory that Linux loads when it is read; a run gives it back after each part."""

from collections.abc import Iterator
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from _typeshed import HasFileno, ReadableBuffer

PIECE_BYTES = 2**20
KEPT_BYTES = 16 * 2**20
"""Size of all mapped files together up to which their memory is kept."""
_mapped: WeakSet[mmap] = WeakSet()


def map_file(file: "HasFileno") -> mmap:
    """Return the content of an open file that is not empty as read-only memory; the file may be closed."""
    content = mmap(file.fileno(), 0, access=ACCESS_READ)
    _mapped.add(content)
    return content


def release_pages() -> None:
    """Give back the memory of all mapped files unless they are small; what is read again is loaded again.

    Linux would do so only when memory is short, and until then counts it as that of the process.
    """
    contents = list(_mapped)
    if sum(map(len, contents)) > KEPT_BYTES:
        for content in contents:
            content.madvise(MADV_DONTNEED)


def pieces(content: "ReadableBuffer") -> Iterator[memoryview]:
    """Yield a content in pieces, and give back the memory of each piece of a mapped file."""
    view = memoryview(content).cast("B")
    if not isinstance(content, mmap):
        yield view
        return
    for start in range(0, len(view), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]
        content.madvise(MADV_DONTNEED, start, PIECE_BYTES)
