"""Schemathesis: no answer of the API is a server error, and each is as the OpenAPI document describes it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT, store_candles
from tests.fuzz.program import DATABASE
from tests.platforms import free_ports, wait_until

SECONDS = int(os.environ.get("COIN_FUZZ_SECONDS", "10"))


@pytest.fixture(scope="module")
def api_url(index_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an API in a process of its own."""
    root, (port,) = tmp_path_factory.mktemp("api"), free_ports(1)
    store_candles(root)
    url, log = f"http://127.0.0.1:{port}", root / "log"
    command = [sys.executable, "-m", "tests.fuzz.program", str(port)]
    environment = {**os.environ, "DATA_ROOT": str(root), DATABASE: index_url, "PYTHONPATH": str(ROOT)}
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as server:
        try:
            wait_until(lambda: server.poll() is not None or answers(url))
            assert server.poll() is None, log.read_text()
            yield url
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Return whether the API responds."""
    try:
        return httpx2.get(f"{url}/openapi.json").is_success
    except httpx2.TransportError:
        return False


def test_every_answer_is_documented(api_url: str, tmp_path: Path) -> None:
    """Status code, content type, headers and body of each answer; links between operations are followed."""
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        str(Path(__file__).with_name("schemathesis.toml")),
        "run",
        f"{api_url}/openapi.json",
        "--continue-on-failure",
        "--max-time",
        str(SECONDS),
        *(["--seed", "1"] if SECONDS < 600 else []),  # the weekly run draws new cases
        "--generation-database",
        "none",
        "--warnings",
        "off",
    ]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert httpx2.get(f"{api_url}/health").status_code == 200
