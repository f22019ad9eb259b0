"""The switch of asynchronous submissions, in a real PostgreSQL database."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from coin_pipeline.database.feature_flags import require_async_enabled, set_async_enabled
from coin_pipeline.database.session import Session
from coin_pipeline.errors import AsyncDisabled
from coin_pipeline.settings import load_settings


@pytest.fixture
def session(index_url: str) -> Iterator[Session]:
    """Yield a session on a database, and enable submissions again afterwards."""
    with closing(Session(index_url)) as session:
        yield session
        set_async_enabled(session, on=True)


def test_switch_takes_effect_in_other_sessions_at_once(session: Session, index_url: str) -> None:
    """The message names both commands; switching twice has no further effect."""
    settings = load_settings()
    with closing(Session(index_url)) as operator:
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
