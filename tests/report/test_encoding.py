"""The data of a report survives its encoding, and nothing in it can end the script element."""

import base64
import gzip
import json
import re
from typing import Any

from coin_pipeline.report.encoding import encode_data

HOSTILE = "</script><script>alert(1)</script>\u2028&<!--"


def test_data_survives() -> None:
    """Decoding yields what was encoded."""
    data: Any = {"run_id": HOSTILE, "names": ["BTC_KRW"], "trades": {"total": 0}}
    encoded = json.loads(encode_data(data))
    assert json.loads(gzip.decompress(base64.b64decode(encoded["gzip"]))) == data


def test_text_has_no_markup() -> None:
    """Only Base64 and JSON's own characters reach the page."""
    data: Any = {"run_id": HOSTILE}
    assert re.fullmatch(r'\{"gzip": "[A-Za-z0-9+/=]+"\}', encode_data(data))


def test_same_data_same_text() -> None:
    """No time of day gets into the text."""
    data: Any = {"names": ["BTC_KRW"]}
    assert encode_data(data) == encode_data(data)
