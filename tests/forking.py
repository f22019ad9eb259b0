"""Processes that start at once: they are forked from a server that has already imported what they use."""

import multiprocessing
from multiprocessing.context import ForkServerContext

IMPORTED = (
    "pytest",
    "alembic.command",
    "hypothesis",
    "coin_pipeline.candles.collect",
    "coin_pipeline.cli.fetch",
    "coin_pipeline.cli.views.backtest",
    "coin_pipeline.cli.views.progress",
    "coin_pipeline.database.engine",
    "coin_pipeline.orchestration.worker_pool.worker",
    "coin_pipeline.results.reindex",
    "coin_pipeline.settings",
    "coin_pipeline.storage.s3",
)


def forking() -> ForkServerContext:
    """Return a context that starts processes; their environment is that of the first one in this test session."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context
