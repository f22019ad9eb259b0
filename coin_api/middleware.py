"""How large a request body may be."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coin_api.errors import problem_response

MAX_BODY_BYTES = 1_000_000
UPLOAD = "/upload"
"""How paths end that take a file."""


class BodyLimit:
    """ASGI middleware: answers 413 to a larger body, whether its length is declared or only seen while reading."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body whole and pass it on if it is small enough; uploads are read, and limited, by their route."""
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
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)
