"""Clients: who sends a request, and each one's share of the queue."""

import pytest
from fastapi.testclient import TestClient

from coin_api.app import create_app
from coin_api.clients import client_name, require_queue_room
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.errors import ClientQueueFull, InvalidSettings, QueueFull
from coin_pipeline.settings import load_settings
from tests.api.conftest import NO_DATABASE
from tests.api.test_backtests import BODY
from tests.fakes import FakeOrchestrator

FORWARDED = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}


@pytest.mark.parametrize(
    ("proxies", "peer", "client"),
    [
        ("", "198.51.100.7", "198.51.100.7"),
        ("", "127.0.0.1", "127.0.0.1"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.7"),  # what the client itself has sent is not trusted
        ("10.0.0.0/8,198.51.100.7", "10.1.2.3", "203.0.113.9"),
        ("10.0.0.0/8", "11.1.2.3", "11.1.2.3"),
    ],
)
def test_only_trusted_proxies_name_the_client(
    candles: CandleCatalog, monkeypatch: pytest.MonkeyPatch, proxies: str, peer: str, client: str
) -> None:
    """Otherwise it is the address of the peer, whatever its headers claim."""
    assert candles
    monkeypatch.setenv("COIN_TRUSTED_PROXIES", proxies)
    orchestrator = FakeOrchestrator()
    app = create_app(load_settings(), lambda _: orchestrator, None, lambda _: NO_DATABASE)
    with TestClient(app, client=(peer, 50000)) as api:
        assert api.post("/api/backtests/run-async", json=BODY, headers=FORWARDED).status_code == 202
    assert [submission_id.client for _, submission_id in orchestrator.submitted] == [client]


def test_an_ipv6_client_is_its_network() -> None:
    """It could use another of its addresses for each request."""
    assert client_name("2001:db8::1") == client_name("2001:db8::ffff:2") == "2001:db8::/64"
    assert client_name("::ffff:192.0.2.7") == "192.0.2.7"
    assert client_name("") == "unknown"


def test_a_proxy_must_be_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else would never match a peer."""
    monkeypatch.setenv("COIN_TRUSTED_PROXIES", "proxy.example")
    with pytest.raises(InvalidSettings, match=r"'proxy\.example' is not an address or a network"):
        load_settings()


def test_a_client_leaves_places_in_the_queue_to_others() -> None:
    """Alone it fills four fifths; then another client has as many places as it needs for a while."""
    queued = {"a": 0, "b": 0}

    def submit(client: str) -> None:
        require_queue_room(sum(queued.values()), 1000, lambda: queued[client])
        queued[client] += 1

    for _ in range(800):
        submit("a")
    with pytest.raises(ClientQueueFull, match=r"800 of the 800 queued runs are from this client.* last 200 places"):
        submit("a")
    for _ in range(100):
        submit("b")
    with pytest.raises(ClientQueueFull):
        submit("a")
    with pytest.raises(QueueFull, match="the queue is full: 1,000 waiting, limit 1,000"):
        require_queue_room(1000, 1000, lambda: 0)
