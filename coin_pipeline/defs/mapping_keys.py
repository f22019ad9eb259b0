"""Mapping keys of the steps that Dagster runs per market; a key has no dots, and a market may."""

_DOT = "__"  # a market has no two underscores in a row


def to_mapping_key(symbol: str) -> str:
    """Return the mapping key of a market.

    >>> to_mapping_key("BTC.D_USD")
    'BTC__D_USD'
    """
    return symbol.replace(".", _DOT)


def from_mapping_key(key: str) -> str:
    """Return the market of a mapping key.

    >>> from_mapping_key("BTC__D_USD")
    'BTC.D_USD'
    """
    return key.replace(_DOT, ".")
