"""The app on a socket, in a real browser that notes what a user would not see."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page

from tests.browser import opened_browser
from tests.platforms import wait_until


@dataclass
class Watched:
    """A page, with the errors in its console and the hosts that it requests from."""

    page: Page
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Yield the URL of an application, which runs in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@contextmanager
def watched_page() -> Iterator[Watched]:
    """Yield a new page of a new browser."""
    with opened_browser() as browser:
        watched = Watched(browser.new_page())
        page = watched.page
        page.on("console", lambda message: watched.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("request", lambda request: watched.hosts.add(urlsplit(request.url).netloc))
        yield watched
