"""The data of a report as the text of its `<script type="application/json">` elements."""

import base64
import gzip
import json

from coin_pipeline.report.payload import ReportData

_LEVEL = 4  # level 3 is slower for these numbers, and level 5 takes twice the time for 2 % less


def encode_data(data: ReportData) -> str:
    """Return the data as JSON with one key, `gzip`: its JSON, compressed, in Base64.

    Many trades take about half of the space that way. The text has no character with a meaning in HTML.
    """
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return json.dumps({"gzip": base64.b64encode(gzip.compress(content, _LEVEL, mtime=0)).decode()})
