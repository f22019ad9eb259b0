"""Request ids, the access log and what is measured, around an application behind the gate."""

import logging

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coin_pipeline import logs
from coin_pipeline.web.access import AccessPolicy
from coin_pipeline.web.gate import Gate
from coin_pipeline.web.request_log import OTHER_ROUTE, RequestLog, Served
from tests.web.asgi import ask, exchange, scope_of


async def answer_id(_request: Request) -> Response:
    """Respond with the id that a handler sees."""
    return PlainTextResponse(logs.request_id.get() or "none")


def accept(_request: Request) -> Response:
    """Accept a task."""
    return JSONResponse({}, 202, {"Location": "/api/backtests/status/task1"})


def fail(_request: Request) -> Response:
    """Raise an error that the application does not expect."""
    raise RuntimeError


ROUTES = [
    Route("/id", answer_id),
    Route("/tasks", accept, methods=["POST"]),
    Route("/tasks/{task_id}", answer_id),
    Route("/fails", fail),
    Route("/poll", answer_id),
]


def app(served: list[Served] | None = None) -> ASGIApp:
    """Return an application with a polled route; `served` receives what is observed."""
    gate = Gate(Starlette(routes=ROUTES), AccessPolicy())
    return RequestLog(gate, (served if served is not None else []).append, frozenset(["/poll"]))


@pytest.fixture
def access(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The access log."""
    caplog.set_level(logging.INFO, "coin.access")
    return caplog


def test_an_id_that_the_client_sent_is_used_and_returned() -> None:
    """A client can find its request in the log under its own id."""
    answer = ask(app(), path="/id", headers=[("X-Request-ID", "a-1.b:c_d")])
    assert (answer.headers["x-request-id"], answer.body) == ("a-1.b:c_d", b"a-1.b:c_d")


@pytest.mark.parametrize("sent", ["", "a b", "a\nb", "x" * 65, "é", '"'])
def test_an_id_that_could_forge_a_log_line_is_replaced(sent: str) -> None:
    """Ids with other characters, and long ones, are not taken over."""
    answer = ask(app(), path="/id", headers=[("X-Request-ID", sent)])
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.body.decode() == answer.headers["x-request-id"]


def test_refused_requests_have_an_id_too() -> None:
    """A problem contains the id of its request, also if the application never saw it."""
    answer = ask(app(), path="/id", headers=[("Host", "evil.test"), ("X-Request-ID", "r1")])
    assert answer.status == 403
    assert answer.headers["x-request-id"] == "r1"
    assert b'"request_id":"r1"' in answer.body


def test_a_request_is_logged_with_its_template(access: pytest.LogCaptureFixture) -> None:
    """The log has the route's template, not the path, whose length and content are the client's."""
    exchange(app(), scope_of("http", "/tasks/task1", [("X-Request-ID", "r1")], method="GET", client=("192.0.2.7", 1)))
    (record,) = access.records
    fields = logs.extra_fields(record)
    assert isinstance(fields.pop("ms"), float)
    assert fields == {
        "method": "GET",
        "route": "/tasks/{task_id}",
        "status": 200,
        "client": "192.0.2.7",
        "token": None,
        "task_id": "task1",
    }


@pytest.mark.parametrize("sent", ["x" * 65, "a b", "\u009b31m", "a\u2028b"])
def test_a_text_that_is_no_id_is_not_logged(access: pytest.LogCaptureFixture, sent: str) -> None:
    """It could be long, or control the terminal of a user who reads the log."""
    exchange(app(), scope_of("http", f"/tasks/{sent}", [], method="GET"))
    fields = logs.extra_fields(access.records[0])
    assert (fields["route"], fields["task_id"]) == ("/tasks/{task_id}", None)


def test_an_accepted_task_is_logged(access: pytest.LogCaptureFixture) -> None:
    """The line of a submission has the id of the task that it created."""
    ask(app(), "POST", "/tasks")
    assert logs.extra_fields(access.records[0])["task_id"] == "task1"


def test_polls_are_logged_only_if_they_fail(access: pytest.LogCaptureFixture) -> None:
    """Many polls a second would push everything else out of the log; they are measured nonetheless."""
    served: list[Served] = []
    ask(app(served), path="/poll")
    ask(app(served), "PUT", "/poll")
    assert [(seen.route, seen.status) for seen in served] == [("/poll", 200), ("/poll", 405)]
    assert [logs.extra_fields(record)["status"] for record in access.records] == [405]


def test_unknown_methods_and_paths_are_one_value() -> None:
    """A client cannot create values of labels."""
    served: list[Served] = []
    for method, path in [("GET", "/nowhere"), ("BREW", "/"), ("GET", "/id/../x")]:
        ask(app(served), method, path)
    assert {seen.route for seen in served} == {OTHER_ROUTE}
    assert {seen.method for seen in served} == {"GET", OTHER_ROUTE}


def test_an_unexpected_error_is_a_500() -> None:
    """An error that the application raises is observed as 500 and raised, so that the server logs it."""
    served: list[Served] = []
    with pytest.raises(RuntimeError):
        ask(app(served), path="/fails")
    assert served[0].status == 500


def test_times_are_those_of_the_request() -> None:
    """The response begins before it ends."""
    served: list[Served] = []
    ask(app(served), path="/id")
    assert 0 < served[0].started_s <= served[0].ended_s
