"""What a server checks and records for every request: its tokens, the limits of each, and the audit log."""

from collections.abc import Callable
from contextlib import closing

from coin_pipeline.auth.audit import AuditLog
from coin_pipeline.auth.known_tokens import KnownTokens
from coin_pipeline.auth.limits import Concurrency, RateLimit
from coin_pipeline.auth.tokens import read_usable
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import InvalidSettings, Problem
from coin_pipeline.settings import Settings
from coin_pipeline.web.exposure import is_exposed, reachable_at

CREATE_COMMAND = "coin token create NAME --scope admin"


class AccessControl:
    """The state that the checks of one server share.

    Args:
        settings: The settings.
        find_database: Returns the URL of the database.
    """

    def __init__(self, settings: Settings, find_database: Callable[[Settings], str] = database_url) -> None:
        self.is_required = tokens_required(settings)
        self.tokens = KnownTokens(lambda: find_database(settings))
        self.audit = AuditLog(lambda: find_database(settings))
        self.rate = RateLimit(settings.coin_rate_limit)
        self.refusals = RateLimit(1, burst=60)
        """Recorded requests without a valid token: every client can send them, and they must not fill the audit log."""
        self.concurrency = Concurrency(settings.coin_max_connections // 2)

    def close(self) -> None:
        """Store what the audit log still has to, and close the connections."""
        self.tokens.close()
        self.audit.close()


def tokens_required(settings: Settings) -> bool:
    """Return whether requests without a token are refused: COIN_AUTH=on, or other machines can reach the servers."""
    return settings.coin_auth == "on" or is_exposed(settings)


def require_reachable(settings: Settings, url: str) -> None:
    """Check at the start of a server that a client can use it.

    Args:
        settings: The settings.
        url: URL of the database.

    Raises:
        InvalidSettings: Tokens are required, and there is none that is neither revoked nor expired.
        DatabaseUnavailable: The server cannot be reached.
    """
    if not tokens_required(settings):
        return
    with closing(Session(url)) as session:
        if read_usable(session):
            return
    if settings.coin_auth == "on":
        reason = f"COIN_AUTH=on requires tokens, and none is usable; create one: {CREATE_COMMAND}"
        raise InvalidSettings([Problem("COIN_AUTH", reason)])
    address = reachable_at(settings)
    name = "COIN_PUBLISHED_AT" if address == settings.coin_published_at else "COIN_BIND"
    reason = (
        f"{address} lets other machines use the platform, which requires tokens, and none is usable; create one"
        f" ({CREATE_COMMAND}), or use 127.0.0.1"
    )
    raise InvalidSettings([Problem(name, reason)])
