"""The page of presets, and how the form of a backtest saves them."""

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from coin_api.pages.texts_presets import BUILT_IN_DESCRIPTIONS
from tests.browser import axe_findings, requires_chromium
from tests.pages.served import watched_page

LONG = "n" * 100
PRESETS = "/api/strategies/presets"


def save(app: TestClient, name: str) -> None:
    """Save a preset."""
    assert app.post(PRESETS, json={"name": name, "strategy": "volume_long_candle"}).status_code == 201


def test_built_in_presets_cannot_be_changed(app: TestClient) -> None:
    """The page states it, and has no buttons for them."""
    text = app.get("/app/presets").text
    assert text.count("Built in: cannot be renamed or deleted.") == 3
    assert "<form" not in text


def test_built_in_presets_are_described_in_korean(app: TestClient) -> None:
    """In English as the API describes them."""
    stored = {preset["name"]: preset["description"] for preset in app.get(PRESETS).json()["presets"]}
    assert {name: text.en for name, text in BUILT_IN_DESCRIPTIONS.items()} == stored
    text = app.get("/app/presets?lang=ko").text
    assert not [description for description in stored.values() if description in text]


def test_changed_built_in_preset_can_be_restored(app: TestClient) -> None:
    """It keeps its name."""
    save(app, "balanced")
    text = app.get("/app/presets").text
    assert "deleting it restores the original" in text
    assert 'data-method="DELETE"' in text
    assert 'data-method="PATCH"' not in text


@requires_chromium
@pytest.mark.parametrize("language", ["en", "ko"])
def test_page_is_accessible(app: TestClient, url: str, language: str) -> None:
    """On a phone nothing is wider than the screen, however long a name is; nor in the form."""
    save(app, LONG)
    with watched_page() as watched:
        page = watched.page
        page.set_viewport_size({"width": 390, "height": 800})
        for path in ("presets", f"submit?preset={LONG}"):
            page.goto(f"{url}/app/{path}{'&' if '?' in path else '?'}lang={language}")
            assert axe_findings(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") == 390


@requires_chromium
def test_preset_is_renamed_and_deleted(app: TestClient, url: str) -> None:
    """What is wrong with a new name is shown at its field; deleting asks first."""
    for name in ("first", "second"):
        save(app, name)
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/presets")
        name = page.get_by_label("New name of second")
        rename = page.get_by_role("row").filter(has=name).get_by_role("button", name="Rename")
        name.fill("a/b")
        rename.click()
        expect(name).to_have_attribute("aria-invalid", "true")
        error = page.locator(f"#{name.get_attribute('id')}-error")
        expect(error).to_contain_text("use letters, digits, spaces")
        name.fill("first")
        rename.click()
        expect(page.get_by_text("there already is a preset 'first'")).to_be_visible()
        name.fill("third")
        rename.click()
        expect(page.get_by_label("New name of third")).to_be_visible()
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.get_by_role("button", name="Delete third").click()
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Delete first").click()
        expect(page.get_by_label("New name of first")).to_have_count(0)
        expect(page.get_by_label("New name of third")).to_be_visible()


@requires_chromium
def test_saving_asks_before_it_replaces_a_preset(app: TestClient, url: str) -> None:
    """The name is the one that was typed, as are its spaces."""
    save(app, "my  own")
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_label("vol_ma_window").fill("44")
        page.get_by_text("Save parameters as a preset").click()
        page.get_by_label("Name", exact=True).fill("my  own")
        questions: list[str] = []
        page.once("dialog", lambda dialog: (questions.append(dialog.message), dialog.dismiss()))
        page.get_by_role("button", name="Save", exact=True).click()
        assert app.get(f"{PRESETS}/my  own").json()["params"] == {}
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("The preset is saved.")).to_be_visible()
    assert questions == ["Replace the preset my  own?"]
    assert app.get(f"{PRESETS}/my  own").json()["params"]["vol_ma_window"] == 44


@requires_chromium
def test_invalid_name_is_explained_at_its_field(url: str) -> None:
    """In words, without the pattern that it fails to match."""
    with watched_page() as watched:
        page = watched.page
        page.goto(f"{url}/app/submit")
        page.get_by_text("Save parameters as a preset").click()
        page.get_by_label("Name", exact=True).fill("<b>")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#field-name-error")).to_have_text(
            "'<b>' is not a name: use letters, digits, spaces and _ . + -, and a letter or digit at both ends"
        )
