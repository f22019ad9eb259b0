"""Sentences of a result in English and Korean."""

import json
from string import Formatter

import pytest

from coin_pipeline.backtest.message_texts import MESSAGES
from coin_pipeline.backtest.messages import Message, check_json, check_sentence, warning_sentences, warnings_json
from coin_pipeline.languages import Language, Text

NESTED = Message("implausible", {"figures": [Message("sharpe", {"value": 7.04, "limit": 5.0})]})
FAILED = Message("look_ahead_failure", {"failure": "<b>{0.__class__}</b>"})


def fields(template: str) -> set[str | None]:
    """Return the fields of a template."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("code", MESSAGES)
def test_korean_needs_no_other_values(code: str) -> None:
    """A document states those of the English sentence."""
    assert fields(MESSAGES[code].ko) <= fields(MESSAGES[code].en)


@pytest.mark.parametrize(
    ("missing", "expected"), [(1, "1 of them is not stored"), (1234, "1,234 of them are not stored")]
)
def test_words_that_depend_on_a_count(missing: int, expected: str) -> None:
    """A noun and a verb."""
    values = {"symbol": "A_KRW", "declared": 1, "missing": missing}
    written = Message("no_decision", values).write()
    assert "needs 1 candle before" in written
    assert expected in written


@pytest.mark.parametrize(
    ("language", "expected"), [("en", "its win rate is 60.00%, but"), ("ko", "목표 지표(승률)는 60.00%이지만")]
)
def test_a_figure_has_its_label_and_its_unit(language: Language, expected: str) -> None:
    """In place of its key in JSON."""
    values = {"objective": "win_rate", "reached": 0.6, "median": 0.1, "size": 8}
    assert expected in Message("isolated", values).write(language)


@pytest.mark.parametrize("message", [NESTED, FAILED])
def test_a_stored_warning_is_written_in_korean(message: Message) -> None:
    """From what its document states, which is JSON; a value is never a template."""
    stored = json.loads(json.dumps(warnings_json([message])))
    assert stored["warnings"] == [message.write("en")]
    assert warning_sentences(stored, "ko") == [(message.write("ko"), "ko")]
    assert warning_sentences(stored, "en") == [(message.write("en"), "en")]


@pytest.mark.parametrize(
    "codes",
    [
        None,
        [{"code": "of a later release", "values": {}}],
        [{"code": "sharpe", "values": {"figure": 7.0}}],
        [{"code": "sharpe", "values": {"value": None, "limit": 4}}],
        [{"code": "sharpe", "values": None}],
        [{"code": ["sharpe"], "values": {}}],
    ],
)
def test_a_warning_without_a_known_code_stays_in_english(codes: object) -> None:
    """That of an earlier release, and of a later one."""
    document = {"warnings": ["as stored"], "warning_codes": codes}
    assert warning_sentences(document, "ko") == [("as stored", "en")]


def test_details_of_checks() -> None:
    """In Korean with their code, otherwise as stored."""
    check = check_json("candles", Message("candles_valid", {"present": 9}), passed=True)
    assert check_sentence(check, "ko").text.startswith("캔들 9개")
    assert check_sentence({"name": "candles", "passed": True, "detail": "9 candles"}, "ko") == ("9 candles", "en")


def test_texts_are_complete() -> None:
    """A sentence in both languages for each code."""
    assert all(isinstance(text, Text) and text.en and text.ko for text in MESSAGES.values())
