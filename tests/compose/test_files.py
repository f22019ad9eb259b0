"""Dockerfile, docker-compose.yml and systemd units, checked without Docker and without systemd running."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.cli.service import SERVICES

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
UNITS = sorted((ROOT / "deploy/systemd").glob("coin*.*"))


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.env` as scripts/compose_env.sh writes it."""
    path = tmp_path_factory.mktemp("env") / ".env"
    subprocess.run(["sh", ROOT / "scripts/compose_env.sh", path], check=True, stdout=subprocess.DEVNULL)
    return path


def config(env: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Return docker-compose.yml as Compose resolves it."""
    command = [str(PROGRAMS / "docker-compose"), "--env-file", str(env), "--profile", "*", *arguments]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "ENV_FILE": str(env), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resolved: dict[str, Any] = json.loads(done.stdout)
    return resolved


def test_every_service_is_hardened(env: Path) -> None:
    """Read-only root, no capabilities, limits, a pinned image; only the API and the UI publish a port, on loopback."""
    for name, service in config(env)["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert not service["image"].endswith(":latest"), name
        assert ":" in service["image"], name
        ports = [port["host_ip"] for port in service.get("ports", [])]
        assert ports == (["127.0.0.1"] if name in {"api", "ui"} else []), name


def test_the_worker_is_a_profile_that_the_env_selects(env: Path) -> None:
    """`docker compose up -d` starts the pool, and so does the checklist's `--profile worker up -d worker`."""
    assert config(env)["services"]["worker"]["profiles"] == ["worker"]
    assert "\nCOMPOSE_PROFILES=worker\n" in env.read_text()


def test_the_servers_know_where_their_ports_are_published(env: Path) -> None:
    """The rule that requires tokens sees the address of the host, since a container listens on all of its own."""
    api = config(env, COIN_PUBLISH="0.0.0.0")["services"]["api"]  # noqa: S104 -- not bound
    assert api["ports"][0]["host_ip"] == api["environment"]["COIN_PUBLISHED_AT"] == "0.0.0.0"  # noqa: S104 -- same


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_there_is_no_default_password(env: Path, tmp_path: Path, name: str) -> None:
    """Without one in `.env` Compose names the script that creates it."""
    incomplete = tmp_path / ".env"
    incomplete.write_text("\n".join(line for line in env.read_text().splitlines() if not line.startswith(name)))
    command = [str(PROGRAMS / "docker-compose"), "--env-file", str(incomplete), "config", "--quiet"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "scripts/compose_env.sh" in done.stderr


def test_the_env_is_private_and_kept(env: Path, tmp_path: Path) -> None:
    """A second run changes nothing; a value of the user wins; passwords differ between installations."""
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    own = tmp_path / ".env"
    own.write_text("POSTGRES_PASSWORD=chosen")
    for _ in range(2):
        subprocess.run(["sh", ROOT / "scripts/compose_env.sh", own], check=True, stdout=subprocess.DEVNULL)
    values = dict(line.split("=", 1) for line in own.read_text().splitlines())
    assert values["POSTGRES_PASSWORD"] == "chosen"  # noqa: S105 -- of no server
    assert len(own.read_text().splitlines()) == len(values) == 4
    assert values["AWS_SECRET_ACCESS_KEY"] not in env.read_text()


def test_an_empty_password_is_replaced(tmp_path: Path) -> None:
    """Compose refuses an empty password and names the script, which therefore has to create one."""
    own = tmp_path / ".env"
    own.write_text("COMPOSE_PROFILES=\nPOSTGRES_PASSWORD=\n")
    subprocess.run(["sh", ROOT / "scripts/compose_env.sh", own], check=True, stdout=subprocess.DEVNULL)
    lines = own.read_text().splitlines()
    assert len(dict(line.split("=", 1) for line in lines)["POSTGRES_PASSWORD"]) == 48
    assert "COMPOSE_PROFILES=" in lines  # a choice: no worker pool
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_aws_takes_the_place_of_the_s3_server(env: Path) -> None:
    """With deploy/compose.aws.yml no S3 server is started, and the endpoint is AWS's."""
    files = [argument for name in ("docker-compose.yml", "deploy/compose.aws.yml") for argument in ("--file", name)]
    services = config(env, "--project-directory", ".", *files)["services"]
    assert services["s3"]["profiles"] == ["none"]
    assert services["api"]["environment"]["AWS_ENDPOINT_URL"] == ""
    assert services["api"]["environment"]["COIN_S3_PATH_STYLE"] == "false"


def test_hadolint_accepts_the_dockerfile() -> None:
    """No warning of any severity."""
    done = subprocess.run([PROGRAMS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_contains_no_file_that_git_ignores() -> None:
    """.dockerignore excludes everything that is not listed, so neither .env nor data can reach an image."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert all((ROOT / line[1:]).exists() for line in lines if line.startswith("!"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Every directive is known, and every unit that one refers to exists."""
    for unit in UNITS:  # with a program that exists here
        text = unit.read_text().replace("/opt/coin/bin/coin", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    own = [line for line in done.stderr.splitlines() if str(tmp_path) in line or line.startswith("coin")]
    assert (done.returncode, own) == (0, []), done.stderr


def test_each_service_has_a_unit() -> None:
    """What Compose runs as containers, systemd runs as units."""
    target = (ROOT / "deploy/systemd/coin.target").read_text()
    instances = set(re.findall(r"coin@(\w+)\.service", target))
    assert instances | {"init"} == set(SERVICES)
