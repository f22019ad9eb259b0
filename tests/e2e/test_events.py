"""Following and naming tasks of the running platform."""

import json
import uuid
from typing import Any

from tests.e2e.conftest import Platform
from tests.e2e.test_platform import BODY


def events(platform: Platform, place: str, last_event_id: str | None = None) -> tuple[int, list[tuple[int, Any]]]:
    """Follow a task to its end; return the status code and each event's id and data."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    seen = []
    with platform.api.stream("GET", f"{place}/events", headers=headers) as answer:
        mark = -1
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                mark = int(value)
            elif name == "data":
                seen.append((mark, json.loads(value)))
        return answer.status_code, seen


def test_a_backtest_is_followed_to_its_end(platform: Platform) -> None:
    """Its moves in order, the end as the poll tells it without its result, and nothing more for who has seen that."""
    place = platform.api.post("/api/backtests/run-async", json=BODY).headers["Location"]
    code, seen = events(platform, place)
    assert code == 200
    order = ["queued", "running", "completed"]
    assert [order.index(data["status"]) for _, data in seen] == sorted(order.index(data["status"]) for _, data in seen)
    assert [mark for mark, _ in seen] == sorted({mark for mark, _ in seen})
    polled = platform.api.get(place).json()
    assert polled.pop("result")
    assert seen[-1][1] == polled
    assert events(platform, place, str(seen[-1][0])) == (204, [])


def test_a_task_has_the_id_that_was_asked_for(platform: Platform) -> None:
    """The run has it in Dagster too; a repetition finds it, another body is refused."""
    task_id = str(uuid.uuid4())
    url = f"/api/backtests/run-async?task_id={task_id}"
    answers = [platform.api.post(url, json=BODY) for _ in range(2)]
    assert [answer.json()["task_id"] for answer in answers] == [task_id] * 2
    other = platform.api.post(url, json={**BODY, "fee_rate": 0.002})
    assert (other.status_code, task_id in other.json()["detail"]) == (409, True)
    place = answers[0].headers["Location"]
    (*_, (_, end)) = events(platform, place)[1]
    assert (end["status"], end["dagster_url"]) == ("completed", f"{platform.ui_url}/runs/{task_id}")
