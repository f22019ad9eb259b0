"""The options of a backtest as texts."""

import pytest

from coin_pipeline.backtest.option_labels import OPTION_LABELS, option_texts
from coin_pipeline.backtest.options import OPTIONS, spec_of
from coin_pipeline.languages import Language
from tests.report.documents import document


@pytest.mark.parametrize(
    ("language", "cash", "least"), [("en", "Initial cash", "Minimum order"), ("ko", "초기 자금", "최소 주문 금액")]
)
def test_amounts_are_those_of_each_quote_currency(language: Language, cash: str, least: str) -> None:
    """Without initial cash, each account has the default of its currency."""
    spec = {"symbols": ["BTC_KRW", "ETH_KRW", "BTC_USDT"], "initial_cash": None, "min_order": 0.0}
    texts = option_texts(spec, language)
    assert texts[cash] == "10,000,000 KRW, 10,000.00 USDT"
    assert texts[least] == "0 KRW, 0.00 USDT"


@pytest.mark.parametrize(("max_positions", "size"), [(None, "100%"), (4, "25%")])
def test_default_position_size_of_a_sweep(max_positions: int | None, size: str) -> None:
    """Its spec has none; each point trades with equal shares of the account."""
    spec = {"symbols": ["BTC_KRW"], "position_size": None, "max_positions": max_positions}
    assert option_texts(spec, "en")["Position size"] == size


def test_an_event_study_has_no_account() -> None:
    """Its spec has the default cash all the same."""
    spec = {"symbols": ["BTC_KRW"], "fee_rate": 0.001, "initial_cash": 1e7, "min_order": 0.0, "position_size": None}
    assert "Initial cash" in option_texts({**spec, "fill": "next_open"}, "en")
    texts = option_texts({**spec, "fill": "signal_close"}, "en")
    assert texts["Fee rate"] == "0.1%"
    assert not {"Initial cash", "Minimum order", "Position size"} & texts.keys()


def test_options_of_a_document_without_a_spec() -> None:
    """Those that it states elsewhere; one of the legacy platform states none."""
    account = {"max_positions": 2, "position_size": 0.5, "initial_cash": 5e6, "no_slot": 3}
    found = option_texts(spec_of(document(account=account)), "en")
    stated = {"Fill": "next_open", "Fee rate": "0.1%", "Stop-loss": "none", "Initial cash": "5,000,000 KRW"}
    assert stated.items() <= found.items()
    assert option_texts(spec_of({"symbols": []}), "en") == {}


def test_every_option_has_a_label() -> None:
    """In the order of the request."""
    assert tuple(OPTION_LABELS) == OPTIONS
