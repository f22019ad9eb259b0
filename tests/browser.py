"""Chromium for tests, with names of its own for web sites on this machine."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)

requires_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """Yield a browser with a new profile, in which every name that ends in .test leads to this machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


_AXE = Path(__file__).parent / "data" / "axe" / "axe.min.js"
_SERIOUS = {"serious", "critical"}


def axe_findings(page: Page) -> list[str]:
    """Return the serious findings of axe-core in a page: the rule and the first elements that break it."""
    page.evaluate(_AXE.read_text("utf-8"))  # outside of the page's content security policy
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
    return [
        f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}"
        for rule in found
        if rule["impact"] in _SERIOUS
    ]


HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style></title><iframe srcdoc='<script>parent.alert(1)</script>'>",
    "{{7*7}}${7*7}<!--",
    "&lt;b&gt;&#x3c;script&#x3e;",
    "\u2028alert(1)\u2029",
    "__proto__",
)
"""Texts that are markup or code where a page fails to take them as data."""
