"""Market symbols."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.symbol import parse_symbol, upbit_market
from coin_pipeline.errors import InvalidSymbol

SIDES = st.from_regex(r"[A-Z0-9]{1,20}", fullmatch=True)


@given(base=SIDES, quote=SIDES)
def test_both_spellings_are_equivalent(base: str, quote: str) -> None:
    """BASE_QUOTE and Upbit's QUOTE-BASE convert into each other."""
    assert parse_symbol(f"{base}_{quote}") == parse_symbol(f"{quote}-{base}") == f"{base}_{quote}"
    assert upbit_market(f"{base}_{quote}") == upbit_market(f"{quote}-{base}") == f"{quote}-{base}"


@pytest.mark.parametrize(
    "text",
    [
        *("", "BTC", "btc_krw", "BTC_krw", "BTC_", "_KRW", "BTC__KRW", "BTC-KRW-X", "BTC_KRW_X", "BTC/KRW", "BTC.KRW"),
        *("../../etc/passwd", "..", "BTC_KRW/..", "/BTC_KRW", "BTC_KRW\n", "BTC_KRW\x00", " BTC_KRW", "BTC_KRW "),
        *(
            "\uff22\uff34\uff23_KRW",
            "BTC_KR\u0130",
            "\u0663_KRW",
            "\ud800_KRW",
            "A" * 21 + "_KRW",
            "A" * 20 + "_" + "B" * 21,
        ),
    ],
)
def test_other_texts_are_rejected(text: str) -> None:
    """Lower case, paths, dots, white space, other scripts, NUL, and a missing or overlong side."""
    with pytest.raises(InvalidSymbol):
        parse_symbol(text)
    with pytest.raises(InvalidSymbol):
        upbit_market(text)
