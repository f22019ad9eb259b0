"""Credentials, region and endpoint: wrong settings against a real server that verifies signatures."""

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
    "info": lambda store: store.info("a"),
    "exists": lambda store: store.exists("a"),
    "list": lambda store: list(store.keys()),
    "delete": lambda store: store.delete("a"),
}
SECRET = "so-much-of-a-secret"  # noqa: S105 -- unknown to every server
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": SECRET}, "AWS_SECRET_ACCESS_KEY"),
    "unknown key": ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "the access key is unknown"),
    "half a pair": ({"AWS_SECRET_ACCESS_KEY": ""}, "only one of AWS_ACCESS_KEY_ID and"),
    "no credentials": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials were found"),
    "no such bucket": ({"AWS_BUCKET_NAME": "never-made"}, "coin storage init"),
    "unknown profile": (
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "absent"},
        r"profile \(absent\) could not be found",
    ),
    "impossible host": ({"AWS_ENDPOINT_URL": "http://_host_/"}, "correct AWS_ENDPOINT_URL"),
    "impossible port": ({"AWS_ENDPOINT_URL": "http://host:99999"}, "not a valid URI"),
}


@pytest.fixture
def environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Set up the settings of a bucket on the server, isolated from the AWS configuration of the machine."""
    s3_server.store("access").put("there", b"1")
    for name, value in s3_server.environment("access").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    _open.cache_clear()  # its key does not include AWS's own variables
    return monkeypatch


def self_signed(path: Path) -> Path:
    """Write a key and a self-signed certificate of 127.0.0.1."""
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
def test_wrong_setting_is_reported_without_secrets(environment: pytest.MonkeyPatch, wrong: str, operation: str) -> None:
    """The message names the variable to change and contains no secret."""
    changes, message = WRONG[wrong]
    for name, value in changes.items():
        environment.setenv(name, value) if value else environment.delenv(name)
    with pytest.raises(StorageRefused, match=message) as caught:
        OPERATIONS[operation](open_store(load_settings()))
    text = str(caught.value)
    assert "s3://" in text
    for secret in (S3Server.secret_key, S3Server.access_key, SECRET, "AKIANOBODY"):
        assert secret not in text


def test_valid_settings_work(environment: pytest.MonkeyPatch) -> None:
    """The unchanged settings work, so the rejections above have no other cause."""
    assert open_store(load_settings()).get("there") == b"1"
    environment.setenv("AWS_REGION", "")
    assert open_store(load_settings()).get("there") == b"1"


def test_credentials_come_from_the_aws_profile(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a profile, the settings need no key."""
    (tmp_path / "credentials").write_text(
        f"[mine]\naws_access_key_id = {S3Server.access_key}\naws_secret_access_key = {S3Server.secret_key}\n"
    )
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_PROFILE", "mine")
    assert open_store(load_settings()).get("there") == b"1"


def test_endpoint_with_password_is_rejected(environment: pytest.MonkeyPatch) -> None:
    """A password in the URL would appear in every error."""
    environment.setenv("AWS_ENDPOINT_URL", f"http://me:{SECRET}@host")
    with pytest.raises(InvalidSettings, match="AWS_ENDPOINT_URL") as caught:
        load_settings()
    assert SECRET not in str(caught.value)


def test_server_without_tls_is_rejected(environment: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    """A mistyped https fails at once instead of after ten minutes of retries."""
    environment.setenv("AWS_ENDPOINT_URL", s3_server.endpoint.replace("http", "https"))
    with pytest.raises(StorageRefused, match="AWS_ENDPOINT_URL to http://"):
        open_store(load_settings(), FAST_TIMEOUTS).get("there")


def test_untrusted_certificate_is_rejected(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message names the variable to set; with it, the certificate is trusted."""
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
        with pytest.raises(StorageUnavailable, match="501"):  # the server does not implement GET
            open_store(load_settings(), FAST_TIMEOUTS).get("there")
        server.shutdown()


def test_fast_timeouts_free_threads_early(environment: pytest.MonkeyPatch) -> None:
    """The API has few threads, so a hanging bucket must release them within these limits."""
    config = new_client(load_settings(), FAST_TIMEOUTS).meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"]) == FAST_TIMEOUTS
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="Could not connect"):
        open_store(load_settings(), FAST_TIMEOUTS).get("there")
    assert (FAST_TIMEOUTS.read_budget_s, SLOW_TIMEOUTS.read_budget_s) == (10, 80)


@pytest.mark.usefixtures("environment")
def test_unused_client_is_collected() -> None:
    """The fork handler keeps no client alive."""
    client = weakref.ref(open_store(load_settings()).client)  # type: ignore[attr-defined] -- a bucket's
    _open.cache_clear()
    gc.collect()
    assert client() is None


def test_forked_process_opens_its_own_connection(environment: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    """This also holds for the client of a custom program's provider."""
    proxy = FaultyS3(s3_server.endpoint)
    proxy.start()
    environment.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    program = (
        "import os; from coin_pipeline.storage.provider import S3StorageProvider\n"
        "store = S3StorageProvider('access').store\n"
        "assert store.get('there') == b'1'\n"
        "child = os.fork()\n"
        "assert store.get('there') == b'1'\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    proxy.stop()
    assert (len(proxy.seen), proxy.connections) == (3, 2)
