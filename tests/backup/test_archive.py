"""Archives are complete or absent, verified, and readable with standard tools."""

import os
import signal
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_pipeline.backup.archive import back_up, compute_digests, list_archives, verify_archive
from coin_pipeline.errors import ObjectCorrupt

NOW = datetime(2024, 11, 4, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of results."""
    folder = tmp_path / "results"
    (folder / "below").mkdir(parents=True)
    for name in ("b.json", "a.json", "below/c.json"):
        (folder / name).write_text(f'{{"name": "{name}"}}')
    (folder / "a.json").chmod(0o640)
    (folder / ".tmp-half").write_text("half")
    (folder / "link.json").symlink_to("a.json")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for archives, which does not exist yet."""
    return tmp_path / "backups/results"


def test_md5sum_and_tar_read_the_archive(source: Path, target: Path) -> None:
    """File names are those of the legacy platform; links and incomplete writes are excluded."""
    archive = back_up(source, target, NOW)
    assert archive == (target / "results_20241104_010203.tar.gz", 3, archive.path.stat().st_size, False)
    checked = subprocess.run(
        ["/usr/bin/md5sum", "-c", f"{archive.path.name}.md5"], cwd=target, check=True, capture_output=True
    )
    assert checked.stdout.decode() == "results_20241104_010203.tar.gz: OK\n"
    with tarfile.open(archive.path) as tar:
        assert tar.getnames() == ["results/a.json", "results/b.json", "results/below/c.json"]
        info = tar.getmember("results/a.json")
        assert (info.mode, info.mtime) == (0o640, int((source / "a.json").stat().st_mtime))


def test_same_content_is_archived_once(source: Path, target: Path) -> None:
    """A second backup returns the first archive; a changed file leads to a new one, even in the same second."""
    first = back_up(source, target, NOW)
    assert back_up(source, target, NOW) == first._replace(existed=True)
    (source / "a.json").write_text("{}")
    second = back_up(source, target, NOW)
    assert second.path.name == "results_20241104_010204.tar.gz"
    assert list_archives(target, "results") == [second.path, first.path]


def test_archives_are_reproducible(source: Path, tmp_path: Path) -> None:
    """The bytes depend neither on the time of the backup nor on the order of the folder."""
    first, second = (back_up(source, tmp_path / str(at.day), at).path for at in (NOW, NOW.replace(day=5)))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("position", [0.3, 0.9])
def test_flipped_bit_invalidates_the_backup(source: Path, target: Path, position: float) -> None:
    """Verification fails, and the next backup creates a new archive."""
    archive = back_up(source, target, NOW)
    data = bytearray(archive.path.read_bytes())
    data[int(len(data) * position)] ^= 1
    archive.path.write_bytes(data)
    with pytest.raises(ObjectCorrupt, match="its MD5 checksum does not match"):
        verify_archive(archive.path)
    assert not back_up(source, target, NOW).existed


@pytest.mark.parametrize("checksum", [b"", b"d41d8cd98f00b204e9800998ecf8427e  another\n", b"\xff\xfe\x00", b"\0" * 60])
def test_invalid_checksum_file_invalidates_the_backup(source: Path, target: Path, checksum: bytes) -> None:
    """Whatever bytes the .md5 file has, the archive counts as corrupt and the next backup is new."""
    archive = back_up(source, target, NOW)
    archive.path.with_name(f"{archive.path.name}.md5").write_bytes(checksum)
    with pytest.raises(ObjectCorrupt, match="its MD5 checksum does not match"):
        verify_archive(archive.path)
    assert not back_up(source, target, NOW).existed


def test_leftovers_of_a_killed_backup_are_removed(source: Path, target: Path) -> None:
    """Partial archives and orphaned checksums are removed; an archive without a checksum does not count."""
    target.mkdir(parents=True)
    for name in (".tmp-1", "results_20240101_000000.tar.gz.md5", "results_20240101_000001.tar.gz"):
        (target / name).write_text("left")
    archive = back_up(source, target, NOW)
    assert list_archives(target, "results") == [archive.path]
    remaining = {path.name for path in target.iterdir()} - {archive.path.name, f"{archive.path.name}.md5"}
    assert remaining == {"results_20240101_000001.tar.gz"}


def test_empty_folder_can_be_archived(tmp_path: Path, target: Path) -> None:
    """The archive of an empty folder has no files."""
    (tmp_path / "results").mkdir()
    archive = back_up(tmp_path / "results", target, NOW)
    assert (archive.files, verify_archive(archive.path)) == (0, {})


def test_killed_backup_leaves_only_complete_archives(source: Path, target: Path) -> None:
    """After each kill all visible archives verify, and an undisturbed backup is complete."""
    for number in range(40):
        (source / f"big{number}.json").write_bytes(os.urandom(200_000))
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from coin_pipeline.backup.archive import back_up\n"
        "print('go', flush=True); back_up(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))"
    )
    for pause in (0.0, 0.05, 0.1, 0.2, 0.3, 0.4):
        process = subprocess.Popen([sys.executable, "-c", program, source, target], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for path in list_archives(target, "results"):
            assert verify_archive(path) == compute_digests(source)
    archive = back_up(source, target, NOW)
    assert verify_archive(archive.path) == compute_digests(source)
    assert [path.name for path in target.iterdir() if path.name.startswith(".tmp-")] == []
