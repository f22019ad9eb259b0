"""Which URLs webhooks may have, and what an opener of them reaches."""

import socket
import threading

import pytest
from pydantic import SecretStr

from coin_pipeline.notifications.message import Delivery, Notification
from coin_pipeline.notifications.slack import RETRIES, SlackChannel
from coin_pipeline.notifications.webhooks import is_public, webhook_problem

NOTIFICATION = Notification("Test", "It works.")
LOOPBACK_IN_DISGUISE = "2130706433"
"""127.0.0.1 as resolvers read it; to the rules for URLs it is a name."""


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", ""),
        ("https://hooks.slack.com:8443/services/T0/B0/x?thread=1", ""),
        ("https://[2606:4700::1111]/x", ""),
        ("http://hooks.slack.com/x", "must begin with https://, since"),
        ("https://localhost/x", "localhost is not a public"),
        ("https://LOCALHOST./x", "localhost. is not a public"),
        ("https://api.localhost/x", "api.localhost is not a public"),
        ("https://10.0.0.1/x", "10.0.0.1 is not a public"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is not a public"),
        ("https://[::1]/x", "::1 is not a public"),
        ("https://user:password@hooks.slack.com/x", "must not contain a user"),
        ("https://@hooks.slack.com/x", "must not contain a user"),
        ("https:///x", "must begin with https:// and a host"),
        ("ftp://hooks.slack.com/x", "must begin with https:// and a host"),
        ("file:///etc/passwd", "must begin with https:// and a host"),
        ("hooks.slack.com/x", "must begin with https:// and a host"),
        ("https://hooks.slack.com:99999/x", "is not a valid URL"),
        ("https://[::1/x", "is not a valid URL"),
        ("https://hooks.slack.com/x y", "contains spaces"),
        ("https://hooks.slack.com/x\r\nHost: evil", "contains spaces"),
        ("https://höoks.slack.com/x", "contains spaces"),
    ],
)
def test_url_rules(url: str, problem: str) -> None:
    """A webhook has an https URL of a public host; a problem does not repeat the path, which is a secret."""
    assert webhook_problem(url, allow_private=False).startswith(problem)
    assert bool(webhook_problem(url, allow_private=False)) == bool(problem)
    assert url not in webhook_problem(url, allow_private=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8065/hooks/x", "https://relay.internal/x", "http://localhost/x"])
def test_private_urls_can_be_allowed(url: str) -> None:
    """COIN_ALLOW_PRIVATE_WEBHOOKS allows plain HTTP and private hosts."""
    assert webhook_problem(url, allow_private=True) == ""


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://user:password@127.0.0.1/x", "http:///x"])
def test_other_rules_hold_for_private_urls(url: str) -> None:
    """The setting allows no other scheme, no user and no missing host."""
    assert webhook_problem(url, allow_private=True)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 -- not bound
        "127.0.0.2",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """Private, loopback, link-local, shared, multicast and unspecified ones, and IPv6 that contains such an IPv4."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    """Also as an IPv6 address that contains an IPv4 address."""
    assert is_public(address)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_name_that_resolves_to_a_private_address_receives_nothing(scheme: str) -> None:
    """The connection is checked, not only the URL, and is closed before TLS or the request."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        received: list[bytes] = []
        thread = threading.Thread(target=lambda: received.append(_read(listening)))
        thread.start()
        url = f"{scheme}://{LOOPBACK_IN_DISGUISE}:{listening.getsockname()[1]}/services/T0/B0/token"
        delivery = SlackChannel(SecretStr(url)).send(NOTIFICATION)
        thread.join()
    assert received == [b""]
    remedy = "set COIN_ALLOW_PRIVATE_WEBHOOKS=true to allow it"
    reason = f"{LOOPBACK_IN_DISGUISE} has the address 127.0.0.1, which is not public; {remedy}"
    assert delivery == Delivery(delivered=False, reason=reason, is_permanent=True)


def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy may have a private address and looks the name up itself."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        received: list[bytes] = []
        answers = [b"HTTP/1.1 200 Connected\r\n\r\n"] * (1 + RETRIES)
        thread = threading.Thread(target=lambda: received.extend(_read(listening, answer) for answer in answers))
        thread.start()
        delivery = SlackChannel(SecretStr("https://hooks.slack.example/services/T0/B0/token")).send(NOTIFICATION)
        thread.join()
    assert received[0].startswith(b"CONNECT hooks.slack.example:443 ")
    assert delivery.reason.startswith("no answer from hooks.slack.example: ")  # not that its address is private


def _read(listening: socket.socket, response: bytes = b"") -> bytes:
    connection, _ = listening.accept()
    with connection:
        content = connection.recv(1000)
        connection.sendall(response)
    return content
