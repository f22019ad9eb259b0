"""Texts of SVG figures, whose unit is half a pixel."""

import re
import unicodedata
from xml.sax.saxutils import escape

INK, MUTED = "#1f2328", "#6e7781"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WIDE, _NARROW = 22, 13  # widths of characters of the usual size


def svg_text(
    x: int, y: int, content: str, *, ink: bool = False, anchor: str = "start", size: int = 22, weight: int = 400
) -> str:
    """Return an SVG text element, in the ink or the muted colour of the page."""
    name, colour = ("ink", INK) if ink else ("muted", MUTED)
    return (
        f'<text class="{name}" x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-size="{size}"'
        f' font-weight="{weight}">{escape_xml(content)}</text>'
    )


def escape_xml(svg_text: str) -> str:
    """Escape text for XML; characters that are invalid in XML become U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", svg_text))


def text_width(content: str) -> int:
    """Estimate the width of a text of the usual size."""
    return sum(_WIDE if unicodedata.east_asian_width(char) in "WF" else _NARROW for char in content)
