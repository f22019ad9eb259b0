"""The URLs that links begin with."""

from pathlib import Path

import pytest

from coin_pipeline.cli.links import public_urls
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.data_root_lock import LOCK_NAME, PlatformUrls, announce_urls, lock_data_root

SERVED = PlatformUrls("http://127.0.0.1:8100", "http://127.0.0.1:3100")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT, and neither URL set."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.delenv("DAGSTER_UI_URL", raising=False)
    monkeypatch.delenv("COIN_PUBLIC_URL", raising=False)
    return tmp_path


def test_commands_link_to_the_ports_of_the_running_platform(root: Path) -> None:
    """Also from another process, which reads them under DATA_ROOT."""
    lock = lock_data_root(root)
    announce_urls(lock, SERVED)
    assert public_urls(load_settings()) == SERVED
    lock.close()


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_without_a_platform_links_have_the_default_ports(root: Path, content: str | None) -> None:
    """Whatever the file contains."""
    if content is not None:
        (root / LOCK_NAME).write_text(content)
    assert public_urls(load_settings()) == PlatformUrls("http://127.0.0.1:8000", "http://127.0.0.1:3000")


def test_links_begin_with_the_public_urls_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """`coin up` does not replace addresses under which users reach the servers by those of this machine."""
    monkeypatch.setenv("DAGSTER_UI_URL", "https://dagster.example/")
    monkeypatch.setenv("COIN_PUBLIC_URL", "https://coin.example/")
    assert public_urls(load_settings(), SERVED) == PlatformUrls("https://coin.example", "https://dagster.example")
