"""The command `coin forward` on the session's own database."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from coin_pipeline.cli.app import coin
from coin_pipeline.errors import CandlesNotFound, ForwardTestNotFound, InvalidSpec, RunFailed, UnknownStrategy
from tests.conftest import store_candles

if TYPE_CHECKING:
    from pathlib import Path

START = ("forward", "start", "volume_zone_breakout", "AAA_KRW", "--no-collect", "--param", "volume_window=5")


def invoke(*arguments: str) -> str:
    """Run a command in this process, and return what it prints; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False).output


@pytest.fixture(autouse=True)
def _candles(data_root: Path) -> None:
    store_candles(data_root)


def test_start_advance_show_and_stop() -> None:
    """Candles since the start date are decided at once, as late ones; the rest of the life is as printed."""
    test = json.loads(invoke(*START, "--start", "2024-12-01", "--json"))
    assert test["spec"]["start_date"] == str(date(2024, 12, 1))
    test_id = test["test_id"]
    assert "advanced by run" in invoke("forward", "advance", test_id[:8])
    shown = json.loads(invoke("forward", "show", test_id[:8], "--json"))
    assert (shown["decisions"], shown["late"], shown["failing"]) == (31, 31, [])
    listed = invoke("forward", "list")
    assert test_id in listed
    assert "active" in listed
    text = invoke("forward", "show", test_id, "--limit", "3")
    assert "31 decisions, 31 late" in text
    assert text.count("2024-12-") >= 3
    assert f"book forward:{test_id}" in invoke("forward", "stop", test_id, "--close")
    assert json.loads(invoke("forward", "show", test_id, "--json"))["accounts"][0]["quantity"] == 0
    with pytest.raises(RunFailed, match="was stopped"):
        invoke("forward", "advance", test_id)


def test_start_prints_what_happens_next() -> None:
    """When the test begins, where candles come from, and how to look at it."""
    text = invoke(*START)
    assert "begins with the 1d candle that closes next. Candles are not collected" in text
    assert "coin forward show" in text
    invoke("forward", "stop", text.split()[2])


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("forward", "start", "nosuch", "AAA_KRW"), UnknownStrategy, "nosuch"),
        (("forward", "start", "volume_zone_breakout", "NOPE_KRW", "--no-collect"), CandlesNotFound, "nothing stored"),
        ((*START, "--fee-rate", "0.5"), InvalidSpec, "less than or equal to 0.1"),
        (("forward", "show", "zzz"), ForwardTestNotFound, "no forward test has the id zzz"),
    ],
)
def test_invalid_input_is_refused(arguments: tuple[str, ...], error: type[Exception], sentence: str) -> None:
    """With one sentence."""
    with pytest.raises(error, match=sentence):
        invoke(*arguments)
