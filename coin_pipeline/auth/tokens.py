"""API tokens: created, listed and revoked by commands; only the SHA-256 hashes of their secrets are stored.

A secret has 256 random bits, so a fast hash is enough: trying all secrets, or a dictionary of them, is hopeless.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg2.errors import UniqueViolation

from coin_pipeline.auth.scopes import SCOPES, Scope, permits
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import InvalidInput, Problem, TokenExists, TokenNotFound

_TOKEN = re.compile(r"coin_([1-9]\d{0,17})_([A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,62}")  # unlike any address, since both name the client of a run
_LIST = "select token_id, name, scopes, created_at, expires_at, revoked_at from coin.api_token order by token_id"
_LIST_USABLE = """
select token_id, name, scopes, hash from coin.api_token
where revoked_at is null and (expires_at is null or expires_at > clock_timestamp())
"""
_CREATE = """
insert into coin.api_token (name, hash, scopes, created_at, expires_at)
values (%s, %s, %s, clock_timestamp(), %s) returning token_id
"""
_REVOKE = """
update coin.api_token set revoked_at = clock_timestamp() where name = %s and revoked_at is null
returning token_id, name, scopes, created_at, expires_at, revoked_at
"""


class Identity(NamedTuple):
    """Who sends a request: the token."""

    token_id: int
    name: str
    scopes: tuple[Scope, ...]

    def may(self, required: Scope) -> bool:
        """Return whether the token permits what requires a scope."""
        return permits(self.scopes, required)


class Token(NamedTuple):
    """A token as `coin token list` shows it; its secret is unknown."""

    token_id: int
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Credential(NamedTuple):
    """The two parts of what a client sends: which token it claims to be, and the hash of the secret."""

    token_id: int
    digest: bytes


class KnownToken(NamedTuple):
    """A usable token, as a server keeps it in memory."""

    identity: Identity
    digest: bytes

    def verifies(self, credential: Credential) -> bool:
        """Return whether the secret is right; how long this takes reveals nothing about it."""
        return hmac.compare_digest(self.digest, credential.digest)


def create_token(session: Session, name: str, scopes: Sequence[Scope], expires_at: datetime | None = None) -> str:
    """Store a new token and return it; it cannot be shown again.

    Args:
        session: The database.
        name: Its name, which the audit log shows; unique among the tokens that are not revoked.
        scopes: What it permits.
        expires_at: When it stops working; None for never.

    Raises:
        InvalidInput: The name or a scope is not valid, or the expiry is in the past.
        TokenExists: A token of this name exists.
        DatabaseUnavailable: The server cannot be reached.
    """
    _validate(name, scopes)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    ordered = [scope for scope in SCOPES if scope in scopes]

    def insert(cursor: Cursor) -> int:
        cursor.execute("select %s <= clock_timestamp()", (expires_at,))
        if (cursor.fetchone() or (None,))[0]:
            raise InvalidInput([Problem("expires", f"{expires_at:%Y-%m-%d %H:%M} UTC is in the past")])
        try:
            cursor.execute(_CREATE, (name, _hash(secret), ordered, expires_at))
        except UniqueViolation:
            raise TokenExists(name) from None
        return int((cursor.fetchone() or (0,))[0])

    return f"coin_{session.run(insert)}_{secret}"


def list_tokens(session: Session) -> list[Token]:
    """Return all tokens, the oldest first; raises DatabaseUnavailable."""

    def read(cursor: Cursor) -> list[Token]:
        cursor.execute(_LIST)
        return [Token(*row) for row in cursor.fetchall()]

    return session.run(read)


def revoke_token(session: Session, name: str) -> Token:
    """Revoke a token; servers reject it within a second.

    Raises:
        TokenNotFound: No token of this name is in use.
        DatabaseUnavailable: The server cannot be reached.
    """

    def update(cursor: Cursor) -> Token | None:
        cursor.execute(_REVOKE, (name,))
        row = cursor.fetchone()
        return Token(*row) if row else None

    token = session.run(update)
    if token is None:
        raise TokenNotFound(name)
    return token


def read_usable(session: Session) -> dict[int, KnownToken]:
    """Return the tokens that are neither revoked nor expired, by id; raises DatabaseUnavailable."""

    def read(cursor: Cursor) -> dict[int, KnownToken]:
        cursor.execute(_LIST_USABLE)
        return {
            token_id: KnownToken(Identity(token_id, name, tuple(scopes)), bytes(digest))
            for token_id, name, scopes, digest in cursor.fetchall()
        }

    return session.run(read)


def parse_token(text: str) -> Credential | None:
    """Return the parts of a token, or None if it is not one.

    >>> parse_token("coin_7_" + "a" * 43).token_id
    7
    >>> parse_token("coin_7_short") is None
    True
    """
    match = _TOKEN.fullmatch(text)
    return Credential(int(match[1]), _hash(match[2])) if match else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _validate(name: str, scopes: Sequence[str]) -> None:
    problems = []
    if not _NAME.fullmatch(name):
        reason = "is not a name; use lower-case letters, digits, '.', '_' and '-', and begin with a letter"
        problems.append(Problem("name", f"{name!r:.80} {reason}"))
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        problems.append(Problem("scope", f"{', '.join(unknown) or 'none'}: use one or more of {', '.join(SCOPES)}"))
    if problems:
        raise InvalidInput(problems)
