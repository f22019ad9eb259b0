"""Ids that follow from idempotency keys, so that a repeated request finds what the first one has made."""

import uuid
from typing import Literal

KeyScope = Literal["tasks", "sweeps", "candles", "forward-tests"]
"""What a key is unique within."""
# Namespace and scopes determine the id of a key, so they must never change.
_NAMESPACE = uuid.UUID("6f1c1d3e-7f0b-5d0a-9a55-0c0ffee0c011")


def id_of_key(scope: KeyScope, key: str | None) -> uuid.UUID:
    """Return the id that belongs to an idempotency key; without a key, a random one.

    >>> id_of_key("tasks", "k1")
    UUID('9dfe441d-0155-5400-9e72-3e2b7ae9cfa8')
    """
    return uuid.uuid4() if key is None else uuid.uuid5(_NAMESPACE, f"{scope}:{key}")
