"""Client of the running API: responses of any status, or an error that names the command that starts the API."""

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from coin_pipeline.errors import ApiUnreachable, InvalidInput, Problem, ServiceUnavailable

TIMEOUT_S = 90
_PORT = 8000


class ApiResponse(NamedTuple):
    """A response: its status code, its body, and the seconds until it was complete."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body.

        Raises:
            ServiceUnavailable: The body is not a JSON object, so another program responded.
        """
        try:
            document = json.loads(self.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ServiceUnavailable("another program responds at --api; pass the API address that 'coin up' prints")
        return document

    @property
    def refusal(self) -> str:
        """Status code and reason of a response with an unexpected status."""
        return f"{self.status} {self.json().get('detail', '')}".strip()


class ApiClient:
    """Client of the API at a base URL.

    Args:
        url: The base URL.
        token: API token to send, if the API requires one.

    Raises:
        InvalidInput: `url` is not a valid URL.
    """

    def __init__(self, url: str, token: SecretStr | None = None) -> None:
        self._start_command = start_command(url)
        self._has_responded = False
        self._unreachable: ApiUnreachable | None = None
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}

    def get(self, path: str) -> ApiResponse:
        """Send a GET request.

        Raises:
            ApiUnreachable: The API does not respond. If the first request fails, later ones fail without being sent.
        """
        return self._send(urllib.request.Request(self.url + path, headers=self._headers))  # noqa: S310 -- http or https, as checked

    def post(self, path: str, body: dict[str, Any]) -> ApiResponse:
        """Send a POST request with a JSON body; raises as `get` does."""
        headers = {**self._headers, "Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._send(urllib.request.Request(self.url + path, data, headers))  # noqa: S310 -- see above

    def _send(self, request: urllib.request.Request) -> ApiResponse:
        if self._unreachable:
            raise self._unreachable
        began = time.perf_counter()
        try:
            status, body = _exchange(request)
        except (OSError, http.client.HTTPException) as error:
            unreachable = ApiUnreachable(self.url, getattr(error, "reason", error), self._start_command)
            self._unreachable = None if self._has_responded else unreachable
            raise unreachable from error
        self._has_responded = True
        return ApiResponse(status, body, time.perf_counter() - began)


def _exchange(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 -- see above
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def start_command(url: str) -> str:
    """Return the command that serves an API at `url`.

    Raises:
        InvalidInput: `url` is not a valid URL.

    >>> start_command("http://127.0.0.1:18000")
    'coin up --api-port 18000'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or http.client.HTTP_PORT
    except ValueError:  # an invalid port
        host, port = None, _PORT
    if host is None or parts.scheme not in {"http", "https"}:
        raise InvalidInput([Problem("--api", f"{url[:80]!r} is not a URL; write http://127.0.0.1:{_PORT}")])
    local = parts.scheme == "http" and host in {"127.0.0.1", "localhost"}
    return f"coin up --api-port {port}" if local and port != _PORT else "coin up"
