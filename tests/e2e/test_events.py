"""Event streams of tasks, and task ids chosen by the client."""

import json
import uuid
from typing import Any

import pytest

from tests.platforms import BACKTEST, Platform

pytestmark = pytest.mark.launchers


def read_events(
    platform: Platform, status_url: str, last_event_id: str | None = None
) -> tuple[int, list[tuple[int, Any]]]:
    """Follow the event stream of a task until it closes; return the status code and the id and data of each event."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    events = []
    with platform.api.stream("GET", f"{status_url}/events", headers=headers) as answer:
        event_id = -1
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "id":
                event_id = int(value)
            elif field == "data":
                events.append((event_id, json.loads(value)))
        return answer.status_code, events


def test_event_stream_ends_with_the_final_status(platform: Platform) -> None:
    """Statuses arrive in order; the last equals the polled status without its result; resuming after it is a 204."""
    status_url = platform.api.post("/api/backtests/run-async", json=BACKTEST).headers["Location"]
    code, events = read_events(platform, status_url)
    assert code == 200
    order = ["queued", "running", "completed"]
    positions = [order.index(data["status"]) for _, data in events]
    assert positions == sorted(positions)
    assert [event_id for event_id, _ in events] == sorted({event_id for event_id, _ in events})
    polled = platform.api.get(status_url).json()
    assert polled.pop("result")
    assert events[-1][1] == polled
    assert read_events(platform, status_url, str(events[-1][0])) == (204, [])


def test_task_has_the_id_that_the_client_chose(platform: Platform) -> None:
    """The Dagster run has the same id; a repetition returns the task, another body is rejected."""
    task_id = str(uuid.uuid4())
    url = f"/api/backtests/run-async?task_id={task_id}"
    answers = [platform.api.post(url, json=BACKTEST) for _ in range(2)]
    assert [answer.json()["task_id"] for answer in answers] == [task_id] * 2
    other = platform.api.post(url, json={**BACKTEST, "fee_rate": 0.002})
    assert (other.status_code, task_id in other.json()["detail"]) == (409, True)
    _, events = read_events(platform, answers[0].headers["Location"])
    final = events[-1][1]
    assert (final["status"], final["dagster_url"]) == ("completed", f"{platform.ui_url}/runs/{task_id}")
