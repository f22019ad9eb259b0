"""A client of the running API: answers as they are, and a sentence where there is none."""

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from coin_pipeline.errors import ApiUnreachable, InvalidInput, Problem, ServiceUnavailable

TIMEOUT_S = 90
_PORT = 8000


class ApiResponse(NamedTuple):
    """An answer: its status code, its body, and after how many seconds it was there."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> dict[str, Any]:
        """Return the object in the body, or raise ServiceUnavailable: this is not our API."""
        try:
            told = json.loads(self.body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise ServiceUnavailable("what answers at --api is another program; name the API that 'coin up' prints")
        return told

    @property
    def refusal(self) -> str:
        """Status and reason, for an answer that is not the one hoped for."""
        return f"{self.status} {self.json().get('detail', '')}".strip()


class ApiClient:
    """The API at a base URL."""

    def __init__(self, url: str) -> None:
        self._start = start_command(url)
        self._answered = False
        self._absent: ApiUnreachable | None = None
        self.url = url.rstrip("/")

    def get(self, path: str) -> ApiResponse:
        """Fetch a path.

        Raises:
            ApiUnreachable: nobody answers; nobody is asked again after nobody answered the first time.
        """
        return self._ask(urllib.request.Request(self.url + path))  # noqa: S310 -- http or https, as checked

    def post(self, path: str, body: dict[str, Any]) -> ApiResponse:
        """Send an object to a path; raises as `get` does."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, headers))  # noqa: S310 -- see above

    def _ask(self, request: urllib.request.Request) -> ApiResponse:
        if self._absent:
            raise self._absent
        began = time.perf_counter()
        try:
            status, body = _exchange(request)
        except (OSError, http.client.HTTPException) as error:
            absent = ApiUnreachable(self.url, getattr(error, "reason", error), self._start)
            self._absent = None if self._answered else absent
            raise absent from error
        self._answered = True
        return ApiResponse(status, body, time.perf_counter() - began)


def _exchange(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 -- see above
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def start_command(url: str) -> str:
    """Return the command that serves an API there.

    Raises:
        InvalidInput: it is no URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or http.client.HTTP_PORT
    except ValueError:  # a port that is none
        host, port = None, _PORT
    if host is None or parts.scheme not in {"http", "https"}:
        raise InvalidInput([Problem("--api", f"{url[:80]!r} is not a URL; write http://127.0.0.1:{_PORT}")])
    here = parts.scheme == "http" and host in {"127.0.0.1", "localhost"}
    return f"coin up --api-port {port}" if here and port != _PORT else "coin up"
