"""Take the screenshots of the documentation: a report, the comparison of results and a sweep, of synthetic candles.

Usage: .venv/bin/python -m scripts.screenshots

Needs Chromium. Starts a platform of its own, on free ports over a temporary DATA_ROOT, and stops it at the end.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from playwright.sync_api import Browser

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.cli.backtests import DEMO_END, DEMO_SEED, DEMO_START, DEMO_SYMBOL
from tests.browser import opened_browser
from tests.platforms import Platform, follow, start_platform, stop_platform

DOCS = Path(__file__).parents[1] / "docs"
IMAGES = {"en": DOCS / "images", "ko": DOCS / "ko" / "images"}
"""Folder of the pictures in each language."""
MAX_BYTES = 150_000
SPEC: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": [DEMO_SYMBOL],
    "start_date": DEMO_START.isoformat(),
    "end_date": DEMO_END.isoformat(),
}
SPACE = {"volume_window": "5:60:5", "top_percentile": "0.05:0.5:0.05"}


class Picture(NamedTuple):
    """A screenshot.

    Attributes:
        name: Its file, without the suffix.
        path: Path of the page.
        language: Language of the page.
        scheme: `light` or `dark`.
        ready: Selector of what is there once the page is drawn.
        top: Selector of what is at the top.
        button: Name of a button to press before; empty for none.
    """

    name: str
    path: str
    language: str
    scheme: Literal["light", "dark"]
    ready: str
    top: str
    button: str = ""


def main() -> None:
    """Take all screenshots."""
    with TemporaryDirectory() as folder:
        store_candles(Path(folder))
        platform = start_platform(Path(folder))
        try:
            pictures = prepare(platform)
            with opened_browser() as browser:
                for picture in pictures:
                    take(browser, str(platform.api.base_url).rstrip("/"), picture)
        finally:
            stop_platform(platform)


def store_candles(root: Path) -> None:
    """Store the candles of `coin demo`."""
    daily = parse_timeframe("1d")
    candles = synthetic_candles(DEMO_SEED, daily, DEMO_START, (DEMO_END - DEMO_START).days + 1)
    CandleCatalog(root).merge(DEMO_SYMBOL, daily, candles)


def prepare(platform: Platform) -> list[Picture]:
    """Compute the results; return what is to be shown of them."""
    windows = (10, 20, 40)
    runs = [run(platform, "/api/backtests/run-async", params={"volume_window": window}) for window in windows]
    sweep = run(platform, "/api/sweeps", space=SPACE)
    compared = "&".join(f"run={run_id}" for run_id in runs)
    report = f"reports/{runs[0]}"
    return [
        Picture("report", report, "en", "light", "html[data-ready]", "#charts", "3 mo"),
        Picture("report", report, "ko", "dark", "html[data-ready]", "#charts", "3개월"),
        Picture("compare", f"app/compare?{compared}", "en", "light", "#comparison canvas", "h1"),
        Picture("sweep", f"app/sweeps/{sweep}", "en", "light", "svg", "h2:has(+ .note + .picture.wide)"),
    ]


def run(platform: Platform, path: str, **fields: Any) -> str:  # noqa: ANN401 -- any field of a request
    """Submit a request and wait for its end; return the id of the task."""
    answer = platform.api.post(path, json={**SPEC, **fields})
    answer.raise_for_status()
    follow(platform.api, answer.headers["Location"])
    return str(answer.json()["task_id"])


def take(browser: Browser, url: str, picture: Picture) -> None:
    """Take a screenshot.

    Raises:
        ValueError: It is too large for a repository.
    """
    page = browser.new_page(viewport={"width": 1200, "height": 700}, color_scheme=picture.scheme)
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{url}/{picture.path}{'&' if '?' in picture.path else '?'}lang={picture.language}")
    page.wait_for_selector(picture.ready, state="attached")
    if picture.button:
        page.get_by_role("button", name=picture.button, exact=True).click()
    page.locator(picture.top).first.evaluate("(element) => element.scrollIntoView()")
    page.wait_for_timeout(500)  # charts draw in the next frames
    image = page.screenshot(path=IMAGES[picture.language] / f"{picture.name}.png")
    page.close()
    print(f"{picture.name}.png: {len(image):,} bytes")
    if len(image) > MAX_BYTES:
        raise ValueError(f"{picture.name}.png has {len(image):,} bytes; at most {MAX_BYTES:,} belong in the repository")


if __name__ == "__main__":
    main()
