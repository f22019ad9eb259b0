"""Hypothesis strategies for requests: valid ones, and values of every kind in the place of any part of them."""

import json
from typing import Any

from hypothesis import strategies as st

INFINITY = float("inf")
SPECIAL_FLOATS = (5e-324, -5e-324, 1e-320, -0.0, 0.1, 1 - 2**-53, 1e15, 1e16, 1e308, INFINITY, -INFINITY, float("nan"))
SPECIAL_INTS = (0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400)
SPECIAL_TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff.", "\ufffd", "\u202e", "전략", "\U0001d49c" * 300,
    "../../etc/passwd", "%00", "' or 1=1", "{{7*7}}", "nan", "Infinity", "1e400",
    "BTC_KRW", "AAA_KRW", "KRW-AAA", "volume_zone_breakout", "1d", "1M", "UTC", "Asia/Seoul",
    "0001-01-01", "1970-01-01", "1970-01-02", "2024-02-30", "2261-12-31", "2262-01-01", "9999-12-31", "10000-01-01",
    "5:60:5", "1:1e15:1", "1e-15:1:1e-15", "0.1,0.2", "::", "nan:1:1", "5:60", "0:1e400:1", "1," * 1000,
)  # fmt: skip
KEYS = st.sampled_from(SPECIAL_TEXTS) | st.text(max_size=5)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(SPECIAL_INTS),
    st.integers(),
    st.sampled_from(SPECIAL_FLOATS),
    st.floats(),
    st.sampled_from(SPECIAL_TEXTS),
    st.text(st.characters(codec=None), max_size=20),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def altered(draw: st.DrawFn, valid: dict[str, Any], known: list[str]) -> dict[str, Any]:
    """A valid body with a few of its fields, or of the fields that it may have, replaced, removed or added."""
    body: dict[str, Any] = json.loads(json.dumps(valid))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(known) | st.sampled_from(known) | st.text(max_size=8))
        if draw(st.integers(0, 9)) == 0:
            body.pop(name, None)
        elif isinstance(body.get(name), dict) and draw(st.booleans()):
            inner = draw(st.sampled_from(sorted(body[name]) or ["x"]) | st.sampled_from(SPECIAL_TEXTS))
            body[name] = {**body[name], inner: draw(JUNK)}
        else:
            body[name] = draw(JUNK)
    return body


def encoded(body: object) -> bytes:
    """Encode as JSON the way careless clients do: with NaN, and with unpaired surrogates as escapes."""
    return json.dumps(body).encode()
