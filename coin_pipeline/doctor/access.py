"""Check of who can reach the servers, and with which tokens."""

from contextlib import closing

from coin_pipeline.auth.access import tokens_required
from coin_pipeline.auth.tokens import read_usable
from coin_pipeline.database.session import Session
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.database.url import running_database_url
from coin_pipeline.doctor import check_texts, texts
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.web.exposure import is_exposed, reachable_at


def access(at: Installation) -> Finding:
    """Check that other machines need a token, and that there is one."""
    address, required, exposed = reachable_at(at.settings), tokens_required(at.settings), is_exposed(at.settings)
    tokens = count_tokens(at)
    if required and tokens is None:
        return at.failed(texts.ACCESS_UNKNOWN, check_texts.DATABASE_ADVICE, address=address)
    if required and not tokens:
        return at.failed(texts.ACCESS_NO_TOKEN, address=address)
    if exposed and not at.settings.coin_rate_limit:
        return at.warning(texts.ACCESS_UNLIMITED, texts.ACCESS_UNLIMITED_ADVICE, address=address)
    local = texts.ACCESS_REQUIRED if required else texts.ACCESS_LOCAL
    return at.ok(texts.ACCESS_EXPOSED if exposed else local, address=address, tokens=tokens or 0)


def count_tokens(at: Installation) -> int | None:
    """Return the number of tokens that are neither revoked nor expired; None if the database does not run."""
    url = running_database_url(at.settings)
    if url is None:
        return None
    with closing(Session(url, INTERACTIVE)) as session:
        return len(read_usable(session))
