"""ASGI middleware: the limit on the size of request bodies, and HEAD requests."""

from http import HTTPStatus

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_api.errors import problem_response

MAX_BODY_BYTES = 1_000_000
UPLOAD = "/upload"
"""End of the paths that accept a file."""


class BodyLimit:
    """ASGI middleware that responds with 413 to a body over the limit, whether or not its length is declared."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body and pass it on if it is small enough; upload routes read and limit theirs themselves."""
        if scope["type"] != "http" or scope["path"].endswith(UPLOAD):
            await self._app(scope, receive, send)
            return
        body = b""
        more = True
        while more and len(body) <= MAX_BODY_BYTES:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            detail = f"the request body is larger than {MAX_BODY_BYTES} bytes"
            await problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


class HeadRequests:
    """ASGI middleware that responds to HEAD as to GET, without the body; a stream ends after its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a HEAD request on as GET and drop what is sent after the headers."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        with CancelScope() as running:

            async def send_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                elif message.get("more_body"):
                    running.cancel()

            await self._app({**scope, "method": "GET"}, receive, send_headers)
