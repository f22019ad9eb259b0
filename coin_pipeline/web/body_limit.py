"""ASGI middleware that limits the size of request bodies."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_pipeline.web.problems import problem_response

MAX_BODY_BYTES = 1_000_000


class BodyLimit:
    """ASGI middleware that responds with 413 to a body over the limit, whether or not its length is declared.

    Args:
        app: The application.
        max_bytes: The limit.
        unlimited: End of the paths whose handlers read and limit the body themselves.
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES, unlimited: str | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body and pass it on if it is small enough; a request whose client has gone is dropped."""
        if scope["type"] != "http" or (self._unlimited and scope["path"].endswith(self._unlimited)):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more and len(body) <= self._max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > self._max_bytes:
            detail = f"the request body is larger than {self._max_bytes} bytes"
            await problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)
