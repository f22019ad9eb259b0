"""Programs whose input and output are pipes or files."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import SEEK_END, BytesIO
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from coin_pipeline.backup.model import BLOCK_BYTES

_TAIL = 1_500


class Program(NamedTuple):
    """A running program.

    Attributes:
        process: The process.
        stdin: Its input, if it is a pipe; otherwise nothing that can be written.
        stdout: Its output, if it is a pipe; otherwise nothing that can be read.
        errors: The file that receives its messages.
    """

    process: "subprocess.Popen[bytes]"
    stdin: IO[bytes]
    stdout: IO[bytes]
    errors: IO[bytes]

    def last_errors(self) -> str:
        """Return the end of its messages."""
        size = self.errors.seek(0, SEEK_END)
        self.errors.seek(max(0, size - _TAIL))
        return self.errors.read().decode(errors="replace").strip()


@contextmanager
def run_program(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[Program]:
    """Run a program; kill it on exit if it is still running."""
    with TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout, stderr=errors)  # noqa: S603 -- no shell
        pipes = process.stdin or BytesIO(), process.stdout or BytesIO()
        try:
            yield Program(process, *pipes, errors)
        finally:
            process.kill()
            for pipe in pipes:
                with suppress(BrokenPipeError):
                    pipe.close()
            process.wait()


def blocks_of(source: IO[bytes]) -> Iterator[bytes]:
    """Return the content of a file, block by block."""
    return iter(lambda: source.read(BLOCK_BYTES), b"")
