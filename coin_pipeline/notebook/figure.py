"""SVG figures that notebooks display."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SvgFigure:
    """A figure that Jupyter displays as the last value of a cell.

    Attributes:
        svg: The figure as SVG text.

    >>> SvgFigure("<svg></svg>")
    <SvgFigure, 11 characters of SVG>
    """

    svg: str

    def save(self, path: str | Path) -> None:
        """Write the figure to an SVG file; an existing file is replaced."""
        Path(path).write_text(self.svg, encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<SvgFigure, {len(self.svg):,} characters of SVG>"
