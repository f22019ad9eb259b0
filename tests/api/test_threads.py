"""Threads of kinds of routes."""

import threading
from concurrent.futures import ThreadPoolExecutor

from coin_api.tasks import RunSubmission, SubmissionId, Task
from coin_pipeline.candles.catalog import CandleCatalog
from tests.api.conftest import client_of
from tests.api.test_service import BODY
from tests.fakes import FakeOrchestrator

SUBMISSIONS, SUBMITTING = 12, 3


class WaitingOrchestrator(FakeOrchestrator):
    """Stores no run until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting, self.released = threading.Semaphore(0), threading.Event()

    def submit(self, submission: RunSubmission, submission_id: SubmissionId) -> Task:
        """Wait for the release, then record the submission."""
        self.waiting.release()
        assert self.released.wait(60)
        return super().submit(submission, submission_id)


def test_requests_are_answered_while_submissions_wait(candles: CandleCatalog) -> None:
    """A cancellation is answered although more submissions than FastAPI has threads wait for the database."""
    assert candles
    orchestrator = WaitingOrchestrator()
    with client_of(orchestrator) as client, ThreadPoolExecutor(SUBMISSIONS) as pool:
        try:
            accepted = [pool.submit(client.post, "/api/backtests/run-async", json=BODY) for _ in range(SUBMISSIONS)]
            for _ in range(SUBMITTING):
                assert orchestrator.waiting.acquire(timeout=30)
            cancelled = client.post("/api/backtests/unknown/cancel").status_code
        finally:
            orchestrator.released.set()
        assert cancelled == 404  # the fake has no such run
        assert {future.result().status_code for future in accepted} == {202}
