"""Parsed sources on disk: used while a file is the same, and never afterwards."""

import os
from pathlib import Path

import pytest

from coin_pipeline.backtest.source_file import file_state, read_source
from coin_pipeline.backtest.stored_sources import StoredSources

TEXT, OTHER = "import one\n", "import two\n"
ANY_AGE_NS = -1


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return a file of a package."""
    path = tmp_path / "module.py"
    path.write_text(TEXT)
    return path


def stored(module: Path) -> StoredSources:
    """Return the sources as a new process sees them; it stores files of any age."""
    return StoredSources(module.parent, module.parent / "cache" / "sources.json", ANY_AGE_NS)


def save(module: Path) -> None:
    """Parse the file and store it."""
    sources = stored(module)
    sources.read(module, file_state(module))
    sources.save()


def replace_digest(module: Path) -> None:
    """Change the stored digest, so that a test sees whether it was used."""
    path = module.parent / "cache" / "sources.json"
    path.write_text(path.read_text().replace(read_source(module, file_state(module)).digest, "from the file"))


def test_unchanged_file_is_not_parsed_again(module: Path) -> None:
    """Another process uses what is stored, with the same imports."""
    save(module)
    replace_digest(module)
    source = stored(module).read(module, file_state(module))
    assert (source.digest, source.imports) == ("from the file", ((0, "one", ()),))


def test_changed_file_is_parsed_again_although_time_and_size_are_the_same(module: Path) -> None:
    """Its time of change, which no program can set, differs."""
    before = module.stat()
    save(module)
    replace_digest(module)
    module.write_text(OTHER)
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stored(module).read(module, file_state(module)).imports == ((0, "two", ()),)


def test_file_that_was_just_written_is_not_stored(module: Path) -> None:
    """It could change again within the resolution of its times."""
    sources = StoredSources(module.parent, module.parent / "cache" / "sources.json", 3_600_000_000_000)
    sources.read(module, file_state(module))
    sources.save()
    assert not (module.parent / "cache").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"parser": "another", "sources": {}}'])
def test_file_of_another_parser_or_a_damaged_one_is_ignored(module: Path, content: str) -> None:
    """The sources are parsed again, and stored."""
    save(module)
    path = module.parent / "cache" / "sources.json"
    intact = path.read_text()
    path.write_text(content)
    save(module)
    assert path.read_text() == intact


def test_folder_that_cannot_be_created_is_no_error(module: Path) -> None:
    """Then each process parses the files."""
    (module.parent / "cache").write_text("a file")
    save(module)
    assert (module.parent / "cache").read_text() == "a file"
