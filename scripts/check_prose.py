"""Reject wording that a native-speaking engineer would not write, in prose and in names.

Usage: python scripts/check_prose.py [PATH ...]; without paths, every tracked text file. Exits with 1 on findings.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PROSE = {
    r"\b(tell|tells|told|telling)\b": "reports, returns, notifies, distinguishes",
    r"\b(say|says|said|saying)\b": "states, reports, returns, contains",
    r"\b(hear|hears|heard)\b": "receives",
    r"\b(whom|whoever|whomever|somebody|nobody|anybody)\b": "name the caller, user, process or program",
    r"\b(lies|lie|lay) (in|at|below|beside|beneath|under|there|on)\b": "is stored in, is under",
    r"\b(stands?|stood) (in|beside|at|there|below)\b": "is in, is next to",
    r"\bbeside\b": "next to, alongside",
    r"\b(goes|go|went|gone) on\b": "continues, resumes",
    r"\banew\b": "again, rebuilt",
    r"\bin the end\b": "on exit, finally",
    r"(?<!there )\b(is|are|was|were|be) no (?!longer\b|more\b|less\b|later\b|earlier\b|fewer\b)\w+": "is not a",
    r"\b(so many|as many as may)\b": "N, the limit",
    r"\bolder platform\b": "legacy platform",
    r"\b(time|moment) at which\b": "when",
    r"\bof (ours|theirs|hers|yours|one's own)\b": "our, their, custom",
    r"\bmade up\b": "computed, caught up",
    r"\bcomes? (to|of) (an end|it|nothing)\b": "ends, results",
    r"\bbe it\b": "whether",
    r"\bthat which\b": "what",
    r"\bwaited for\b": "synchronous, interactive",
    r"\bfor good\b": "permanently",
}
NAMES = re.compile(r"(?:^|_)(told|tells?|says?|said|hears?|heard|whoever|whom|somebody|nobody|anew|whose)(?:_|$)")
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".j2", ".sample", ".cfg"}
ALLOW = "prose: ok"
_PROSE = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in PROSE.items()]


def findings(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, offending words and what to write instead."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    for number, chunk in _python(text) if path.suffix == ".py" else enumerate(lines, 1):
        for pattern, instead in _PROSE:
            for match in pattern.finditer(chunk):
                line = number + chunk.count("\n", 0, match.start())
                if ALLOW not in lines[line - 1]:
                    yield line, match.group(0).replace("\n", " "), instead
    if path.suffix == ".py":
        yield from (finding for finding in _names(text) if ALLOW not in lines[finding[0] - 1])


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Yield comments and string literals with the lines they start on."""
    kinds = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            yield token.start[0], token.string


def _names(text: str) -> Iterator[tuple[int, str, str]]:
    seen = set[str]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string not in seen and NAMES.search(token.string):
            seen.add(token.string)
            yield token.start[0], token.string, "a name of the field: message, reason, result, metadata"


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    return [Path(name) for name in listed.split("\0") if name]


def _expanded(arguments: list[str]) -> Iterator[Path]:
    for path in [Path(argument) for argument in arguments] or _tracked():
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]


def main(arguments: list[str]) -> int:
    """Print each finding as path:line; return the exit code."""
    skipped = Path(__file__).resolve()
    count = 0
    for path in _expanded(arguments):
        if path.suffix not in SUFFIXES or not path.is_file() or path.resolve() == skipped:
            continue
        for line, words, instead in findings(path):
            count += 1
            print(f"{path}:{line}: {words!r}: write {instead}")
    print(f"{count} findings" if count else "no findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
