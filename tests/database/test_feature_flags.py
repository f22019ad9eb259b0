"""The switch of asynchronous submissions, in a real PostgreSQL database."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from coin_pipeline.database.feature_flags import prepare, require_async_enabled, set_async_enabled
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import AsyncDisabled, CoinError
from coin_pipeline.settings import load_settings


@pytest.fixture
def session() -> Iterator[Session]:
    """Yield a session on a database, and enable submissions again afterwards."""
    with closing(Session(database_url(load_settings()))) as session:
        prepare(session)
        yield session
        set_async_enabled(session, on=True)


def test_switch_takes_effect_in_other_sessions_at_once(session: Session) -> None:
    """The message names both commands; switching twice has no further effect."""
    settings = load_settings()
    with closing(Session(database_url(settings))) as operator:
        require_async_enabled(settings, session)
        assert set_async_enabled(operator, on=False)
        assert not set_async_enabled(operator, on=False)
        with pytest.raises(AsyncDisabled, match=r"by 'coin migrate rollback'; .* 'coin migrate rollback --undo'"):
            require_async_enabled(settings, session)
        assert set_async_enabled(operator, on=True)
        assert not set_async_enabled(operator, on=True)
    require_async_enabled(settings, session)


def test_setting_disables_submissions_too(session: Session) -> None:
    """Either switch suffices, and the message names COIN_ASYNC."""
    settings = load_settings().model_copy(update={"coin_async": "off"})
    with pytest.raises(AsyncDisabled, match=r"by COIN_ASYNC=off; .* remove the setting"):
        require_async_enabled(settings, session)


def test_concurrent_table_creation_succeeds(session: Session) -> None:
    """None of eight processes that start together fails."""
    session.run(lambda cursor: cursor.execute("drop table coin.switch"))
    begin, failed = threading.Barrier(8), []

    def create() -> None:
        with closing(Session(database_url(load_settings()))) as own:
            begin.wait()
            try:
                prepare(own)
            except CoinError as error:
                failed.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert set_async_enabled(session, on=False)
