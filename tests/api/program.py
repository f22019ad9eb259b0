"""An API to start as a separate process, with one task that stays queued."""

from dataclasses import replace

from fastapi import FastAPI

from coin_api.app import create_app
from coin_pipeline.settings import load_settings
from tests.api.conftest import NO_DATABASE
from tests.fakes import QUEUED, FakeOrchestrator

TASK_ID = "11111111-1111-4111-8111-111111111111"


def app() -> FastAPI:
    """Build the application; the factory for uvicorn."""
    orchestrator = FakeOrchestrator(tasks_by_id={TASK_ID: replace(QUEUED, task_id=TASK_ID)})
    return create_app(load_settings(), lambda _: orchestrator, find_database=lambda _: NO_DATABASE)
