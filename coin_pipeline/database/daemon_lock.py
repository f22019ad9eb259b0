"""The advisory lock of the active daemon: two daemons on one database would execute queued runs twice."""

from coin_pipeline.database.session import Cursor

_KEY = (0x636F696E, 1)  # arbitrary, used by this project only
_HOLDER = """
select application_name from pg_stat_activity join pg_locks using (pid)
where locktype = 'advisory' and granted and classid = %s and objid = %s and objsubid = 2
and database = (select oid from pg_database where datname = current_database())"""


def try_daemon_lock(cursor: Cursor) -> bool:
    """Try to take the lock, which is held until the session ends; return whether this session has it."""
    cursor.execute("select pg_try_advisory_lock(%s, %s)", _KEY)
    return cursor.fetchone() == (True,)


def active_daemon(cursor: Cursor) -> str | None:
    """Return how the daemon that holds the lock is named, or None if there is none."""
    cursor.execute(_HOLDER, _KEY)
    row = cursor.fetchone()
    return str(row[0]) if row else None
