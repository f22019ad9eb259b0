"""Feature flags that an operator changes for every process on the database at once, without a restart."""

from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import AsyncDisabled
from coin_pipeline.settings import Settings

_ASYNC = "async"
ALERTS = "alerts"
PAUSE = "insert into coin.switch values ('schedules'), ('alerts') on conflict do nothing"
"""Statement that stops schedules, sensors and alerts; a restore executes it in its own transaction."""


def set_async_enabled(session: Session, *, on: bool) -> bool:
    """Enable or disable asynchronous submissions; return whether that changed anything."""
    disable, enable = (
        "insert into coin.switch values (%s) on conflict do nothing",
        "delete from coin.switch where name = %s",
    )

    def change(cursor: Cursor) -> bool:
        cursor.execute(enable if on else disable, (_ASYNC,))
        return bool(cursor.rowcount)

    return session.run(change)


def require_async_enabled(settings: Settings, session: Session) -> None:
    """Check that asynchronous submissions are enabled.

    Raises:
        AsyncDisabled: COIN_ASYNC or 'coin migrate rollback' has switched them off.
    """
    if settings.coin_async == "off":
        raise AsyncDisabled("COIN_ASYNC=off", "remove the setting and restart 'coin up'")
    if session.run(_is_off):
        raise AsyncDisabled("'coin migrate rollback'", "switch them on with 'coin migrate rollback --undo'")


def is_paused(session: Session) -> bool:
    """Return whether schedules and sensors are stopped, as they are after a restore."""

    def read(cursor: Cursor) -> bool:
        cursor.execute("select exists (select from coin.switch where name = 'schedules')")
        return cursor.fetchone() == (True,)

    return session.run(read)


def resume(session: Session) -> bool:
    """Start schedules and sensors again; return whether they were stopped."""

    def delete(cursor: Cursor) -> bool:
        cursor.execute("delete from coin.switch where name = 'schedules'")
        return bool(cursor.rowcount)

    return session.run(delete)


def _is_off(cursor: Cursor) -> bool:
    cursor.execute("select exists (select from coin.switch where name = %s)", (_ASYNC,))
    return cursor.fetchone() == (True,)
