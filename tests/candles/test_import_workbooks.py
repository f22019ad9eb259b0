"""Excel workbooks, written here as the XML that Excel writes."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.timeframe import format_utc
from coin_pipeline.errors import InvalidCandleFile

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006'
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
DATE_STYLE = 1
JANUARY_1 = 45292  # in 2024, as Excel counts days
PYUPBIT = ("", "open", "high", "low", "close", "volume", "value")

Cell = str | float | tuple[float]
"""A text, a number, or a date as a tuple of one number of days."""


def workbook(**sheets: Sequence[Sequence[Cell]]) -> bytes:
    """Return a workbook with these rows in its sheets."""
    parts = {
        "[Content_Types].xml": f'<Types {PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships {PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {NAMESPACE} xmlns:r="{RELATIONS}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, start=1))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships {PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Type="{RELATIONS}/worksheet" Target="worksheets/{n}.xml"/>'
            for n in range(1, len(sheets) + 1)
        )
        + f'<Relationship Id="s" Type="{RELATIONS}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f"<styleSheet {NAMESPACE}>"
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        **{f"xl/worksheets/{n}.xml": _sheet(rows) for n, rows in enumerate(sheets.values(), start=1)},
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = (
        f'<row r="{n}">{"".join(_cell(f"{chr(65 + at)}{n}", cell) for at, cell in enumerate(row))}</row>'
        for n, row in enumerate(rows, start=1)
    )
    return f"<worksheet {NAMESPACE}><sheetData>{''.join(lines)}</sheetData></worksheet>"


def _cell(place: str, cell: Cell) -> str:
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{cell}</t></is></c>'
    if isinstance(cell, tuple):
        return f'<c r="{place}" s="{DATE_STYLE}"><v>{cell[0]}</v></c>'
    return f'<c r="{place}"><v>{cell}</v></c>'


def day(number: int, hour: int = 9) -> tuple[float]:
    """Return a date cell in January 2024."""
    return (JANUARY_1 + number - 1 + hour / 24,)


def test_pyupbits_workbook(tmp_path: Path) -> None:
    """Dates are cells of Excel's type, and the first column has no name."""
    rows: list[Sequence[Cell]] = [
        PYUPBIT,
        (day(1), 100.0, 110.0, 90.0, 105.0, 5.5, 550.0),
        (day(2), 105, 115, 95, 100, 6.5, 650),
    ]
    (tmp_path / "a.xlsx").write_bytes(workbook(Sheet1=rows))
    result = read_candle_file(tmp_path / "a.xlsx")
    assert [format_utc(ns) for ns in result.candles.time] == ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]
    assert (result.layout, result.zone.name) == ("pyupbit", "Asia/Seoul")
    assert [column[0] for column in result.candles[1:]] == [100.0, 110.0, 90.0, 105.0, 5.5]


def test_texts_titles_totals_and_other_sheets(tmp_path: Path) -> None:
    """A sheet as people write it: a title, Korean names, grouped digits and a total; notes are in another sheet."""
    rows: list[Sequence[Cell]] = [
        ("비트코인 일봉",),
        (),
        ("날짜", "시가", "고가", "저가", "종가", "거래량"),
        ("2024-01-02", "57,500,000", "59,900,000", "57,200,000", "59,300,000", "7,654.25"),
        ("2024-01-01", "56,600,000", "57,700,000", "56,000,000", "57,500,000", "4,321.5"),
        ("합계", "", "", "", "", "11,975.75"),
    ]
    (tmp_path / "a.xlsx").write_bytes(workbook(candles=rows, notes=[("source", "exchange")]))
    result = read_candle_file(tmp_path / "a.xlsx", tz="UTC")
    assert [column[0] for column in result.candles[1:]] == [56.6e6, 57.7e6, 56e6, 57.5e6, 4321.5]
    assert (result.rows.tolist(), result.skipped) == ([2, 1], {"total below the candles": 1})


def test_times_of_excel_are_whole_milliseconds(tmp_path: Path) -> None:
    """Excel stores days as floats, in which 01:00 is not exact."""
    rows: list[Sequence[Cell]] = [(day(1, hour), 1, 1, 1, 1, 1) for hour in range(24)]
    header = ("timestamp", "open", "high", "low", "close", "volume")
    (tmp_path / "a.xlsx").write_bytes(workbook(Sheet1=[header, *rows]))
    assert read_candle_file(tmp_path / "a.xlsx", tz="UTC").spacing == 3_600_000_000_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (workbook(a=[PYUPBIT, (day(1), 1, 1, 1, 1, 1, 1)], b=[PYUPBIT]), "has 2 sheets with a table: 'a', 'b'; keep"),
        (workbook(a=[]), "has 0 sheets with a table"),
        (b"<html><table></table></html>", "cannot be read as an Excel workbook; save it as .xlsx or CSV"),
        (b"PK\x03\x04rest", "cannot be read as xlsx"),
    ],
)
def test_other_workbooks_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """The error gives the reason and what to do."""
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(InvalidCandleFile, match=reason):
        read_candle_file(tmp_path / "a.xlsx")
