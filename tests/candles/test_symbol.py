"""Market symbols."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_pipeline.candles.symbol import QUOTES, UPBIT_QUOTES, parse_symbol, require_usual_order, upbit_market
from coin_pipeline.errors import InvalidSymbol

BASES = st.from_regex(r"[A-Z0-9]{1,9}(\.[A-Z0-9]{1,9})?", fullmatch=True).filter(lambda base: base not in QUOTES)


@given(base=BASES, quote=st.sampled_from(UPBIT_QUOTES))
def test_both_spellings_are_equivalent(base: str, quote: str) -> None:
    """BASE_QUOTE and Upbit's QUOTE-BASE convert into each other."""
    assert parse_symbol(f"{base}_{quote}") == parse_symbol(f"{quote}-{base}") == f"{base}_{quote}"
    assert upbit_market(f"{base}_{quote}") == upbit_market(f"{quote}-{base}") == f"{quote}-{base}"


@given(base=BASES, quote=st.sampled_from(QUOTES))
def test_base_before_quote_with_a_hyphen_is_rejected(base: str, quote: str) -> None:
    """Other exchanges write BASE-QUOTE, which Upbit's form would turn around."""
    with pytest.raises(InvalidSymbol, match=re.escape(f"did you mean '{base}_{quote}'? In Upbit's form")):
        parse_symbol(f"{base}-{quote}")


@pytest.mark.parametrize(
    ("quote", "base"),
    [
        ("KRW", "BTC"),
        ("KRW", "USDT"),
        ("KRW", "USDC"),
        ("USDT", "BTC"),
        ("USDT", "ETH"),
        ("BTC", "ETH"),
        ("BTC", "XRP"),
    ],
)
def test_the_order_of_two_quotes_is_known(quote: str, base: str) -> None:
    """Upbit's markets of currencies that are quotes themselves; the other order is rejected."""
    assert parse_symbol(f"{quote}-{base}") == f"{base}_{quote}"
    with pytest.raises(InvalidSymbol, match=f"did you mean '{base}_{quote}'"):
        parse_symbol(f"{base}-{quote}")
    with pytest.raises(InvalidSymbol, match=f"did you mean '{base}_{quote}'"):
        require_usual_order(f"{quote}_{base}")
    require_usual_order(f"{base}_{quote}")


@pytest.mark.parametrize(
    "text", ["btc_krw", "BTC_krw", "btc/krw", "BTCKRW", "krw-btc", "btc-krw", " BTC_KRW ", "BTC:KRW"]
)
def test_a_misspelled_symbol_suggests_the_likely_one(text: str) -> None:
    """Lower case, other separators, none, and white space."""
    with pytest.raises(InvalidSymbol, match="did you mean 'BTC_KRW'"):
        parse_symbol(text)


@pytest.mark.parametrize(
    "symbol", ["EUR_USDT", "USDT_USDC", "USDT_TRY", "USDC_USDT", "GBP_USDT", "USDT_DAI", "BTC_EUR"]
)
def test_markets_between_currencies_are_accepted(symbol: str) -> None:
    """Exchanges list both orders of such pairs, or the unusual one."""
    require_usual_order(parse_symbol(symbol))


@pytest.mark.parametrize(
    ("text", "likely"),
    [
        ("USD-BTC", "BTC_USD"),
        ("EUR-USDT", "EUR_USDT"),
        ("JPY-BTC", "BTC_JPY"),
        ("ETHBUSD", "ETH_BUSD"),
        ("EURUSDT", "EUR_USDT"),
        ("BTCKRW", "BTC_KRW"),
        ("krw_xrp", "XRP_KRW"),
        ("BATUSD", "BAT_USD"),
        ("USDTUSD", "USDT_USD"),
        ("BTCTUSD", "BTC_TUSD"),
        ("OPUSDT", "OP_USDT"),
    ],
)
def test_a_form_of_another_exchange_suggests_ours(text: str, likely: str) -> None:
    """A hyphen after a quote that Upbit does not have is another exchange's form."""
    with pytest.raises(InvalidSymbol, match=f"did you mean '{likely}'"):
        parse_symbol(text)


@pytest.mark.parametrize("symbol", ["1INCH_KRW", "1000SHIB_USDT", "BTC.D_USD", "ETH2.S_EUR", "T_KRW"])
def test_digits_and_inner_dots_are_accepted(symbol: str) -> None:
    """Names as exchanges list them."""
    assert parse_symbol(symbol) == symbol


@pytest.mark.parametrize(
    "text",
    [
        *("", "BTC", "btc_krw", "BTC_krw", "BTC_", "_KRW", "BTC__KRW", "BTC-KRW-X", "BTC_KRW_X", "BTC/KRW", "BTC.KRW"),
        *(".BTC_KRW", "BTC._KRW", "BTC..D_KRW", "BTC_.KRW", "._KRW", ".._KRW", "BTC_KRW."),
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
