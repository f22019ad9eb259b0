"""COIN_BIND and COIN_PUBLISHED_AT: where the servers listen, and who can reach them."""

import socket
from pathlib import Path

import pytest

from coin_pipeline.errors import InvalidInput
from coin_pipeline.settings import Settings
from coin_pipeline.web.exposure import CONTAINER, is_exposed, local_address, reachable_at
from coin_pipeline.web.server import listen
from tests.conftest import ROOT


def settings_of(bind: str, published_at: str | None = None) -> Settings:
    """Return settings with these addresses only."""
    return Settings(_env_file=None, coin_bind=bind, coin_published_at=published_at)


@pytest.mark.parametrize(
    ("bind", "published_at", "exposed"),
    [
        ("127.0.0.1", None, False),
        ("127.8.0.1", None, False),
        ("localhost", None, False),
        ("::1", None, False),
        ("0.0.0.0", None, True),  # noqa: S104 -- the value under test
        ("::", None, True),
        ("192.0.2.1", None, True),
        ("::ffff:192.0.2.1", None, True),
        ("0.0.0.0", "127.0.0.1", True),  # noqa: S104 -- same
        ("127.0.0.1", "192.0.2.1", True),
    ],
)
def test_other_machines_reach_what_is_not_on_loopback(bind: str, published_at: str | None, *, exposed: bool) -> None:
    """COIN_PUBLISHED_AT cannot hide that a server outside a container listens on all addresses."""
    assert is_exposed(settings_of(bind, published_at)) is exposed


@pytest.mark.parametrize("published_at", ["127.0.0.1", "0.0.0.0", "192.0.2.1"])  # noqa: S104 -- same
def test_the_address_at_which_a_container_is_published_counts(tmp_path: Path, published_at: str) -> None:
    """In place of its own, which is that of all its networks."""
    settings = settings_of("0.0.0.0", published_at)  # noqa: S104 -- same
    assert reachable_at(settings, container=tmp_path) == published_at


def test_the_image_contains_the_file_that_marks_a_container() -> None:
    """Otherwise the servers of docker-compose.yml would require tokens on loopback."""
    assert f"touch {CONTAINER}" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("value", ["example.com", "127.0.0.1:8000", "10.0.0.0/8", "*"])
@pytest.mark.parametrize("name", ["coin_bind", "coin_published_at"])
def test_only_addresses_are_accepted(name: str, value: str) -> None:
    """A name may resolve to another address each time, so it cannot decide whether tokens are required."""
    with pytest.raises(ValueError, match="is not an address; use for example"):
        Settings(_env_file=None, **{name: value})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_listens_on_the_address_only(address: str) -> None:
    """A server on one address of loopback does not answer on another."""
    with listen(address, 0) as listener:
        bound, port, *_ = listener.getsockname()
        socket.create_connection((address, port), timeout=5).close()
        others = {"127.0.0.1", "127.0.0.2"} - {address}
        assert bound == address
        assert all(_refuses(other, port) for other in others)


def test_all_addresses_include_both_protocols() -> None:
    """`::` accepts IPv4 and IPv6."""
    with listen("::", 0) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=5).close()


@pytest.mark.parametrize(
    ("bind", "local"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1")],  # noqa: S104 -- same
)
def test_local_programs_use_an_address_that_the_server_listens_on(bind: str, local: str) -> None:
    """Loopback answers only if the server listens on all addresses."""
    assert local_address(settings_of(bind)) == local


def test_an_address_of_another_machine_names_the_setting() -> None:
    """The error distinguishes COIN_BIND from a port that is in use."""
    with pytest.raises(InvalidInput, match=r"COIN_BIND: this machine does not have the address 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_a_port_in_use_names_the_option() -> None:
    """The error names the port."""
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(InvalidInput, match=f"--port: port {taken.getsockname()[1]} cannot be used"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


def _refuses(address: str, port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex((address, port)) != 0
