"""Output to terminals whose encoding lacks a character: a plain one is written instead of failing."""

import codecs
import io
import sys
import unicodedata

_PLAIN = {
    **dict.fromkeys(map(chr, range(0x2801, 0x2900)), "*"),
    "\u2800": " ",  # dots of curves (Braille patterns)
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
_TABLE = str.maketrans(_PLAIN)
_HANDLER, _PREFIX = "coin-plain", "coin_"


def accept_any_terminal() -> None:
    """Make standard output and error replace the characters that their encoding lacks.

    An encoding other than UTF is replaced by one of our own, which writes all graphic characters as plain ones: in
    cp949 some of them exist, twice as wide as the others. It has another name than ASCII, which click takes for a
    mistake of the system: it would send UTF-8 to such a terminal.
    """
    codecs.register_error(_HANDLER, _replace)
    codecs.register(_find_plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not in a notebook, or a capture without an encoding
            name = codecs.lookup(stream.encoding).name
            keeps = name.startswith(("utf", _PREFIX))
            stream.reconfigure(encoding=None if keeps else f"{_PREFIX}{name}", errors=_HANDLER)


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


def _find_plain(name: str) -> codecs.CodecInfo | None:
    """Return the encoding whose name follows the prefix, with plain characters for graphic ones."""
    if not name.startswith(_PREFIX):
        return None
    base = codecs.lookup(name.removeprefix(_PREFIX))

    def encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
        return base.encode(text.translate(_TABLE), errors)[0], len(text)

    class Encoder(codecs.IncrementalEncoder):
        def encode(self, text: str, final: bool = False) -> bytes:  # noqa: ARG002, FBT001, FBT002 -- of the base class
            return encode(text, self.errors)[0]

    return codecs.CodecInfo(
        name=name,
        encode=encode,
        decode=base.decode,
        incrementalencoder=Encoder,
        incrementaldecoder=base.incrementaldecoder,
        streamreader=base.streamreader,
        streamwriter=base.streamwriter,
    )
