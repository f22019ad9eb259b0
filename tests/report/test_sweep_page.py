"""The sweep report: figures, heat maps, warnings and self-containment."""

import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from coin_pipeline.backtest.option_labels import OPTION_LABELS
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.languages import LANGUAGES, Language
from coin_pipeline.report.sweep_map import HeatMapStyle, heat_map_figure
from coin_pipeline.report.sweep_page import render_sweep_report
from coin_pipeline.report.sweep_texts import SWEEP, SWEEP_PAGE
from coin_pipeline.sweeps.result import SweepResult
from coin_pipeline.sweeps.trials import objectives_of
from tests.sweeps.parts import registry, run, spec_of

SVG = "{http://www.w3.org/2000/svg}"


def sweep(candles: CandleCatalog, root: Path, space: dict[str, Any], **fields: object) -> SweepResult:
    """Run a sweep."""
    known = registry()
    return run(candles, known, root, spec_of(known, space, **fields))


def rendered(result: SweepResult, language: Language = "en") -> str:
    """Return the report of a sweep."""
    objectives = objectives_of(result.trials, len(result.spec.symbols))
    return render_sweep_report(result.document, objectives, language)


def page(candles: CandleCatalog, root: Path, space: dict[str, Any], **fields: object) -> tuple[dict[str, Any], str]:
    """Run a sweep; return its document and its report."""
    result = sweep(candles, root, space, **fields)
    return result.document, rendered(result)


def text_of(html: str) -> str:
    """Return the visible text on one line."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def figures(html: str) -> list[ET.Element]:
    """Return the SVG figures of a page."""
    return [ET.fromstring(svg) for svg in re.findall("<svg.*?</svg>", html, re.DOTALL)]  # noqa: S314 - trusted input


def test_page_shows_the_document(candles: CandleCatalog, tmp_path: Path) -> None:
    """The page has the best point, the top twenty, the plateau, the warnings and the digests."""
    document, html = page(candles, tmp_path, {"fast": "1:6:1", "slow": "8,10,12", "stop_loss": "0.05,none"})
    shown = text_of(html)
    best = document["best"]
    assert f"fast = {best['values']['fast']} , slow = {best['values']['slow']} , stop_loss = " in shown
    assert f"{best['figures']['objective']:+.2%}" in shown
    assert html.count('<tr>\n  <th scope="row" class="n">') == len(document["top"]) == 20
    assert "36 points, grid search." in shown
    assert "stop_loss: 0.05, none" in shown
    assert "Median of the neighbourhood" in shown[shown.index("Plateau") :]
    assert all(warning in shown for warning in document["warnings"])
    for digest in (document["trials"]["sha256"], best["result_sha256"], document["fingerprint"]["code"]):
        assert digest in shown


def test_page_is_self_contained(candles: CandleCatalog, tmp_path: Path) -> None:
    """The page has no scripts, links, fonts or external images."""
    _, html = page(candles, tmp_path, {"fast": "1:6:1"})
    assert not re.search(r"<script|<link|<img|src=|@import|url\((?!#)", html)
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
def test_incomplete_documents_are_rendered(
    candles: CandleCatalog, tmp_path: Path, space: dict[str, Any], fields: dict[str, Any]
) -> None:
    """The best point, heat map and plateau may be absent; points may be skipped."""
    document, html = page(candles, tmp_path, space, **fields)
    assert (document["best"] is None) == ("Best point" not in html)
    assert ("Skipped because" in html) is (document["skipped"] > 0)
    assert len(figures(html)) <= 2 * (document["heat_map"] is not None)


_WORD = re.compile(r"[A-Za-z]{2,}")
"""A word in Latin letters."""


def words_of(html: str) -> set[str]:
    """Return the words in Latin letters that a reader sees, or a screen reader reads, besides the data of a sweep."""
    body = re.sub(r"<(style|code)>.*?</\1>", "", unescape(html), flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|title)="([^"]*)"', body)
    return set(_WORD.findall(" ".join([text_of(body), *labels])))


@pytest.mark.parametrize(
    ("space", "fields"),
    [
        ({"fast": "1:12:1", "slow": "8,10", "stop_loss": "0.05,none"}, {"symbols": ["AAA_KRW", "BBB_KRW"]}),
        ({"fast": "1:9", "slow": "10:12"}, {"search": "random", "trials": 30, "objective": "profit_factor"}),
        ({"edge": [0.9, 1]}, {"objective": "profit_factor"}),
    ],
    ids=["grid", "random", "undefined"],
)
def test_the_korean_page_has_no_english(
    candles: CandleCatalog, tmp_path: Path, space: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Only names and values of the sweep are in Latin letters, and a few abbreviations."""
    result = sweep(candles, tmp_path, space, **fields)
    document, spec = result.document, result.document["spec"]
    versions = document["fingerprint"]["versions"]
    data = [
        *(document[name] for name in ("version", "strategy", "params", "timeframe", "objective")),
        *(spec[name] for name in ("symbols", "fill", "tick_sizes", "warm_up")),
        document.get("timezone", "Asia/Seoul"),
        *(dimension["name"] for dimension in spec["space"]),
        document["trials"]["file"],
        [*document["metadata"].values()],
        versions,
    ]
    known = set(_WORD.findall(" ".join(map(str, data)))) | {"CAGR", "MDD", "PF", "SHA"}
    html = rendered(result, "ko")
    assert '<html lang="ko">' in html
    assert words_of(html) - known == set()


@pytest.mark.parametrize("key", SWEEP)
def test_texts_are_in_both_languages(key: str) -> None:
    """With the same placeholders, since one that a language lacks would lose a number."""
    text = SWEEP[key]
    english, korean = (set(re.findall(r"\{(\w+)\}", part)) for part in text)
    assert english == korean
    assert re.search("[가-힣]", text.ko) or not re.search("[a-z]{2}", re.sub(r"\{\w+\}| to |Optuna", "", text.en))


def test_every_text_of_the_template_is_known() -> None:
    """One that only some sweeps show would otherwise be missed."""
    source = (Path(render_sweep_report.__code__.co_filename).parent / "templates" / "sweep.html.j2").read_text("utf-8")
    used = set(re.findall(r"""_\("(\w+)\"""", source))
    assert used <= set(SWEEP_PAGE)
    assert set(SWEEP) - used == {"grid", "random", "optuna", "lowest", "25%", "median", "75%", "highest"}


def test_warnings_without_codes_are_marked_as_english(candles: CandleCatalog, tmp_path: Path) -> None:
    """Those of sweeps of earlier releases."""
    result = sweep(candles, tmp_path, {"fast": "1,2"})
    result.document.update({"warnings": ["an <early> warning"], "warning_codes": None})
    assert '<li lang="en">an &lt;early&gt; warning</li>' in rendered(result, "ko")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_swept_stop_is_not_an_option(candles: CandleCatalog, tmp_path: Path, language: Language) -> None:
    """It has no single value; the other options have."""
    html = rendered(sweep(candles, tmp_path, {"fast": "1,2", "stop_loss": "0.05,none"}), language)
    assert OPTION_LABELS["take_profit"].write(language) in html
    assert f"<li>{OPTION_LABELS['stop_loss'].write(language)} " not in html


MAP: dict[str, Any] = {
    "x": {"name": "a<b", "labels": ["1", "2", "3"]},
    "y": {"name": "c", "labels": ["7", "none"]},
    "best": [[0.5, None, -0.25], [0.0, 0.25, -0.5]],
    "median": [[0.25, None, -0.25], [0.0, 0.25, -0.5]],
    "points": [[2, 0, 1], [1, 1, 1]],
}
STYLE = HeatMapStyle("A map", 0.0, "{:.2f}".format)


def test_cell_colours() -> None:
    """Blue above the neutral value, orange below, paler near it; the highest cell has a frame."""
    picture = ET.fromstring(heat_map_figure(MAP, "best", STYLE))  # noqa: S314 - trusted input
    tooltips = {str(cell[0].text): cell[1] for cell in picture.iter(f"{SVG}g")}
    assert list(tooltips) == [
        "a<b 1, c 7: 0.50 (2 points)",
        "a<b 3, c 7: -0.25 (1 point)",
        "a<b 1, c none: 0.00 (1 point)",
        "a<b 2, c none: 0.25 (1 point)",
        "a<b 3, c none: -0.50 (1 point)",
    ]
    blue, orange, neutral, paler, deep = tooltips.values()
    assert blue.get("fill") == neutral.get("fill") == paler.get("fill") == "#0072b2"
    assert orange.get("fill") == deep.get("fill") == "#d55e00"
    assert (
        float(blue.get("fill-opacity", 0)) == float(deep.get("fill-opacity", 0)) > float(paler.get("fill-opacity", 0))
    )
    assert float(neutral.get("fill-opacity", 0)) < float(paler.get("fill-opacity", 0))
    (frame,) = [rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "none"]
    assert (frame.get("x"), frame.get("y")) == (blue.get("x"), blue.get("y"))
    texts = [element.text for element in picture.iter(f"{SVG}text")]
    assert {"A map", "a<b", "c", "1", "2", "3", "7", "none", "0.50", "-0.50"} <= set(texts)
    assert "-0.50 to 0.50; blue is above 0.00, orange below" in texts


def test_cells_form_a_grid() -> None:
    """The cells fill the map in the order of the values."""
    wide = {
        "x": {"name": "a", "labels": [str(index) for index in range(50)]},
        "y": {"name": "b", "labels": [str(index) for index in range(50)]},
        **{which: [[float(x * y) for x in range(50)] for y in range(50)] for which in ("best", "median", "points")},
    }
    picture = ET.fromstring(heat_map_figure(wide, "best", STYLE))  # noqa: S314 - trusted input
    cells = [cell[1] for cell in picture.iter(f"{SVG}g")]
    corners = [(float(cell.get("x", 0)), float(cell.get("y", 0))) for cell in cells]
    assert len(set(corners)) == 2500
    assert corners == sorted(corners, key=lambda corner: corner[::-1])
    labels = [element.text for element in picture.iter(f"{SVG}text") if element.get("text-anchor") == "middle"]
    assert 5 <= len(labels) <= 20  # those that fit; cells this small have no figures


def test_single_row_of_equal_values() -> None:
    """A heat map of one dimension with a constant objective is drawn."""
    row = {**MAP, "y": None, "best": [[0.0, 0.0, 0.0]], "points": [[1, 1, 1]]}
    picture = ET.fromstring(heat_map_figure(row, "best", STYLE))  # noqa: S314 - trusted input
    titles = [element.text for element in picture.iter(f"{SVG}title")]
    assert titles[1:] == ["a<b 1: 0.00 (1 point)", "a<b 2: 0.00 (1 point)", "a<b 3: 0.00 (1 point)"]


def test_cells_link_to_their_best_points() -> None:
    """Only the highest can be reached with the tab key; a map of an earlier version has no links."""
    linked = STYLE._replace(link="/form?from=x&point={}".format)
    known = {**MAP, "best_point": [[4, None, 6], [1, 2, 3]]}
    picture = ET.fromstring(heat_map_figure(known, "best", linked))  # noqa: S314 - trusted input
    links = [*picture.iter(f"{SVG}a")]
    assert [link.get("href") for link in links] == [f"/form?from=x&point={number}" for number in (4, 6, 1, 2, 3)]
    assert [link.get("tabindex") for link in links] == ["0", "-1", "-1", "-1", "-1"]
    assert (links[1].get("data-row"), links[1].get("data-column")) == ("0", "2")
    assert links[0][0].text == "a<b 1, c 7: 0.50 (2 points)"
    assert picture.get("role") == "group"
    assert "<a " not in heat_map_figure(MAP, "best", linked)
    assert "<a " not in heat_map_figure(known, "best", STYLE)


def test_texts_of_a_map_in_korean() -> None:
    """Tooltips and labels, too."""
    style = STYLE._replace(language="ko", title="제목")
    binned = {**MAP, "x": {"name": "a", "labels": ["1 to 2", "3 to 4", "5 to none"]}}
    picture = ET.fromstring(heat_map_figure(binned, "best", style))  # noqa: S314 - trusted input
    titles = [element.text for element in picture.iter(f"{SVG}title")]
    assert titles[:3] == ["제목", "a 1 ~ 2, c 7: 0.50 (포인트 2개)", "a 5 ~ 없음, c 7: -0.25 (포인트 1개)"]
