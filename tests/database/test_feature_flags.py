"""The switch of asynchronous submissions, in a real PostgreSQL."""

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
    """A session on a database whose switch is on when the test ends."""
    with closing(Session(database_url(load_settings()))) as session:
        prepare(session)
        yield session
        set_async_enabled(session, on=True)


def test_switched_off_by_one_session_it_is_off_for_another_at_once(session: Session) -> None:
    """The refusal names the command that switches off and the one that switches on; turned twice is turned once."""
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


def test_the_setting_switches_off_too_and_is_named(session: Session) -> None:
    """Off if either says so; COIN_ASYNC is told as such."""
    settings = load_settings().model_copy(update={"coin_async": "off"})
    with pytest.raises(AsyncDisabled, match=r"by COIN_ASYNC=off; .* remove that setting"):
        require_async_enabled(settings, session)


def test_programs_that_create_the_table_at_once_all_find_it(session: Session) -> None:
    """None of eight that begin together fails."""
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
