"""Access of other users to DATA_ROOT, before and after the platform restricts it."""

import os
import stat
from pathlib import Path

import pytest

from coin_pipeline.storage.access import make_folders, private_umask, restrict_access

ENTER = 0o001 if os.geteuid() == 0 else 0
"""Root lets the user of the embedded database enter DATA_ROOT."""


def mode(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "after", "umask"),
    [(0o755, 0o700, 0o077), (0o2775, 0o2770, 0o007), (0o2770, 0o2770, 0o007)],
    ids=["open", "shared and open", "shared"],
)
def test_other_users_lose_access_and_a_group_that_may_write_keeps_it(
    tmp_path: Path, before: int, after: int, umask: int
) -> None:
    """The first start reports it, the next one has nothing to change."""
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(before)
    assert (restrict_access(root) is None) == (before & 0o007 == 0)
    assert mode(root) | ENTER == after | ENTER
    assert private_umask(root) == umask
    assert restrict_access(root) is None


def test_a_folder_for_all_users_is_left_as_it_is(tmp_path: Path) -> None:
    """DATA_ROOT=/tmp is a mistake, which must not make /tmp unusable."""
    tmp_path.chmod(0o1777)
    assert "a folder for all users" in str(restrict_access(tmp_path))
    assert mode(tmp_path) == 0o1777


def test_new_folders_are_private(tmp_path: Path) -> None:
    """Independent of the umask."""
    restrict_access(tmp_path / "new/data")
    make_folders(tmp_path / "new/data/BTC_KRW/1D")
    assert mode(tmp_path / "new/data") == 0o700 | ENTER
    assert mode(tmp_path / "new/data/BTC_KRW") == 0o700


def test_a_new_data_root_needs_no_restriction(tmp_path: Path) -> None:
    """A command such as an import may store candles in it before the platform starts for the first time."""
    make_folders(tmp_path / "data/BTC_KRW/1D")
    assert restrict_access(tmp_path / "data") is None


@pytest.mark.parametrize(("umask", "group"), [(0o007, 0o070), (0o022, 0o050), (0o077, 0)])
def test_new_folders_of_a_shared_data_root_are_shared(tmp_path: Path, umask: int, group: int) -> None:
    """As far as the umask permits, and down to the last of several new folders."""
    tmp_path.chmod(0o2770)
    before = os.umask(umask)
    try:
        make_folders(tmp_path / "BTC_KRW/1D")
    finally:
        os.umask(before)
    assert mode(tmp_path / "BTC_KRW/1D") & 0o070 == group
