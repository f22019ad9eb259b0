"""docs/settings.md and .env.sample, compared with the declarations of the settings."""

import re

import pytest

from coin_pipeline.settings import COMPOSE_VARIABLES, Settings
from scripts.settings_page import OTHER, PAGE, SAMPLE, page, sample_values

EXAMPLES = {"ENABLE_SCHEDULER", "COIN_LEASE_SECONDS", "COIN_MONITOR_SECONDS"}
"""Settings whose line in .env.sample shows another value than the default, or writes it in another form."""


def test_the_page_is_current() -> None:
    """`make settings` has been run since the last change of a setting."""
    assert PAGE.read_text() == page(), "run: make settings"


def test_every_setting_has_a_group_and_a_description() -> None:
    """A new setting is placed where its readers look for it."""
    assert f"## {OTHER}" not in PAGE.read_text()
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_sample_contains_the_settings_and_nothing_else() -> None:
    """Besides the variables that only docker-compose.yml reads."""
    names = {name for name in sample_values() if not name.startswith("COMPOSE_")}
    assert names - COMPOSE_VARIABLES == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(name.upper() for name in Settings.model_fields))
def test_the_sample_shows_the_default(name: str) -> None:
    """A line that is uncommented as it is changes nothing, unless the setting has no default to show."""
    row = re.search(rf"^\| `{name}` \|[^|]*\| (?:`(?P<default>[^`]*)`)? *\|", PAGE.read_text(), re.MULTILINE)
    assert row
    if row["default"] and name not in EXAMPLES:
        assert sample_values()[name] == row["default"]


def test_a_copy_of_the_sample_changes_nothing() -> None:
    """Every line is a comment."""
    assert all(line.startswith("#") or not line for line in SAMPLE.read_text().splitlines())
