"""Mutation testing: plant a seeded sample of one-token faults, one at a time, and list those that no test notices.

A survivor is a missing test, or a fault without effect: an equivalent mutant, such as a different block size of a loop.
Each fault is planted in a copy of the project, so the working tree is never changed.

Example:
    python scripts/mutants.py --count 50 --seed 7 coin_pipeline/engine
"""

import argparse
import ast
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("coin_pipeline/engine", "coin_pipeline/strategies", "coin_pipeline/candles", "coin_pipeline/backtest")
TESTS = ("tests/engine", "tests/strategies", "tests/candles", "tests/backtest", "tests/sweeps", "tests/notebook")
TIMEOUT_S = 900
"""A fault that makes the tests run for longer than this counts as noticed: it hangs."""
_SWAPS = (
    *(("<", "<="), (">", ">="), ("==", "!="), ("+", "-"), ("*", "/"), ("+=", "-="), ("*=", "/="), ("//", "/")),
    *(("and", "or"), ("True", "False"), ("min", "max"), ("any", "all"), ("minimum", "maximum"), ("floor", "ceil")),
    *(("argmin", "argmax"), ("left", "right")),
)
REPLACEMENTS = {old: new for pair in _SWAPS for old, new in (pair, pair[::-1])}
_OPERANDS = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)


class Mutant(NamedTuple):
    """One replaced token.

    Attributes:
        path: File, relative to the project.
        line: Its line, from 1.
        column: Offset of the token in the line.
        old: The token.
        new: What replaces it.
    """

    path: str
    line: int
    column: int
    old: str
    new: str

    def apply(self, source: str) -> str:
        """Return the source with the token replaced."""
        lines = source.splitlines(keepends=True)
        text = lines[self.line - 1]
        lines[self.line - 1] = text[: self.column] + self.new + text[self.column + len(self.old) :]
        return "".join(lines)


def find_mutants(source: str, path: str) -> Iterator[Mutant]:
    """Yield every mutant of a module that still compiles.

    Annotations, decorators and docstrings decide nothing, and a prefetch is only a hint to the processor.
    """
    skipped = _skipped_positions(ast.parse(source))
    lines = source.splitlines()
    previous = tokenize.TokenInfo(tokenize.NEWLINE, "", (0, 0), (0, 0), "")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (line, column), text = token.start, token.string
        new = _replacement(token, previous)
        if token.type not in {tokenize.NL, tokenize.COMMENT}:
            previous = token
        if new is None or "prefetch" in lines[line - 1].lower() or any(a <= token.start < b for a, b in skipped):
            continue
        mutant = Mutant(path, line, column, text, new)
        try:
            compile(mutant.apply(source), path, "exec")
        except SyntaxError:
            continue
        yield mutant


def _replacement(token: tokenize.TokenInfo, previous: tokenize.TokenInfo) -> str | None:
    if token.type == tokenize.NUMBER:
        return f"({token.string} + 1)"
    is_binary = previous.type in _OPERANDS or previous.string in {")", "]"}
    if token.type == tokenize.OP and token.string in {"*", "/"} and not is_binary:
        return None  # an unpacking or a marker in a signature
    return REPLACEMENTS.get(token.string) if token.type in {tokenize.OP, tokenize.NAME} else None


def _skipped_positions(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return start and end of the parts of a module that decide nothing at run time."""
    nodes: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            nodes += node.decorator_list
        if isinstance(node, ast.FunctionDef) and node.returns:
            nodes.append(node.returns)
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            nodes.append(node.annotation)
    return [((n.lineno, n.col_offset), (n.end_lineno or n.lineno, n.end_col_offset or 0)) for n in nodes]


def stages_of_tests(path: str) -> list[list[str]]:
    """Return the test files for a module in stages: those of its own name, of its package, then all others."""
    stem, package = Path(path).stem, path.split("/")[1]
    every = sorted(str(file.relative_to(ROOT)) for folder in TESTS for file in (ROOT / folder).glob("test_*.py"))
    own = [file for file in every if stem in Path(file).stem]
    near = [file for file in every if file not in own and file.startswith(f"tests/{package}/")]
    return [stage for stage in (own, near, [file for file in every if file not in own + near]) if stage]


def run_tests(tree: Path, files: Sequence[str]) -> bool:
    """Return whether the tests pass in a copy of the project."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "PYTHONPATH": str(tree), "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis")}
    try:
        return not subprocess.run(  # noqa: S603 - our own tests
            command, cwd=tree, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return False


def copy_project(source: Path, target: Path) -> None:
    """Copy a project with hard links and its compiled kernels; files are replaced there, never written to."""
    ignored = shutil.ignore_patterns(".git", ".venv*", "site", ".hypothesis", "node_modules", "*_cache")
    shutil.copytree(source, target, copy_function=os.link, ignore=ignored, symlinks=True)


def survives(base: Path, mutant: Mutant) -> bool:
    """Return whether all tests pass with the mutant."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder, "project")
        copy_project(base, tree)
        file = tree / mutant.path
        source = file.read_text()
        file.unlink()
        file.write_text(mutant.apply(source))
        return all(run_tests(tree, stage) for stage in stages_of_tests(mutant.path))


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the sample and print the survivors; 1 if the tests fail without any fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=TARGETS, help="files or folders to mutate")
    parser.add_argument("--count", type=int, default=100, help="faults to plant (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="faults at a time (default: %(default)s)")
    options = parser.parse_args(arguments)
    files = sorted(file for path in options.paths for file in _python_files(ROOT / path))
    mutants = [mutant for file in files for mutant in find_mutants(file.read_text(), str(file.relative_to(ROOT)))]
    sample = random.Random(options.seed).sample(mutants, min(options.count, len(mutants)))  # noqa: S311 - reproducible
    sys.stdout.reconfigure(line_buffering=True)  # progress, in pipes too
    print(f"{len(sample)} of {len(mutants)} possible faults in {len(files)} files, seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        base = Path(folder, "project")
        shutil.copytree(ROOT, base, ignore=shutil.ignore_patterns(".git", ".venv*", "site", ".hypothesis", "*_cache"))
        if not run_tests(base, [file for stage in stages_of_tests(sample[0].path) for file in stage]):
            print("the tests fail without any fault; run them first", file=sys.stderr)
            return 1
        survivors = _plant(base, sample, options.jobs)
    print(f"{len(sample) - len(survivors)} noticed, {len(survivors)} survived")
    for mutant in sorted(survivors):
        line = (ROOT / mutant.path).read_text().splitlines()[mutant.line - 1].strip()
        print(f"{mutant.path}:{mutant.line}: {mutant.old} -> {mutant.new}: {line}")
    return 0


def _plant(base: Path, sample: Sequence[Mutant], jobs: int) -> list[Mutant]:
    survivors = []
    with ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(survives, base, mutant): mutant for mutant in sample}
        for count, future in enumerate(as_completed(pending), start=1):
            mutant = pending[future]
            if future.result():
                survivors.append(mutant)
            outcome = "SURVIVED" if future.result() else "noticed"
            print(f"[{count}/{len(sample)}] {outcome} {mutant.path}:{mutant.line} {mutant.old} -> {mutant.new}")
    return survivors


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


if __name__ == "__main__":
    sys.exit(main())
