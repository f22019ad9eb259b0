"""An API to start as a separate process, whose tasks complete within a moment with results like those of real runs."""

import os
import sys
from dataclasses import replace
from functools import partial
from threading import Timer

from coin_api.app import create_app
from coin_pipeline.database.session import Session
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.publish import publish_result
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.limits import Limits
from coin_pipeline.web.server import serve
from tests.api.conftest import NO_DATABASE
from tests.fakes import NOW, QUEUED, FakeOrchestrator
from tests.fuzz.results import files_of

DATABASE = "COIN_FUZZ_DATABASE"
"""Variable with the URL of the index of results."""
TASK_S = 0.1
"""Duration of a task."""


def app() -> Gate:
    """Build the application with the checks of host and origin, as `coin_api.app.from_environment` does."""
    settings, orchestrator = load_settings(), FakeOrchestrator()
    store, url = open_store(settings), os.environ.get(DATABASE, NO_DATABASE)
    index = ResultIndex(Session(url))

    def complete(task_id: str) -> None:
        task = orchestrator.tasks_by_id[task_id]
        if task.finished_at is None:
            if task.job != "refresh_candles":
                publish_result(store, files_of(task.job, task_id), index=index)
            orchestrator.tasks_by_id[task_id] = replace(task, status="completed", progress=1.0, finished_at=NOW)

    def submitted(task_id: str) -> None:
        timer = Timer(TASK_S, partial(complete, task_id))
        timer.daemon = True
        timer.start()

    orchestrator.outcome, orchestrator.then = replace(QUEUED, status="running"), submitted
    opened = create_app(settings, lambda _: orchestrator, find_database=lambda _: url)
    return Gate(opened, AccessPolicy.from_settings(settings), content_policy="default-src 'none'")


if __name__ == "__main__":
    serve(app(), "127.0.0.1", int(sys.argv[1]), Limits(connections=100))
