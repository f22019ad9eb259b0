"""What an operator has switched off, for every process on the database at once and without a restart."""

from coin_pipeline.database.schema import create_table_once
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import AsyncDisabled
from coin_pipeline.settings import Settings

_TABLE = "create table coin.switch (name text primary key, since timestamptz not null default clock_timestamp());"
_ASYNC = "async"


def prepare(session: Session) -> None:
    """Create the table, whose rows are what is off, unless it is there.

    Raises:
        DatabaseUnavailable: the account may not create a schema, say.
    """
    create_table_once(session, "switch", _TABLE)


def set_async_enabled(session: Session, *, on: bool) -> bool:
    """Take asynchronous submissions from now on, or refuse them; return whether that is a change."""
    off, back = "insert into coin.switch values (%s) on conflict do nothing", "delete from coin.switch where name = %s"

    def turn(cursor: Cursor) -> bool:
        cursor.execute(back if on else off, (_ASYNC,))
        return bool(cursor.rowcount)

    prepare(session)
    return session.run(turn)


def require_async_enabled(settings: Settings, session: Session) -> None:
    """Let an asynchronous submission pass.

    Raises:
        AsyncDisabled: the setting, or 'coin migrate rollback', has switched them off.
    """
    if settings.coin_async == "off":
        raise AsyncDisabled("COIN_ASYNC=off", "remove that setting and start 'coin up' again")
    if session.run(_is_off):
        raise AsyncDisabled("'coin migrate rollback'", "switch them on with 'coin migrate rollback --undo'")


def _is_off(cursor: Cursor) -> bool:
    cursor.execute("select exists (select from coin.switch where name = %s)", (_ASYNC,))
    return cursor.fetchone() == (True,)
