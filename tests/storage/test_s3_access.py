"""Who may use a bucket, and where it is: what wrong settings lead to, at a real server that checks signatures."""

import gc
import ssl
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509  # comes with moto
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from coin_pipeline.errors import InvalidSettings, StorageRefused, StorageUnavailable
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, SLOW_TIMEOUTS, _open, new_client, open_store
from tests.faulty_s3 import FaultyS3
from tests.s3 import S3Server

OPERATIONS: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda store: store.put("a", b"1"),
    "get": lambda store: store.get("a"),
    "facts": lambda store: store.info("a"),
    "exists": lambda store: store.exists("a"),
    "list": lambda store: list(store.keys()),
    "delete": lambda store: store.delete("a"),
}
SECRET = "so-much-of-a-secret"  # noqa: S105 -- that no server knows
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": SECRET}, "AWS_SECRET_ACCESS_KEY"),
    "unknown key": ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "the access key is not known"),
    "half a pair": ({"AWS_SECRET_ACCESS_KEY": ""}, "only one is set"),
    "no credentials": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials"),
    "no such bucket": ({"AWS_BUCKET_NAME": "never-made"}, "coin storage init"),
    "unknown profile": (
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "nobodys"},
        r"profile \(nobodys\) could not be found",
    ),
    "impossible host": ({"AWS_ENDPOINT_URL": "http://_host_/"}, "correct AWS_ENDPOINT_URL"),
    "impossible port": ({"AWS_ENDPOINT_URL": "http://host:99999"}, "not a valid URI"),
}


@pytest.fixture
def environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Settings that name a bucket of the server; nothing of AWS's own files or machines is asked."""
    s3_server.store("access").put("there", b"1")
    for name, value in s3_server.environment("access").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    _open.cache_clear()  # AWS's own variables are not among the settings that it goes by
    return monkeypatch


def self_signed(path: Path) -> Path:
    """Write a key and a certificate of 127.0.0.1 that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_without_the_secret(environment: pytest.MonkeyPatch, wrong: str, operation: str) -> None:
    """The server refuses, or nothing is asked of it; the sentence names the variable to change."""
    changed, says = WRONG[wrong]
    for name, value in changed.items():
        environment.setenv(name, value) if value else environment.delenv(name)
    with pytest.raises(StorageRefused, match=says) as caught:
        OPERATIONS[operation](open_store(load_settings()))
    told = str(caught.value)
    assert "s3://" in told
    for secret in (S3Server.secret_key, S3Server.access_key, SECRET, "AKIANOBODY"):
        assert secret not in told


def test_what_the_settings_name_can_be_used(environment: pytest.MonkeyPatch) -> None:
    """The same settings unchanged give a store that works, so that the refusals are not for another reason."""
    assert open_store(load_settings()).get("there") == b"1"
    environment.setenv("AWS_REGION", "")
    assert open_store(load_settings()).get("there") == b"1"


def test_credentials_come_from_awss_own_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a profile no key need be in the settings."""
    (tmp_path / "credentials").write_text(
        f"[mine]\naws_access_key_id = {S3Server.access_key}\naws_secret_access_key = {S3Server.secret_key}\n"
    )
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_PROFILE", "mine")
    assert open_store(load_settings()).get("there") == b"1"


def test_an_address_does_not_hold_a_password(environment: pytest.MonkeyPatch) -> None:
    """It would be shown with every error."""
    environment.setenv("AWS_ENDPOINT_URL", f"http://me:{SECRET}@host")
    with pytest.raises(InvalidSettings, match="AWS_ENDPOINT_URL") as caught:
        load_settings()
    assert SECRET not in str(caught.value)


def test_a_server_without_tls_is_said_to_be_one(environment: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    """A run does not wait ten minutes for a mistyped https."""
    environment.setenv("AWS_ENDPOINT_URL", s3_server.endpoint.replace("http", "https"))
    with pytest.raises(StorageRefused, match="AWS_ENDPOINT_URL to http://"):
        open_store(load_settings(), FAST_TIMEOUTS).get("there")


def test_a_certificate_of_nobodys_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sentence names the variable that makes it trusted, and with that it is."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(self_signed(tmp_path / "pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        environment.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.server_port}")
        with pytest.raises(StorageRefused, match="AWS_CA_BUNDLE"):
            open_store(load_settings(), FAST_TIMEOUTS).get("there")
        environment.setenv("AWS_CA_BUNDLE", str(tmp_path / "pem"))
        _open.cache_clear()
        with pytest.raises(StorageUnavailable, match="501"):  # that server knows no GET
            open_store(load_settings(), FAST_TIMEOUTS).get("there")
        server.shutdown()


def test_who_answers_people_does_not_wait_long_for_a_bucket(environment: pytest.MonkeyPatch) -> None:
    """The API has few threads; one that asks a bucket that hangs is free again after these."""
    assert (
        FAST_TIMEOUTS.read_timeout_s * FAST_TIMEOUTS.attempts
        <= 10
        < SLOW_TIMEOUTS.read_timeout_s * SLOW_TIMEOUTS.attempts
    )
    config = new_client(load_settings(), FAST_TIMEOUTS).meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"]) == FAST_TIMEOUTS
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="Could not connect"):
        open_store(load_settings(), FAST_TIMEOUTS).get("there")
    assert (FAST_TIMEOUTS.read_budget_s, SLOW_TIMEOUTS.read_budget_s) == (10, 80)


@pytest.mark.usefixtures("environment")
def test_a_client_that_nobody_has_is_gone() -> None:
    """What is done in forked processes holds no client."""
    client = weakref.ref(open_store(load_settings()).client)  # type: ignore[attr-defined] -- a bucket's
    _open.cache_clear()
    gc.collect()
    assert client() is None


def test_a_forked_process_does_not_talk_over_its_parents_connection(
    environment: pytest.MonkeyPatch, s3_server: S3Server
) -> None:
    """A client of a program's own provider opens another one too."""
    way = FaultyS3(s3_server.endpoint)
    way.start()
    environment.setenv("AWS_ENDPOINT_URL", way.endpoint)
    program = (
        "import os; from coin_pipeline.storage.provider import S3StorageProvider\n"
        "store = S3StorageProvider('access').store\n"
        "assert store.get('there') == b'1'\n"
        "child = os.fork()\n"
        "assert store.get('there') == b'1'\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    way.stop()
    assert (len(way.seen), way.connections) == (3, 2)
