"""Feature flags that an operator changes for every process on the database at once, without a restart."""

from coin_pipeline.database.schema import create_table_once
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import AsyncDisabled
from coin_pipeline.settings import Settings

_TABLE = "create table coin.switch (name text primary key, since timestamptz not null default clock_timestamp());"
_ASYNC = "async"


def prepare(session: Session) -> None:
    """Create the table if necessary; its rows are the features that are off.

    Raises:
        DatabaseUnavailable: The table cannot be created, for example for lack of permission.
    """
    create_table_once(session, "switch", _TABLE)


def set_async_enabled(session: Session, *, on: bool) -> bool:
    """Enable or disable asynchronous submissions; return whether that changed anything."""
    disable, enable = (
        "insert into coin.switch values (%s) on conflict do nothing",
        "delete from coin.switch where name = %s",
    )

    def change(cursor: Cursor) -> bool:
        cursor.execute(enable if on else disable, (_ASYNC,))
        return bool(cursor.rowcount)

    prepare(session)
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


def _is_off(cursor: Cursor) -> bool:
    cursor.execute("select exists (select from coin.switch where name = %s)", (_ASYNC,))
    return cursor.fetchone() == (True,)
