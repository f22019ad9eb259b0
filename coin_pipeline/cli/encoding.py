"""Output to terminals whose encoding lacks a character: a plain one is written instead of failing."""

import codecs
import io
import sys
import unicodedata

_PLAIN = {
    **dict(zip("\u2588\u2593\u2592\u2591\u2584", "#%=:+", strict=True)),  # full block, shades, half block
    "\u00b7": ".",
    "\u2022": "*",
    "\u2192": "->",
    "\u2190": "<-",
    "\u2713": "v",  # dots, arrows, check mark
    "\u00d7": "x",
    "\u2265": ">=",
    "\u2264": "<=",
    "\u2212": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u201c": '"',
    "\u201d": '"',
    "\u2018": "'",
    "\u2019": "'",
    "\u2500": "-",
    "\u2501": "-",
    "\u2502": "|",
    "\u2503": "|",  # lines of tables
}
_HANDLER, _ASCII = "coin-plain", "coin-ascii"


def accept_any_terminal() -> None:
    """Make standard output and error replace the characters that their encoding lacks.

    An encoding of ASCII is replaced by an equal one under another name: click takes ASCII for a mistake of the system,
    and would send UTF-8 to such a terminal.
    """
    codecs.register_error(_HANDLER, _replace)
    codecs.register(_find_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not in a notebook, or a capture without an encoding
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII if is_ascii else None, errors=_HANDLER)


def plain(text: str) -> str:
    r"""Return text in ASCII, with a question mark for each character that has no similar one.

    >>> plain("\u2584 caf\u00e9 \u2192 \ucf54\uc778")
    '+ cafe -> ??'
    """
    return "".join(map(_plain_character, text))


def _plain_character(character: str) -> str:
    known = _PLAIN.get(character)
    if known is not None:
        return known
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != _ASCII:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=_ASCII,
        encode=ascii_codec.encode,
        decode=ascii_codec.decode,
        incrementalencoder=ascii_codec.incrementalencoder,
        incrementaldecoder=ascii_codec.incrementaldecoder,
        streamreader=ascii_codec.streamreader,
        streamwriter=ascii_codec.streamwriter,
    )
