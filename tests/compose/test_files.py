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

import click
import pytest

from coin_pipeline.cli.app import coin
from coin_pipeline.cli.service import SERVICES
from coin_pipeline.settings import Settings
from tests.compose.stand_ins import base_image

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
UNITS = sorted((ROOT / "deploy/systemd").glob("coin*.*"))


OWN_DATABASE = "postgresql://coin:secret@db.example/coin"


def create_env(path: Path) -> None:
    """Run the script that creates `.env`."""
    subprocess.run(["sh", ROOT / "scripts/compose_env.sh", path], check=True, stdout=subprocess.DEVNULL)


def written(folder: Path, *lines: str) -> Path:
    """Return a `.env` with these lines."""
    path = folder / ".env"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.env` as scripts/compose_env.sh writes it."""
    path = tmp_path_factory.mktemp("env") / ".env"
    create_env(path)
    return path


def compose(env: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Compose with a `.env`, and with no other variables than these."""
    return subprocess.run(
        [str(PROGRAMS / "docker-compose"), "--env-file", str(env), *arguments],
        env={"PATH": os.environ["PATH"], "ENV_FILE": str(env), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def config(env: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Return docker-compose.yml as Compose resolves it."""
    done = compose(env, "--profile", "*", *arguments, "config", "--format", "json", **variables)
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


def test_there_is_no_default_password_of_the_database(tmp_path: Path) -> None:
    """Without one in `.env` Compose names the script that creates it."""
    done = compose(written(tmp_path, "POSTGRES_PASSWORD="), "config", "--quiet")
    assert done.returncode != 0
    assert "scripts/compose_env.sh" in done.stderr


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_the_s3_server_starts_with_keys_only(env: Path, tmp_path: Path, name: str) -> None:
    """Without them it would let every client in. It ends with the name of the script instead."""
    server = config(env)["services"]["s3"]
    program = tmp_path / "weed"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o700)
    command = [*server["entrypoint"], *server["command"]]
    command = [part.replace("$$", "$") for part in command]  # as `config` escapes it
    keys = server["environment"] | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    started = subprocess.run(command, env=keys, capture_output=True, text=True, check=True)
    assert started.stdout.split()[:2] == ["mini", "-dir=/s3"]
    refused = subprocess.run(command, env=keys | {name: ""}, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "scripts/compose_env.sh" in refused.stderr


def test_servers_of_your_own_need_no_passwords(tmp_path: Path) -> None:
    """A role on AWS has no keys, and DATABASE_URL has what its server needs."""
    own = written(tmp_path, "COMPOSE_FILE=docker-compose.yml:deploy/compose.aws.yml", f"DATABASE_URL={OWN_DATABASE}")
    api = config(own)["services"]["api"]["environment"]
    assert api["DATABASE_URL"] == OWN_DATABASE
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & {*api} == set()


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("COMPOSE_FILE=docker-compose.yml:deploy/compose.aws.yml", "AWS_"),
        ("AWS_ENDPOINT_URL=", "AWS_ACCESS"),
        ("AWS_ENDPOINT_URL=https://s3.example", "AWS_ACCESS"),
        ("DATABASE_URL=postgresql://coin@db.example/coin", "POSTGRES_PASSWORD"),
    ],
)
def test_no_password_is_created_for_a_server_that_is_not_used(tmp_path: Path, line: str, absent: str) -> None:
    """Random keys would hide the role of the host."""
    own = written(tmp_path, line)
    create_env(own)
    assert [added for added in own.read_text().splitlines()[1:] if added.startswith(absent)] == []


@pytest.mark.parametrize("password", ["p@ss/w#rd%41?", "with space and 'quote"])
def test_a_password_of_any_characters_works(tmp_path: Path, password: str) -> None:
    """It has a variable of its own, which libpq reads; in the URL it would have to be escaped."""
    own = written(tmp_path, f'POSTGRES_PASSWORD="{password}"')
    services = config(own)["services"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == password
    assert services["api"]["environment"]["PGPASSWORD"] == password
    assert services["api"]["environment"]["DATABASE_URL"] == "postgresql://coin@postgres:5432/coin"


def test_the_env_is_private_and_kept(env: Path, tmp_path: Path) -> None:
    """A second run changes nothing; a value of the user wins; passwords differ between installations."""
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    own = tmp_path / ".env"
    own.write_text("POSTGRES_PASSWORD=chosen")
    for _ in range(2):
        create_env(own)
    values = dict(line.split("=", 1) for line in own.read_text().splitlines())
    assert values["POSTGRES_PASSWORD"] == "chosen"  # noqa: S105 -- of no server
    assert len(own.read_text().splitlines()) == len(values) == 4
    assert values["AWS_SECRET_ACCESS_KEY"] not in env.read_text()


def test_an_empty_password_is_replaced(tmp_path: Path) -> None:
    """Compose refuses an empty password and names the script, which therefore has to create one."""
    own = tmp_path / ".env"
    own.write_text("COMPOSE_PROFILES=\nPOSTGRES_PASSWORD=\n")
    create_env(own)
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


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_each_unit_starts_a_command_that_exists(unit: Path) -> None:
    """With arguments that it accepts, and variables that are settings or another program's."""
    text = unit.read_text()
    (command,) = re.findall(r"^ExecStart=/opt/coin/bin/coin (.+)$", text, re.MULTILINE)
    name, *arguments = command.replace("%i", "pool").split()
    found = coin.get_command(click.Context(coin), name)
    assert found
    found.make_context(name, arguments)
    variables = re.findall(r"(\w+)=", " ".join(re.findall(r"^Environment=(.+)$", text, re.MULTILINE)))
    others = {"NUMBA_CACHE_DIR", "PYTHONUNBUFFERED"}
    assert {variable.lower() for variable in {*variables} - others} <= {*Settings.model_fields}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_systemd_finds_little_exposure(unit: Path, tmp_path: Path) -> None:
    """The exposure that systemd computes is below 3 of 10, which it calls OK."""
    copy = tmp_path / unit.name.replace("@", "@pool")
    copy.write_text(unit.read_text())
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


@pytest.mark.parametrize("page", ["deployment.md", "ko/deployment.md"])
def test_the_documentation_states_how_each_image_is_tested(env: Path, page: str) -> None:
    """Those of registries, under their present tags."""
    images = {service["image"] for service in config(env)["services"].values()} - {"coin-pipeline:local"}
    text = (ROOT / "docs" / page).read_text()
    assert [image for image in (*images, base_image()) if f"| `{image}`" not in text] == []
