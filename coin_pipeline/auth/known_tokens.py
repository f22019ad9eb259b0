"""The usable tokens in the memory of a server, read again every second while requests arrive."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from coin_pipeline.auth.tokens import Identity, KnownToken, parse_token, read_usable
from coin_pipeline.database.session import Session
from coin_pipeline.database.timeouts import INTERACTIVE, RESPONSE_S, WHERE
from coin_pipeline.errors import DatabaseUnavailable

FRESH_S, RETRY_S = 1.0, 0.1


class KnownTokens:
    """Finds out whose token a request has; used in one event loop.

    Without the database no token is accepted: it may have been revoked.

    Args:
        find_database: Returns the URL of the database; called in a thread, before the first read.
        fresh_s: How long the tokens are used before they are read again: the longest time that a revoked one works, s.
        retry_s: Shortest time between two reads, because of a new token or after a failure, s; a wrong token must not
            cause load.
    """

    def __init__(self, find_database: Callable[[], str], fresh_s: float = FRESH_S, retry_s: float = RETRY_S) -> None:
        self._find_database = find_database
        self._fresh_s, self._retry_s = fresh_s, retry_s
        self._session: Session | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._read: asyncio.Future[Mapping[int, KnownToken]] | None = None
        self._started = 0.0

    async def identify(self, text: str) -> Identity | None:
        """Return whose token a text is, None if it is not a usable one.

        Raises:
            DatabaseUnavailable: The tokens could not be read.
        """
        credential = parse_token(text)
        if credential is None:
            return None
        known = await self._current(self._fresh_s)
        if credential.token_id not in known:  # it may be new
            known = await self._current(self._retry_s)
        token = known.get(credential.token_id)
        return token.identity if token and token.verifies(credential) else None

    async def is_usable(self, identity: Identity) -> bool:
        """Return whether a token is still usable; raises DatabaseUnavailable."""
        return identity.token_id in await self._current(self._fresh_s)

    def close(self) -> None:
        """Close the connection once nothing is read; a later request opens it again."""
        executor, self._executor, self._read = self._executor, None, None
        if executor is not None:
            executor.submit(self._close)
            executor.shutdown(wait=False)

    async def _current(self, max_age_s: float) -> Mapping[int, KnownToken]:
        now = time.monotonic()
        if self._read is None or (self._read.done() and now > self._started + self._age_limit(max_age_s)):
            self._started = now
            self._executor = self._executor or ThreadPoolExecutor(1, "tokens")
            self._read = asyncio.get_running_loop().run_in_executor(self._executor, self._load)
        if self._read.done():
            return self._read.result()
        done, _ = await asyncio.wait([self._read], timeout=max(0.0, self._started + RESPONSE_S - now))
        if not done:
            raise DatabaseUnavailable(WHERE, f"no response within {RESPONSE_S:g} s")
        return self._read.result()

    def _age_limit(self, max_age_s: float) -> float:
        failed = self._read is not None and self._read.exception() is not None
        return min(max_age_s, self._retry_s) if failed else max_age_s

    def _load(self) -> Mapping[int, KnownToken]:
        if self._session is None:
            self._session = Session(self._find_database(), INTERACTIVE)
        return read_usable(self._session)

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None
