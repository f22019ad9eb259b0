"""Write docs/openapi.json, and report what breaks clients of the last release: python -m scripts.openapi [--check].

With --check, nothing is written: exits with 1 if the file is not current or a change breaks clients.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from coin_api.app import create_app
from coin_pipeline.settings import Settings
from scripts.openapi_changes import breaking_changes

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/openapi.json"
RELEASED = ROOT / "tests/upgrade/openapi-0.1.0.json"
"""The document of the last release; a release replaces it."""
INTENDED = {
    r"the body\.(initial_cash|position_size|stop_loss|take_profit|trailing_stop) has the limit": "the server of the"
    " release rejected such values too, without stating it in the document",
    r"(events|trials): the response 200 has no application/json": "the response was never JSON: the document was wrong",
    r"upload: a body is now required": "the server of the release rejected an upload without a file too",
}
"""Patterns of breaking changes since the last release that are intended, with the reason."""


def current() -> str:
    """Return the document of this version as the text of the file."""
    return json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def unintended_changes(document: dict[str, Any]) -> list[str]:
    """Return the changes since the last release that break clients and match no pattern of INTENDED."""
    changes = breaking_changes(json.loads(RELEASED.read_text()), document)
    return [change for change in changes if not any(re.search(pattern, change) for pattern in INTENDED)]


def main() -> int:
    """Write or check the document."""
    text, check = current(), "--check" in sys.argv[1:]
    if not check:
        DOCUMENT.write_text(text)
    elif text != DOCUMENT.read_text():
        print("docs/openapi.json is not current; run: make openapi")
        return 1
    changes = unintended_changes(json.loads(text))
    for change in changes:
        print(f"breaks clients of the last release: {change}")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
