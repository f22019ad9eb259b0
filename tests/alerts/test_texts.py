"""The texts of alerts: complete in both languages, and correct about the commands that they name."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from string import Formatter

import click

from coin_pipeline.alerts import composition, dead_man, texts
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.cli.app import coin
from coin_pipeline.languages import Text
from coin_pipeline.orchestration import job_names

HANGUL = re.compile("[가-힣]")
COMMAND = re.compile(r"'coin ([a-z ]+?)(?: ID)?'")

NAMED = re.compile(r"'coin [a-zID ]+'|COIN_[A-Z_]+")


def all_texts() -> Iterator[Text]:
    """Yield every text of the alerts."""
    for value in chain(*(vars(module).values() for module in (composition, dead_man, texts))):
        if isinstance(value, Text):
            yield value
        elif isinstance(value, Mapping):
            yield from (text for text in value.values() if isinstance(text, Text))


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders of a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_text_is_complete_in_both_languages() -> None:
    """The Korean text is Korean, and both have the same placeholders."""
    texts_ = [*all_texts()]
    assert len(texts_) > 50
    assert [text for text in texts_ if not HANGUL.search(text.ko) or HANGUL.search(text.en)] == []
    assert [text for text in texts_ if placeholders(text.en) != placeholders(text.ko)] == []


def test_korean_advice_is_equally_polite_everywhere() -> None:
    """Operators read all of it side by side: the formal imperative, as in the documentation."""
    assert [text.ko for text in all_texts() if "세요" in text.ko] == []


def test_both_languages_name_the_same_commands_and_settings() -> None:
    """An operator is not sent to different commands depending on the language."""
    assert [text for text in all_texts() if sorted(NAMED.findall(text.en)) != sorted(NAMED.findall(text.ko))] == []


def test_commands_in_advice_exist() -> None:
    """Each `coin` command that a text quotes is a command."""
    names = {name for text in all_texts() for name in COMMAND.findall(text.en)}
    assert {"candles get", "retention"} <= names
    assert [name for name in sorted(names) if not is_command(name)] == []


def is_command(name: str) -> bool:
    """Return whether `coin NAME` is a command."""
    command: click.Command | None = coin
    for part in name.split():
        if not isinstance(command, click.Group):
            return False
        command = command.get_command(click.Context(command), part)
    return command is not None


def test_every_job_of_the_platform_has_a_name_for_users() -> None:
    """The title of an alert does not begin with an identifier."""
    assert set(texts.JOBS) >= job_names.MONITORED_JOBS


def test_values_with_braces_are_kept() -> None:
    """An error may quote JSON."""
    assert "{'a': 1}" in Writer("en", "http://ui").reason("{'a': 1}", "{}")


def test_links_do_not_repeat_the_slash_of_the_url() -> None:
    """DAGSTER_UI_URL may end with a slash."""
    assert Writer("en", "https://dagster.example/ui/").link("runs/1") == "https://dagster.example/ui/runs/1"
