"""The page at /docs: Swagger UI with files of this package, so that it works without a network."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FILES = Path(__file__).with_name("swagger_ui")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy of the page; Swagger UI sets styles of elements, and its icons are data URLs."""


class _DocsFiles(StaticFiles):
    """Static files with a content security policy."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or the redirection or error that stands for it."""
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = _POLICY
        return response


def mount_docs(app: FastAPI) -> None:
    """Serve the page and its files under /docs."""
    app.mount("/docs", _DocsFiles(directory=FILES, html=True), name="docs")
