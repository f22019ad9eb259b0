"""The audit log: who changed what through the API, the Dagster UI and commands, when, and with which outcome.

Servers record entries in a thread, since a request should not wait for it: a server that is killed loses the entries
of its last moment. Entries that cannot be stored are logged instead.
"""

import getpass
import logging
import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from psycopg2.extras import execute_values

from coin_pipeline import logs
from coin_pipeline.auth.tokens import Identity
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.errors import CoinError, DataRefused

MAX_WAITING = 10_000
"""Entries that wait while the database is away; further ones are only logged."""
BATCH = 500
RETRY_S = 1.0
MAX_TEXT = 300
"""Longest text of a column; clients choose paths."""
CLOSE_S = 3.0
"""How long a server that stops waits until its entries are stored."""
_INSERT = """
insert into coin.audit_entry (entry_id, at, token_id, actor, client, method, route, status, target, request_id)
values %s on conflict do nothing
"""
_LIST = """
select entry_id, at, token_id, actor, client, method, route, status, target, request_id
from coin.audit_entry
where (%(actor)s is null or actor = %(actor)s) and (%(since)s is null or at >= %(since)s)
    and (%(until)s is null or at < %(until)s) and (%(target)s is null or target = %(target)s)
    and (not %(refused)s or status >= 400)
order by at desc, entry_id desc limit %(limit)s
"""
_REMOVE = """
with expired as (select entry_id, at from coin.audit_entry where at < %(before)s),
removed as (delete from coin.audit_entry where entry_id in (select entry_id from expired) and not %(dry_run)s)
select count(*), min(at) from expired
"""
_log = logging.getLogger("coin.audit")


class AuditEntry(NamedTuple):
    """One entry.

    Attributes:
        entry_id: Random id, so that an entry that is stored again has no effect.
        at: When the request ended.
        token_id: Its token; None without one.
        actor: Name of the token, or of the user who ran a command; None for a client without a token.
        client: Address of the client; `local` for a command.
        method: HTTP method; `CLI` for a command.
        route: Path template, GraphQL mutations, or command.
        status: Status code of the response; None if the client went away before it. A command has 200.
        target: Task, position, market or token concerned.
        request_id: Id of the request, as in the logs.
    """

    entry_id: str
    at: datetime
    token_id: int | None
    actor: str | None
    client: str
    method: str
    route: str
    status: int | None
    target: str | None = None
    request_id: str | None = None


class Action(NamedTuple):
    """What a request or command changed: its route or name, and what it concerned."""

    route: str
    target: str | None


class AuditFilter(NamedTuple):
    """Which entries to list; None for all."""

    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    target: str | None = None
    refused: bool = False


class RemovedEntries(NamedTuple):
    """Number of entries that were removed, and the time of the oldest."""

    number: int
    oldest: datetime | None


class AuditLog:
    """Stores entries in the background.

    Args:
        find_database: Returns the URL of the database; called in the thread.
        close_s: How long `close` waits for the database, s.
    """

    def __init__(self, find_database: Callable[[], str], close_s: float = CLOSE_S) -> None:
        self._find_database = find_database
        self._close_s = close_s
        self._waiting: queue.Queue[AuditEntry | None] = queue.Queue(MAX_WAITING)
        self._storing: list[AuditEntry] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def record(self, entry: AuditEntry) -> None:
        """Store an entry soon, without waiting."""
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            _log_unstored([entry], "too many entries wait for the database")
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Store what waits, or log it if the database does not respond in time."""
        self._closing.set()
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(self._close_s)
            if self._thread.is_alive():
                _log_unstored([*self._storing, *self._take_waiting()], "the database does not respond")
            self._thread = None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._closing = threading.Event()
                self._thread = threading.Thread(target=self._run, args=[self._closing], name="audit", daemon=True)
                self._thread.start()

    def _run(self, closing: threading.Event) -> None:
        session: Session | None = None
        while not (closing.is_set() and self._waiting.empty()):
            self._storing = self._next_batch()
            while self._storing:
                try:
                    session = session or Session(self._find_database(), INTERACTIVE)
                    store_entries(session, self._storing)
                except CoinError as error:
                    if not isinstance(error, DataRefused) and not closing.wait(RETRY_S):
                        continue
                    _log_unstored(self._storing, str(error))
                self._storing = []
        if session is not None:
            session.close()

    def _next_batch(self) -> list[AuditEntry]:
        first = self._waiting.get()
        return [*([first] if first else []), *self._take_waiting(BATCH - 1)]

    def _take_waiting(self, limit: int = MAX_WAITING) -> list[AuditEntry]:
        taken: list[AuditEntry | None] = []
        with suppress(queue.Empty):
            while len(taken) < limit:
                taken.append(self._waiting.get_nowait())
        return [entry for entry in taken if entry is not None]


def new_entry(identity: Identity | None, client: str, method: str, action: Action, status: int | None) -> AuditEntry:
    """Return an entry of now, for the request that is handled.

    Args:
        identity: Whose token it has.
        client: Address of the client.
        method: HTTP method.
        action: What it changed.
        status: Status code of its response.
    """
    token_id, actor = (identity.token_id, identity.name) if identity else (None, None)
    now, request_id = datetime.now(UTC), logs.request_id.get()
    return AuditEntry(
        str(uuid.uuid4()), now, token_id, actor, client, method, action.route, status, action.target, request_id
    )


def record_command(session: Session, command: str, target: str) -> None:
    """Store that the user of this process ran a command; raises DatabaseUnavailable."""
    entry = new_entry(None, "local", "CLI", Action(command, target), 200)
    store_entries(session, [entry._replace(actor=_user())])


def store_entries(session: Session, entries: Sequence[AuditEntry]) -> None:
    """Store entries, each once; raises DatabaseUnavailable."""
    rows = [tuple(_printable(value) if isinstance(value, str) else value for value in entry) for entry in entries]
    session.run(lambda cursor: execute_values(cursor, _INSERT, rows))


def list_entries(session: Session, which: AuditFilter, limit: int) -> list[AuditEntry]:
    """Return entries, the newest first; raises DatabaseUnavailable."""

    def read(cursor: Cursor) -> list[AuditEntry]:
        cursor.execute(_LIST, which._asdict() | {"limit": limit})
        return [AuditEntry(*row) for row in cursor.fetchall()]

    return session.run(read)


def remove_entries(session: Session, before: datetime, *, dry_run: bool = False) -> RemovedEntries:
    """Remove the entries from before a time, or count them; raises DatabaseUnavailable."""

    def remove(cursor: Cursor) -> RemovedEntries:
        cursor.execute(_REMOVE, {"before": before, "dry_run": dry_run})
        number, oldest = cursor.fetchone() or (0, None)
        return RemovedEntries(number, oldest and oldest.astimezone(UTC))

    return session.run(remove)


def _printable(text: str) -> str:
    """Return what a client sent without control characters, which PostgreSQL or a terminal would not accept."""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_TEXT])


def _log_unstored(entries: Sequence[AuditEntry], reason: str) -> None:
    for entry in entries:
        _log.error("audit entry not stored (%s): %s", reason, entry._asdict())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
