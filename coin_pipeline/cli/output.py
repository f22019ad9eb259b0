"""Output files named on the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from coin_pipeline.errors import InvalidInput, Problem
from coin_pipeline.storage.atomic import atomic_file, translate_os_errors


@contextmanager
def output_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yield a file for writing, which appears complete or not at all.

    Raises:
        InvalidInput: The file exists and `force` is False.
        StorageFailed: The file cannot be written; an existing one is unchanged.
    """
    if path.exists() and not force:
        message = f"{path} already exists; choose another name, or replace it with --force"
        raise InvalidInput([Problem("output", message)])
    with translate_os_errors(path), atomic_file(path, path.with_name(f".{path.name}.tmp"), replace=True) as file:
        yield file
