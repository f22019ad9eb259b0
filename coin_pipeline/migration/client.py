"""A client of the running API: answers as they are, and a sentence where there is none."""

import json
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from coin_pipeline.errors import InvalidInput, Problem, ServiceUnavailable

TIMEOUT_S = 90


class Answer(NamedTuple):
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


class Api:
    """The API at a base URL."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput([Problem("--api", f"{url[:80]!r} is not a URL; write http://127.0.0.1:8000")])
        self.url = url.rstrip("/")

    def get(self, path: str) -> Answer:
        """Fetch a path.

        Raises:
            ServiceUnavailable: nobody answers.
        """
        return self._ask(urllib.request.Request(self.url + path))  # noqa: S310 -- http or https, as checked

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """Send an object to a path; raises as `get` does."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, headers))  # noqa: S310 -- see above

    def _ask(self, request: urllib.request.Request) -> Answer:
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 -- see above
                return Answer(response.status, response.read(), time.perf_counter() - began)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), time.perf_counter() - began)
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ServiceUnavailable(f"{self.url} does not answer ({reason}); start it: coin up") from error
