"""Ids given on the command line: whole, or the beginning of one, as in Git."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from coin_pipeline.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

MAX_LISTED = 5
"""Candidates that an error names."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_START = re.compile(r"[0-9a-f]{1,8}|[0-9a-f]{8}-?[0-9a-f-]{,27}", re.IGNORECASE)


def begins_uuid(text: str) -> bool:
    """Return whether a text may be the beginning of a UUID; no market looks like one.

    >>> begins_uuid("c0ffee"), begins_uuid("BTC_KRW"), begins_uuid("ABC-DEF")
    (True, False, False)
    """
    return _UUID_START.fullmatch(text) is not None


def unique_id(text: str, candidates: Collection[str]) -> str | None:
    """Return the only id that begins with a text, or None if none does; an id that equals the text wins.

    Args:
        text: Id, or its beginning.
        candidates: Ids that begin with the text; those beyond the first `MAX_LISTED` are only counted as more.

    Raises:
        InvalidInput: Several ids begin with the text; lists them.

    >>> unique_id("c0", ["c0ffee"]), unique_id("c0", []), unique_id("c0", ["c0", "c0ffee"])
    ('c0ffee', None, 'c0')
    """
    if text in candidates:
        return text
    if len(candidates) > 1:
        listed = ", ".join(sorted(candidates)[:MAX_LISTED]) + (" and more" if len(candidates) > MAX_LISTED else "")
        raise InvalidInput(
            [Problem("id", f"{text[:80]!r} is the beginning of several ids: {listed}; write more of it")]
        )
    return next(iter(candidates), None)


def run_id(command: CommandT) -> CommandT:
    """Add the argument RUN_ID, the id of a result or a task, which may be given by its beginning."""
    return click.argument("run_id", callback=lambda _context, _parameter, text: next(_whole_ids((text,))))(command)


def run_ids(*, required: bool) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds any number of such arguments."""
    return click.argument(
        "run_ids",
        nargs=-1,
        required=required,
        metavar="RUN_ID..." if required else "[RUN_ID...]",
        callback=lambda _context, _parameter, texts: tuple(_whole_ids(texts)),
    )


def _whole_ids(texts: tuple[str, ...]) -> Iterator[str]:
    """Yield the id that each text begins; a text that begins none as it is: the command reports that it is unknown."""
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    for text in texts:
        yield text if _UUID.fullmatch(text) else _whole_id(settings, text)


def _whole_id(settings: "Settings", text: str) -> str:
    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.session import Session
    from coin_pipeline.results.index import ResultIndex
    from coin_pipeline.results.store import is_run_id, manifest_key, result_key
    from coin_pipeline.storage.open_store import open_store

    if not is_run_id(text):
        return text
    store = open_store(settings)
    if store.exists(result_key("results", text)) or store.exists(manifest_key(text)):  # the id of a legacy result
        return text
    with closing(Session(ready_database(settings))) as session:
        return unique_id(text, ResultIndex(session).ids_starting(text, MAX_LISTED + 1)) or text
