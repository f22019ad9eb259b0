"""The SQL statements that pg_restore makes of a dump, as far as they belong to the platform."""

import re
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, BinaryIO

from coin_pipeline.backup.model import BLOCK_BYTES
from coin_pipeline.backup.piped_programs import blocks_of, run_program
from coin_pipeline.database.timeouts import WHERE
from coin_pipeline.errors import RestoreFailed

_LISTING_BLOCK = 2**16
# pg_dump has no option for the functions and types of other programs in Dagster's schema, so they are left out here.
_OWN_ENTRY = re.compile(
    r"\d+; \d+ \d+ ((TABLE|SEQUENCE|DEFAULT|CONSTRAINT|FK CONSTRAINT|CHECK CONSTRAINT|INDEX|TRIGGER)\b|[A-Z ]+ coin )"
)
_SETTING, _HAS_SETTING = b"SET transaction_timeout = 0;\n", 170_000
"""What pg_restore writes for every server, and the version of the first one that knows it."""


def write_statements(pg_restore: Path, version: int, dump: BinaryIO, sink: IO[bytes]) -> None:
    """Write the statements that restore a dump, which is read to its end.

    Args:
        pg_restore: The program.
        version: Version of the server that will execute them, such as 180001.
        dump: A dump in pg_dump's custom format.
        sink: Receives the statements.

    Raises:
        RestoreFailed: The dump is damaged.
    """
    head, entries = _read_listing(pg_restore, dump)
    blocks = chain([head], blocks_of(dump))
    with ThreadPoolExecutor(1) as feeder, NamedTemporaryFile("w") as listing:
        listing.write("\n".join(entries))
        listing.flush()
        command = [str(pg_restore), "--no-owner", "--no-privileges", f"--use-list={listing.name}", "--file=-"]
        with run_program(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            feeding = feeder.submit(_feed, program.stdin, blocks)
            settings = program.stdout.read(BLOCK_BYTES)  # the first lines; rows that follow may contain the same text
            sink.write(settings if version >= _HAS_SETTING else settings.replace(_SETTING, b"", 1))
            sink.writelines(blocks_of(program.stdout))
            feeding.result()
            if program.process.wait():
                raise RestoreFailed(WHERE, f"the dump cannot be read: {program.last_errors()}")
    for _ in blocks:  # pg_restore need not read the end of a dump, at which its digest is verified
        pass


def _read_listing(pg_restore: Path, dump: BinaryIO) -> tuple[bytes, list[str]]:
    """Return the beginning of a dump and the entries of its table of contents that belong to the platform."""
    head = b""
    with (
        TemporaryFile() as listing,
        run_program([str(pg_restore), "--list"], stdin=subprocess.PIPE, stdout=listing) as program,
    ):
        with suppress(BrokenPipeError):  # it has read the table of contents
            while block := dump.read(_LISTING_BLOCK):
                head += block
                program.stdin.write(block)
                program.stdin.flush()
            program.stdin.close()
        if program.process.wait():
            raise RestoreFailed(WHERE, f"the dump cannot be read: {program.last_errors()}")
        listing.seek(0)
        lines = listing.read().decode().splitlines()
    return head, [line for line in lines if _OWN_ENTRY.match(line)]


def _feed(sink: IO[bytes], blocks: Iterable[bytes]) -> None:
    with suppress(BrokenPipeError), sink:  # the program's exit code shows whether it ended too early
        for block in blocks:
            sink.write(block)
