"""The positions commands."""

import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import CoinError, InvalidInput, LedgerConflict, NotFound
from coin_pipeline.ledger.ledger import Ledger
from tests.ledger.tampering import tamper


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, ["positions", *arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def _empty_ledger(
    ledger_engine: Engine, ledger: Ledger, candles: CandleCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let commands use an empty ledger, and the candles of the session."""
    assert candles
    assert ledger
    monkeypatch.setenv("DATABASE_URL", ledger_engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "80")


def test_a_round_trip() -> None:
    """Every digit of the costs and the result; the market stands for its open position."""
    entered = invoke("enter", "KRW-BTC", "buy", "1", "--price", "50000").output
    assert "BUY 1 BTC_KRW at 50,000 KRW" in entered
    assert "50,010 KRW, with 0.02 % slippage" in entered
    left = invoke("exit", "BTC_KRW", "--price", "51000").output
    assert "878.8002 KRW, net of the costs of both legs" in left
    assert "closed; realized 878.8002 KRW net in all" in left


def test_lists_state_the_source_of_their_prices() -> None:
    """The newest stored close, --price, or the entry."""
    assert "no open positions; 'coin positions enter" in invoke("open").output
    for symbol in ("AAA_KRW", "BBB_KRW", "CCC_KRW"):
        invoke("enter", symbol, "BUY", "2", "--price", "50000")
    listed = invoke("open", "--price", "BBB_KRW:60000").output.splitlines()
    sources = {"AAA_KRW": "2025-01-01 00:00", "BBB_KRW": "--price", "CCC_KRW": "its entry"}
    for symbol, source in sources.items():
        assert [source in line for line in listed if line.startswith(symbol)] == [True]
    assert listed[-1].startswith("KRW: 3 positions, exposure ")


def test_large_amounts_keep_their_digits() -> None:
    """As a float, 10^23 is 99,999,999,999,999,991,611,392."""
    invoke("enter", "BTC_KRW", "BUY", "1e16", "--price", "1e7")
    assert "exposure 100,000,000,000,000,000,000,000, " in invoke("open").output


def test_an_order_without_a_price_names_its_candle() -> None:
    """The output has the close of the candle, UTC."""
    assert "the newest stored close, 2025-01-01 00:00 UTC" in invoke("enter", "AAA_KRW", "BUY", "1").output


def test_history_and_summary() -> None:
    """Closed positions with their results; sums by market and currency."""
    invoke("enter", "BTC_KRW", "BUY", "1", "--price", "50000")
    invoke("exit", "BTC_KRW", "--price", "60000")
    invoke("enter", "ETH_BTC", "BUY", "1", "--price", "0.05")
    assert "+9,868" in invoke("history").output
    assert "no position matches" in invoke("history", "--symbol", "ETH_BTC").output
    summary = invoke("summary").output
    assert [line.split()[:2] for line in summary.splitlines()[1:3]] == [["BTC_KRW", "0"], ["ETH_BTC", "1"]]
    assert "all in BTC" in summary


def test_json_is_that_of_the_api() -> None:
    """One object per command, with exact texts."""
    entered = json.loads(invoke("enter", "BTC_KRW", "BUY", "0.5", "--price", "50000", "--json").output)
    assert entered["fee_exact"] == "25.005"
    shown = json.loads(invoke("show", entered["position_id"], "--json").output)
    assert shown["journal"][0]["postings"]["cash_exact"] == "-25030.005"
    assert json.loads(invoke("open", "--json").output)["count"] == 1
    assert json.loads(invoke("summary", "--json").output)["open_count"] == 1
    assert json.loads(invoke("history", "--json").output)["items"] == []


def test_a_repeated_key_books_nothing() -> None:
    """The output states it."""
    arguments = ("enter", "BTC_KRW", "BUY", "1", "--price", "1", "--key", "k")
    assert "already booked" not in invoke(*arguments).output
    assert "already booked with this key" in invoke(*arguments).output


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("enter", "BTC_KRW", "BUY", "0", "--price", "1"), InvalidInput, "quantity: 0 is not above 0"),
        (("enter", "BTC_KRW", "HOLD", "1", "--price", "1"), InvalidInput, "send BUY or SELL"),
        (("enter", "BTC_KRW", "BUY", "1"), InvalidInput, "no finished candle of BTC_KRW"),
        (("enter", "BTC_KRW", "BUY", "1", "--price", "1", "--key", ""), InvalidInput, "key: .* at least 1 character"),
        (("enter", "BTC_KRW", "BUY", "1", "--price", "1", "--key", "\udcff"), InvalidInput, "key: .* valid string"),
        (("exit", "BTC_KRW", "--price", "1", "--book", "*"), InvalidInput, "book: .* is not a book"),
        (("show", "BTC_KRW", "--book", "\udcff"), InvalidInput, "book: .* is not a book"),
        (("enter", "BTC_KRW", "SELL", "1", "--price", "1"), LedgerConflict, "holds no BTC_KRW to sell"),
        (("exit", "BTC_KRW", "--price", "1"), NotFound, "has no open position in BTC_KRW"),
        (("exit", "x", "--price", "1"), InvalidInput, "neither the id of a position nor a market"),
        (("open", "--price", "BTC_KRW"), InvalidInput, "is not MARKET:PRICE"),
        (("history", "--min-net", "2", "--max-net", "1"), InvalidInput, "no position can match"),
    ],
)
def test_refusals(arguments: tuple[str, ...], error: type[CoinError], message: str) -> None:
    """One sentence with the remedy; the exit code follows from the class."""
    with pytest.raises(error, match=message):
        invoke(*arguments)


def test_audit_names_differences_and_fails(ledger_engine: Engine) -> None:
    """Exit code 0 while everything derives from the journal, and 1 once a figure was changed."""
    invoke("enter", "BTC_KRW", "BUY", "1", "--price", "50000")
    clean = invoke("audit")
    assert (clean.exit_code, "all as recomputed from the journal" in clean.output) == (0, True)
    tamper(ledger_engine, "update coin.position set quantity = 2")
    changed = invoke("audit")
    assert changed.exit_code == 1
    assert "quantity is 2, not 1" in changed.output
    assert json.loads(invoke("audit", "--json").output)["found"] == 1


def test_the_beginning_of_an_id_stands_for_a_position() -> None:
    """With or without hyphens, in either case; a market is not taken for one."""
    invoke("enter", "ADA_KRW", "BUY", "1", "--price", "500")
    position = json.loads(invoke("show", "ADA_KRW", "--json").output)["position_id"]
    for start in (position[:6].upper(), position[:13], position.replace("-", "")):
        assert json.loads(invoke("show", start, "--json").output)["position_id"] == position
    unknown = f"{int(position[:8], 16) ^ 1:08x}"
    with pytest.raises(NotFound, match=f"position {unknown} does not exist"):
        invoke("exit", unknown, "--price", "500")
