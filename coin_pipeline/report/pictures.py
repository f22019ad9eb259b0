"""Small SVG pictures of the backtest report, which keep the size of their text at any width."""

from collections.abc import Callable
from html import escape

from coin_pipeline.report.payload import Histogram, SymbolCoverage

_BARS, _LABELS = 84, 98  # percent of the height: lower end of the bars, baseline of the labels
_MIN_GAP = 0.25  # percent of the width, so that a gap of one candle can be seen


def histogram_picture(
    histogram: Histogram, title: str, describe: Callable[[float, float, int], str], label: Callable[[float], str]
) -> str:
    """Draw a distribution as bars, with labels at both ends and at zero.

    Args:
        histogram: The distribution.
        title: Description for screen readers.
        describe: Returns the text of a bar: its edges and its count.
        label: Returns the label of a return.
    """
    edges, counts = histogram["edges"], histogram["counts"]
    low, high, most = edges[0], edges[-1], max(counts)

    def x(value: float) -> float:
        return 100 * (value - low) / (high - low)

    bars = [
        f'<rect class="{_side(left, right)}" x="{x(left):.2f}%" width="{x(right) - x(left):.2f}%"'
        f' y="{_BARS * (1 - count / most):.1f}%" height="{_BARS * count / most:.1f}%">'
        f"<title>{escape(describe(left, right, count))}</title></rect>"
        for left, right, count in zip(edges, edges[1:], counts, strict=False)
        if count
    ]
    marks = [_label(0, "start", label(low)), _label(100, "end", label(high))]
    if low < 0 < high:
        marks.append(f'<line class="base" x1="{x(0):.2f}%" x2="{x(0):.2f}%" y1="0" y2="{_BARS}%"/>')
        if 12 < x(0) < 88:  # noqa: PLR2004 - nearer to an end the labels would overlap
            marks.append(_label(x(0), "middle", label(0)))
    return _picture("histogram", title, [*bars, *marks])


def coverage_strip(coverage: SymbolCoverage, title: str) -> str:
    """Draw the range of a backtest as a strip with its gaps.

    Args:
        coverage: The range and its gaps.
        title: Description for screen readers.
    """
    start, length = coverage["start"], max(coverage["end"] - coverage["start"], 1)
    gaps = [
        f'<rect class="{gap["kind"].replace("_", "-")}" x="{100 * (gap["start"] - start) / length:.2f}%"'
        f' width="{max(100 * (gap["end"] - gap["start"]) / length, _MIN_GAP):.2f}%" height="100%"/>'
        for gap in coverage["gaps"]
    ]
    return _picture("strip", title, ['<rect class="present" width="100%" height="100%"/>', *gaps])


def _picture(name: str, title: str, elements: list[str]) -> str:
    return f'<svg class="{name}" role="img"><title>{escape(title)}</title>{"".join(elements)}</svg>'


def _side(low: float, high: float) -> str:
    middle = (low + high) / 2
    return "gain" if middle > 0 else "loss" if middle < 0 else "even"


def _label(x: float, anchor: str, content: str) -> str:
    return f'<text class="muted" x="{x:.2f}%" y="{_LABELS}%" text-anchor="{anchor}">{escape(content)}</text>'
