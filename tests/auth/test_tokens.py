"""Tokens in the database: created, listed, revoked, and read by the servers."""

from datetime import UTC, datetime, timedelta

import pytest

from coin_pipeline.auth.tokens import create_token, list_tokens, parse_token, read_usable, revoke_token
from coin_pipeline.database.session import Cursor, Session
from coin_pipeline.errors import InvalidInput, TokenExists, TokenNotFound

HOUR = timedelta(hours=1)


def usable_names(session: Session) -> list[str]:
    """Return the names of the tokens that servers accept."""
    return [token.identity.name for token in read_usable(session).values()]


def test_no_secret_is_stored(session: Session) -> None:
    """A reader of the database, or of a backup of it, cannot use the tokens."""
    token = create_token(session, "ci", ["run"])
    secret = token.split("_", 2)[2]

    def read(cursor: Cursor) -> str:
        cursor.execute("select row_to_json(t)::text from coin.api_token t")
        return str(cursor.fetchall())

    assert secret not in session.run(read)
    assert len(secret) == 43  # 256 bits


def test_secret_verifies_its_token_only(session: Session) -> None:
    """Neither another secret nor the secret of another token."""
    one, two = create_token(session, "one", ["run"]), create_token(session, "two", ["admin"])
    known = read_usable(session)
    credential, other = parse_token(one), parse_token(two)
    assert credential
    assert other
    assert known[credential.token_id].verifies(credential)
    assert known[credential.token_id].identity.scopes == ("run",)
    assert not known[other.token_id].verifies(credential._replace(token_id=other.token_id))


@pytest.mark.parametrize("text", ["", "coin_1_", "coin_0_" + "a" * 43, "coin_1_" + "a" * 44, "x coin_1_" + "a" * 43])
def test_other_texts_are_not_tokens(text: str) -> None:
    """They are refused without asking the database."""
    assert parse_token(text) is None


def test_revoked_and_expired_tokens_are_not_usable(session: Session) -> None:
    """By the clock of the database."""
    now = datetime.now(UTC)
    for name, expires_at in (("kept", None), ("later", now + HOUR), ("revoked", None), ("expired", now + HOUR)):
        create_token(session, name, ["read"], expires_at)
    revoke_token(session, "revoked")
    session.run(
        lambda cursor: cursor.execute("update coin.api_token set expires_at = %s where name = 'expired'", [now - HOUR])
    )
    assert usable_names(session) == ["kept", "later"]
    states = {
        token.name: (token.revoked_at is not None, token.expires_at is not None) for token in list_tokens(session)
    }
    assert states == {
        "kept": (False, False),
        "later": (False, True),
        "revoked": (True, False),
        "expired": (False, True),
    }


def test_names_are_unique_until_revoked(session: Session) -> None:
    """The audit log shows names."""
    create_token(session, "ci", ["read"])
    with pytest.raises(TokenExists, match=r"a token named 'ci' exists; .* coin token revoke ci"):
        create_token(session, "ci", ["read"])
    revoke_token(session, "ci")
    create_token(session, "ci", ["read"])
    assert usable_names(session) == ["ci"]


def test_unknown_name_cannot_be_revoked(session: Session) -> None:
    """A mistyped name must not look like success."""
    with pytest.raises(TokenNotFound, match="no token named 'ci' is in use; 'coin token list' shows all"):
        revoke_token(session, "ci")


@pytest.mark.parametrize("name", ["", "CI", "1", "10.0.0.1", "a b", "a" * 64, "fe80::1", "a\n"])
def test_names_differ_from_addresses(session: Session, name: str) -> None:
    """Both name the client of a run."""
    with pytest.raises(InvalidInput, match="is not a name; use lower-case letters"):
        create_token(session, name, ["read"])


@pytest.mark.parametrize("scopes", [[], ["write"]])
def test_scopes_are_checked(session: Session, scopes: list[str]) -> None:
    """A token permits something."""
    with pytest.raises(InvalidInput, match="use one or more of read, run, trade, admin"):
        create_token(session, "ci", scopes)  # type: ignore[arg-type]


def test_expiry_in_the_past_is_rejected(session: Session) -> None:
    """It would be a token that never works."""
    with pytest.raises(InvalidInput, match=r"expires: .* UTC is in the past"):
        create_token(session, "ci", ["read"], datetime.now(UTC) - HOUR)
