"""Objects as files below one folder."""

import uuid
from collections.abc import Iterator
from pathlib import Path

from coin_pipeline.errors import ObjectExists, ObjectNotFound
from coin_pipeline.storage.atomic import storing, write_whole
from coin_pipeline.storage.base import check_key


class LocalStore:
    """An ObjectStore in the folder `root`; each object is written aside, synced, then linked into place."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes, *, overwrite: bool = False) -> None:
        """Store `data`; with overwrite=False a key that holds other bytes raises ObjectExists."""
        path = self._path(key)
        aside = path.parent / f".tmp-{uuid.uuid4().hex}"
        with storing(key):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                write_whole(path, data, aside, replace=overwrite)
            except FileExistsError:
                if path.read_bytes() != data:
                    raise ObjectExists(key) from None

    def get(self, key: str) -> bytes:
        """Return the bytes under `key`, or raise ObjectNotFound."""
        with storing(key):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise ObjectNotFound(key) from None

    def exists(self, key: str) -> bool:
        """Tell whether `key` holds an object."""
        with storing(key):
            return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key below the folder `prefix`, in order; files that are still being written are not there."""
        folder = self._path(prefix)
        with storing(prefix):
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    yield path.relative_to(self.root).as_posix()

    def delete(self, key: str) -> None:
        """Remove `key`, and folders that it leaves empty; one that is absent is not an error."""
        path = self._path(key)
        with storing(key):
            path.unlink(missing_ok=True)
        for folder in path.parents[: len(Path(key).parts) - 1]:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already
                break

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)
