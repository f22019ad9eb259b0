"""Lock files."""

from contextlib import closing
from pathlib import Path

import pytest

from coin_pipeline.errors import ServiceUnavailable
from coin_pipeline.orchestration.worker_pool.lock import LOCK_NAME, is_pool_expected, record_alive, single_instance
from coin_pipeline.storage.file_lock import FileLock


def test_a_deleted_lock_file_is_locked_again(tmp_path: Path) -> None:
    """A second process could lock a new file otherwise; its folder may be gone too."""
    path = tmp_path / "folder" / "a.lock"
    path.parent.mkdir()
    with closing(FileLock(path)) as lock:
        assert lock.acquire()
        path.unlink()
        path.parent.rmdir()
        assert lock.restore()
        with closing(FileLock(path)) as other:
            assert not other.acquire()
            lock.close()
            assert other.acquire()


def test_a_lock_that_another_process_took_is_lost(tmp_path: Path) -> None:
    """Two processes with the lock would do everything twice."""
    path = tmp_path / "a.lock"
    with closing(FileLock(path)) as lock:
        assert lock.acquire()
        path.unlink()
        with closing(FileLock(path)) as other:
            assert other.acquire()
            assert not lock.restore()


def test_deleting_its_lock_file_does_not_hide_a_pool(tmp_path: Path) -> None:
    """Runs wait for it, instead of starting in interpreters of their own, and no second pool starts."""
    with single_instance(tmp_path) as lock:
        (tmp_path / LOCK_NAME).unlink()
        assert not is_pool_expected(tmp_path)
        record_alive(tmp_path, lock)
        assert is_pool_expected(tmp_path)
        (tmp_path / LOCK_NAME).unlink()
        with single_instance(tmp_path), pytest.raises(ServiceUnavailable, match="another worker pool"):
            record_alive(tmp_path, lock)
