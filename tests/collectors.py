"""`coin candles get` in separate processes."""

import hashlib
import os
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from coin_pipeline.cli.app import coin


def collector(forks: ForkServerContext, root: Path, url: str, arguments: Sequence[str]) -> ForkServerProcess:
    """Start `coin candles get` for a DATA_ROOT, against a server."""
    process = forks.Process(target=_get, args=(str(root), url, list(arguments)), daemon=True)
    process.start()
    return process


def _get(root: str, url: str, arguments: list[str]) -> None:
    os.environ.update({"DATA_ROOT": root, "COIN_UPBIT_URL": url})
    coin(["candles", "get", *arguments])


def digests(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under a folder, by relative path."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
