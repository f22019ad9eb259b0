"""The page of a sweep: its figures, its map, its warnings, and nothing from outside."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.report.sweep_map import heat_map_figure
from coin_pipeline.report.sweep_page import render_sweep_report
from tests.sweeps.parts import registry, run, spec_of

SVG = "{http://www.w3.org/2000/svg}"


def page(candles: CandleCatalog, root: Path, space: dict[str, Any], **fields: object) -> tuple[dict[str, Any], str]:
    """Return the document of a sweep and its page."""
    known = registry()
    result = run(candles, known, root, spec_of(known, space, **fields))
    return result.document, render_sweep_report(result.document, result.trials)


def text_of(html: str) -> str:
    """Return what a reader sees, without line breaks."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def drawn(html: str) -> list[ET.Element]:
    """Return the pictures of a page."""
    return [ET.fromstring(svg) for svg in re.findall("<svg.*?</svg>", html, re.DOTALL)]  # noqa: S314 - made by us


def test_the_page_says_what_the_document_says(candles: CandleCatalog, tmp_path: Path) -> None:
    """The best point, the best twenty, the plateau, the warnings, and how to reproduce it all."""
    document, html = page(candles, tmp_path, {"fast": "1:6:1", "slow": "8,10,12", "stop_loss": "0.05,none"})
    shown = text_of(html)
    best = document["best"]
    assert f"fast = {best['values']['fast']} , slow = {best['values']['slow']} , stop_loss = " in shown
    assert f"{best['figures']['objective']:+.2%}" in shown
    assert html.count('<tr>\n  <td class="n">') == len(document["top"]) == 20
    assert "Grid search: 36 points" in shown
    assert "stop_loss: 0.05, none" in shown
    assert "median" in shown[shown.index("Plateau") :]
    assert all(warning in shown for warning in document["warnings"])
    for digest in (document["trials"]["sha256"], best["result_sha256"], document["fingerprint"]["code"]):
        assert digest in shown


def test_the_page_needs_nothing_else(candles: CandleCatalog, tmp_path: Path) -> None:
    """No script, no link, no font, no picture from anywhere."""
    _, html = page(candles, tmp_path, {"fast": "1:6:1"})
    assert not re.search(r"<script|<link|<img|src=|@import|url\(", html)
    assert "default-src 'none'" in html


@pytest.mark.parametrize(
    ("space", "fields"),
    [
        ({"edge": [0.9, 1]}, {"objective": "profit_factor"}),
        ({"side": "above,below"}, {"objective": "win_rate"}),
        ({"fast": "1:20", "edge": "0:0.1"}, {"search": "optuna", "trials": 20, "objective": "avg_return"}),
        ({"fast": "9:14:1", "slow": [12]}, {"objective": "return_over_drawdown", "symbols": ["AAA_KRW", "BBB_KRW"]}),
        ({"fast": "1,2"}, {"fill": "signal_close"}),
    ],
)
def test_whatever_is_undefined_can_be_shown(
    candles: CandleCatalog, tmp_path: Path, space: dict[str, Any], fields: dict[str, Any]
) -> None:
    """No best point, no map, no plateau, skipped points, several symbols."""
    document, html = page(candles, tmp_path, space, **fields)
    assert (document["best"] is None) == ("Best point" not in html)
    assert ("skipped because" in html) is (document["skipped"] > 0)
    assert len(drawn(html)) <= 2 * (document["heat_map"] is not None)


MAP: dict[str, Any] = {
    "x": {"name": "a<b", "labels": ["1", "2", "3"]},
    "y": {"name": "c", "labels": ["7", "none"]},
    "best": [[0.5, None, -0.25], [0.0, 0.25, -0.5]],
    "median": [[0.25, None, -0.25], [0.0, 0.25, -0.5]],
    "points": [[2, 0, 1], [1, 1, 1]],
}


def test_cells_are_coloured_by_side_and_depth() -> None:
    """Blue above the balance, orange below, paler near it; nothing where there is no point; the highest is framed."""
    picture = ET.fromstring(heat_map_figure(MAP, "best", "A map", 0.0, "{:.2f}".format))  # noqa: S314 - made by us
    cells = [rect for rect in picture.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    told = {str(cell.find(f"{SVG}title").text): cell for cell in cells}
    assert list(told) == [
        "a<b 1, c 7: 0.50 (2 points)",
        "a<b 3, c 7: -0.25 (1 points)",
        "a<b 1, c none: 0.00 (1 points)",
        "a<b 2, c none: 0.25 (1 points)",
        "a<b 3, c none: -0.50 (1 points)",
    ]
    blue, orange, balance, paler, deep = told.values()
    assert blue.get("fill") == balance.get("fill") == paler.get("fill") == "#0072b2"
    assert orange.get("fill") == deep.get("fill") == "#d55e00"
    assert (
        float(blue.get("fill-opacity", 0)) == float(deep.get("fill-opacity", 0)) > float(paler.get("fill-opacity", 0))
    )
    assert float(balance.get("fill-opacity", 0)) < float(paler.get("fill-opacity", 0))
    (frame,) = [rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "none"]
    assert (frame.get("x"), frame.get("y")) == (blue.get("x"), blue.get("y"))
    texts = [element.text for element in picture.iter(f"{SVG}text")]
    assert {"A map", "a<b", "c", "1", "2", "3", "7", "none", "0.50", "-0.50"} <= set(texts)
    assert "-0.50 to 0.50; blue is above 0.00, orange below" in texts


def test_cells_lie_side_by_side() -> None:
    """From edge to edge of the map, in the order of the values."""
    wide = {
        "x": {"name": "a", "labels": [str(place) for place in range(50)]},
        "y": {"name": "b", "labels": [str(place) for place in range(50)]},
        **{which: [[float(x * y) for x in range(50)] for y in range(50)] for which in ("best", "median", "points")},
    }
    picture = ET.fromstring(heat_map_figure(wide, "best", "Many", 0.0, str))  # noqa: S314 - made by us
    cells = [rect for rect in picture.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    corners = [(float(cell.get("x", 0)), float(cell.get("y", 0))) for cell in cells]
    assert len(set(corners)) == 2500
    assert corners == sorted(corners, key=lambda corner: corner[::-1])
    labels = [element.text for element in picture.iter(f"{SVG}text") if element.get("text-anchor") == "middle"]
    assert 5 <= len(labels) <= 20  # as many as there is room for, and no figures in cells as small as these


def test_a_single_row_and_equal_values_can_be_drawn() -> None:
    """One numeric dimension, and an objective that never changes."""
    row = {**MAP, "y": None, "best": [[0.0, 0.0, 0.0]], "points": [[1, 1, 1]]}
    picture = ET.fromstring(heat_map_figure(row, "best", "A row", 0.0, str))  # noqa: S314 - made by us
    titles = [element.text for element in picture.iter(f"{SVG}title")]
    assert titles[1:] == ["a<b 1: 0.0 (1 points)", "a<b 2: 0.0 (1 points)", "a<b 3: 0.0 (1 points)"]
