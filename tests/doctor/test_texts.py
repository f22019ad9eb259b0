"""The texts of the checks: complete in both languages, and correct about the commands and settings that they name."""

import re

from coin_pipeline.doctor import check_texts, texts
from coin_pipeline.languages import Text
from coin_pipeline.settings import Settings
from tests.alerts.test_texts import COMMAND, HANGUL, NAMED, is_command, placeholders

NAMES = {**vars(check_texts), **vars(texts)}
TEXTS = [value for value in NAMES.values() if isinstance(value, Text)]
SAME = {"API", "UI", "VERSIONS_OK", "CLOCK_OK", "CHANNEL_FAILED"}
"""Texts of names and figures only."""


def test_every_text_is_complete_in_both_languages() -> None:
    """The Korean text is Korean, and both have the same placeholders."""
    same = [NAMES[name] for name in SAME]
    assert [text for text in TEXTS if text not in same and not HANGUL.search(text.ko)] == []
    assert [text for text in TEXTS if HANGUL.search(text.en) or "세요" in text.ko] == []
    assert [text for text in TEXTS if placeholders(text.en) != placeholders(text.ko)] == []


def test_both_languages_name_the_same_commands_and_settings() -> None:
    """An operator is not sent to different commands depending on the language."""
    assert [text for text in TEXTS if sorted(NAMED.findall(text.en)) != sorted(NAMED.findall(text.ko))] == []


def test_commands_in_advice_exist() -> None:
    """Each `coin` command that a text quotes is a command."""
    names = {name for text in TEXTS for name in COMMAND.findall(text.en)}
    assert {"backup run", "up"} <= names
    assert [name for name in sorted(names) if not is_command(name)] == []


def test_settings_in_advice_exist() -> None:
    """Each setting that a text names is a setting."""
    names = {name for text in TEXTS for name in re.findall(r"\bCOIN_[A-Z_]+", text.en)}
    assert {name for name in names if name.lower() not in Settings.model_fields} == set()
