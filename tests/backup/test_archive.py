"""Archives: complete or not there, verified, and readable with the tools that people have."""

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
    """Where archives go, which is not there yet."""
    return tmp_path / "backups/results"


def test_md5sum_and_tar_read_it(source: Path, target: Path) -> None:
    """The names are those of the older platform; links and files that are being written are not in it."""
    made = back_up(source, target, NOW)
    assert made == (target / "results_20241104_010203.tar.gz", 3, made.path.stat().st_size, False)
    checked = subprocess.run(
        ["/usr/bin/md5sum", "-c", f"{made.path.name}.md5"], cwd=target, check=True, capture_output=True
    )
    assert checked.stdout.decode() == "results_20241104_010203.tar.gz: OK\n"
    with tarfile.open(made.path) as archive:
        assert archive.getnames() == ["results/a.json", "results/b.json", "results/below/c.json"]
        told = archive.getmember("results/a.json")
        assert (told.mode, told.mtime) == (0o640, int((source / "a.json").stat().st_mtime))


def test_the_same_content_is_archived_once(source: Path, target: Path) -> None:
    """A second backup finds the first; a changed file makes another one, in the same second too."""
    first = back_up(source, target, NOW)
    assert back_up(source, target, NOW) == first._replace(known=True)
    (source / "a.json").write_text("{}")
    second = back_up(source, target, NOW)
    assert second.path.name == "results_20241104_010204.tar.gz"
    assert list_archives(target, "results") == [second.path, first.path]


def test_the_same_files_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    """Neither the time of the backup nor the order of the folder is in an archive."""
    one, two = (back_up(source, tmp_path / str(at.day), at).path for at in (NOW, NOW.replace(day=5)))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("where", [0.3, 0.9])
def test_a_flipped_bit_is_found_and_does_not_count_as_a_backup(source: Path, target: Path, where: float) -> None:
    """Verification refuses it, and the next backup is a new one."""
    made = back_up(source, target, NOW)
    data = bytearray(made.path.read_bytes())
    data[int(len(data) * where)] ^= 1
    made.path.write_bytes(data)
    with pytest.raises(ObjectCorrupt, match="its MD5 is not the one beside it"):
        verify_archive(made.path)
    assert not back_up(source, target, NOW).known


@pytest.mark.parametrize("beside", [b"", b"d41d8cd98f00b204e9800998ecf8427e  another\n", b"\xff\xfe\x00", b"\0" * 60])
def test_a_checksum_that_is_none_is_found(source: Path, target: Path, beside: bytes) -> None:
    """Whatever bytes a bad disk left there, the archive counts as corrupt, and another backup is made."""
    made = back_up(source, target, NOW)
    made.path.with_name(f"{made.path.name}.md5").write_bytes(beside)
    with pytest.raises(ObjectCorrupt, match="its MD5 is not the one beside it"):
        verify_archive(made.path)
    assert not back_up(source, target, NOW).known


def test_what_a_killed_backup_left_is_no_backup(source: Path, target: Path) -> None:
    """A part of an archive, and a checksum without one, are removed; an archive without a checksum does not count."""
    target.mkdir(parents=True)
    for name in (".tmp-1", "results_20240101_000000.tar.gz.md5", "results_20240101_000001.tar.gz"):
        (target / name).write_text("left")
    made = back_up(source, target, NOW)
    assert list_archives(target, "results") == [made.path]
    left = {path.name for path in target.iterdir()} - {made.path.name, f"{made.path.name}.md5"}
    assert left == {"results_20240101_000001.tar.gz"}


def test_an_empty_folder_can_be_archived(tmp_path: Path, target: Path) -> None:
    """No result yet is a backup of nothing."""
    (tmp_path / "results").mkdir()
    made = back_up(tmp_path / "results", target, NOW)
    assert (made.files, verify_archive(made.path)) == (0, {})


def test_killed_at_any_moment_it_leaves_whole_archives_only(source: Path, target: Path) -> None:
    """After each kill everything that counts verifies, and the backup that is not killed is complete."""
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
    made = back_up(source, target, NOW)
    assert verify_archive(made.path) == compute_digests(source)
    assert [path.name for path in target.iterdir() if path.name.startswith(".tmp-")] == []
