"""Processes that start at once: they are forked from a server that has already imported what they use."""

import multiprocessing
import multiprocessing.forkserver
import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory

from coin_pipeline.cli.app import main

IMPORTED = (
    "pytest",
    "alembic.command",
    "hypothesis",
    "coin_pipeline.candles.collect",
    "coin_pipeline.cli.fetch",
    "coin_pipeline.cli.migrate",
    "coin_pipeline.cli.results",
    "coin_pipeline.cli.retention",
    "coin_pipeline.cli.views.backtest",
    "coin_pipeline.cli.views.progress",
    "coin_pipeline.database.engine",
    "coin_pipeline.defs.build",
    "coin_pipeline.orchestration.worker_pool.worker",
    "coin_pipeline.results.reindex",
    "coin_pipeline.settings",
    "coin_pipeline.storage.s3",
)


_session: dict[str, str] = {}


def keep_session_environment() -> None:
    """Keep the environment of the test session for the server, which may start in a test with settings of its own."""
    _session.clear()
    _session.update(os.environ)


def forking() -> ForkServerContext:
    """Return a context that starts processes, which inherit the environment of the test session."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    own = dict(os.environ)
    try:
        os.environ.update(_session)
        for name in own.keys() - _session.keys():
            del os.environ[name]
        multiprocessing.forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(own)
    return context


def run_coin(
    *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `coin` in a process of its own and return its output; importing its code again would take seconds.

    Args:
        arguments: Arguments of `coin`.
        cwd: Working directory; by default, that of this process.
        environment: Complete environment; by default, that of this process.
    """
    with TemporaryDirectory() as folder:
        outputs = (Path(folder) / "stdout", Path(folder) / "stderr")
        process = forking().Process(
            target=_coin, args=(arguments, cwd or Path.cwd(), dict(environment or os.environ), outputs)
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(arguments, process.exitcode, *(path.read_text() for path in outputs))


def _coin(arguments: tuple[str, ...], cwd: Path, environment: dict[str, str], outputs: tuple[Path, Path]) -> None:
    for descriptor, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["coin", *arguments]
    main()
