"""Errors of an uploaded candle file as a browser shows them: in the language of the page, naming fields of the form."""

import re
import zipfile
from datetime import UTC as UTC_ZONE
from datetime import datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from coin_api.candles import UPLOAD_SUFFIXES
from coin_api.page_messages import HEADER
from coin_pipeline.errors.texts_candle_files import CANDLE_FILES
from coin_pipeline.errors.texts_candle_rows import CANDLE_ROWS
from coin_pipeline.languages import LANGUAGES, Language
from tests.pages.test_errors import HANGUL

ENGLISH = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b")
"""Three words in a row are a sentence, not a name."""
ADVICE_OF_API = re.compile(r"--|\b(?:tz|stamps|dates|decimal|volume|symbol)=|COIN_")
LABEL = {"en": re.compile('"([^"{}]+)"'), "ko": re.compile(r"(?<![\w}=])'([^'{}]+)'")}
HEAD = "time,open,high,low,close,volume\n"
ROW = ",1,2,1,2,5\n"


def rows(*times: str) -> str:
    """Return a file with candles at some times."""
    return HEAD + "".join(time + ROW for time in times)


def parquet(**columns: Any) -> bytes:  # noqa: ANN401 -- of any type
    """Return a Parquet file of one candle, with some of its columns replaced."""
    file = BytesIO()
    values = {"time": ["2024-01-01"], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1.0]}
    pq.write_table(pa.table(values | columns), file)
    return file.getvalue()


def archive(*names: str) -> bytes:
    """Return a zip archive of files with one candle."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        for name in names:
            content.writestr(name, rows("2024-01-01"))
    return file.getvalue()


UTC = {"tz": "UTC"}
BY_POSITION = "time=1,open=2,high=3,low=4,close=5,volume=6"
INVALID: dict[str, tuple[str, str | bytes, dict[str, str]]] = {
    "empty": (".csv", "", {}),
    "header only": (".csv", HEAD, {}),
    "another format": (".csv", b"PAR1" + bytes(20), {}),
    "pickle": (".csv", b"\x80\x04" + bytes(20), {}),
    "encoding": (".csv", HEAD.encode() + b"2024-01-01\x81\xff\x8d,1,2,1,2,5\n", UTC),
    "ragged": (".csv", rows("2024-01-01") + "2024-01-02,1\n" + "2024-01-03" + ROW, UTC),
    "damaged Parquet": (".parquet", b"PAR1" + bytes(20) + b"PAR1", {}),
    "damaged Feather": (".feather", b"ARROW1" + bytes(20), {}),
    "damaged zip": (".zip", b"PK\x03\x04" + bytes(20), {}),
    "empty zip": (".zip", archive("readme.md"), {}),
    "two files in a zip": (".zip", archive("a.csv", "b.csv"), {}),
    "not a workbook": (".xlsx", b"text", {}),
    "not JSON": (".json", "text", {}),
    "JSON object": (".json", '{"a": 1}', {}),
    "row of JSON": (".json", "[[1, 2, 3, 4, 5, 6], [1]]", {}),
    "nested column": (".parquet", parquet(open=[[1.0]]), UTC),
    "inexact number": (".parquet", parquet(volume=[2**53 + 1]), UTC),
    "texts as bytes": (".parquet", parquet(time=[True]), UTC),
    "no time column": (".csv", "open,high,low,close,volume\n1,2,1,2,5\n", {}),
    "two columns": (".csv", "time,open,high,low,close,volume,Volume\n2024-01-01,1,2,1,2,5,5\n", UTC),
    "no header": (".csv", "1,2,3,4,5\n2,3,4,5,6\n", {}),
    "chosen column": (".csv", rows("2024-01-01"), {**UTC, "columns": "open=first"}),
    "column for two fields": (".csv", rows("2024-01-01"), {**UTC, "columns": "open=close"}),
    "markets": (".csv", "symbol," + HEAD + f"AAA_KRW,2024-01-01{ROW}BBB_KRW,2024-01-02{ROW}", UTC),
    "other market": (".csv", "symbol," + HEAD + f"AAA_KRW,2024-01-01{ROW}", UTC),
    "no zone": (".csv", rows("2024-01-01 00:00", "2024-01-02 00:00"), {}),
    "no zone, closing times": (".csv", rows("2024-01-01 23:59:59", "2024-01-02 23:59:59"), {}),
    "zone": (".csv", rows("2024-01-01"), {"tz": "KST9"}),
    "some zones": (".csv", rows("2024-01-01 00:00Z", "2024-01-02 00:00"), {}),
    "unknown zone": (".csv", rows("2024-01-01 00:00:00 PST"), UTC),
    "twice on the clock": (".csv", rows("2024-11-03 01:30"), {"tz": "America/New_York"}),
    "skipped by the clock": (".csv", rows("2024-03-10 02:30"), {"tz": "America/New_York"}),
    "order of dates": (".csv", rows("01/02/2024", "02/02/2024"), UTC),
    "contradicted order": (".csv", rows("13/02/2024"), {**UTC, "columns": "dates=mdy"}),
    "both orders": (".csv", rows("13/02/2024", "02/13/2024"), UTC),
    "unreadable time": (".csv", rows("2024-01-01", "soon1"), UTC),
    "no such day": (".csv", rows("2024-02-31"), UTC),
    "month": (".csv", rows("Foo 12 2024"), UTC),
    "afternoon": (".csv", rows("2024-01-01 13:00 PM"), UTC),
    "offset": (".csv", rows("2024.01.01 00:00+15:00"), UTC),
    "rounded time": (".csv", rows("1.7E+12"), UTC),
    "date in digits": (".csv", rows("20240101"), UTC),
    "Excel day": (".csv", rows("45292"), UTC),
    "epoch": (".csv", rows("123"), UTC),
    "units": (".csv", rows("1704067200", "1704153600000"), UTC),
    "no time": (".csv", rows("2024-01-01", ""), UTC),
    "decimal separator": (".csv", HEAD + '2024-01-01,"1,234","1,234","1,234","1,234","1,234"\n', UTC),
    "two separators": (".csv", HEAD + '2024-01-01,"1,5","1,5",1.25,1.25,5\n', UTC),
    "not a number": (".csv", HEAD + "2024-01-01,1,2,1,much,5\n", UTC),
    "closing times": (".csv", rows("2024-01-01 23:59:59", "2024-01-02 23:59:59"), UTC),
    "late": (".csv", rows("2024-01-01 00:07", "2024-01-02 00:07"), UTC),
    "days of Seoul": (".csv", rows("2024-01-01 09:00", "2024-01-02 09:00"), UTC),
    "future": (".csv", rows("2200-01-01", "2200-01-02"), UTC),
    "repeated": (".csv", rows("2024-01-01", "2024-01-01"), UTC),
    "headless": (".csv", "2024-01-01,3,2,1,2,5\n" * 2, {**UTC, "columns": BY_POSITION}),
    "open above high": (".csv", HEAD + "2024-01-01,3,2,1,2,5\n", UTC),
    "close below low": (".csv", HEAD + "2024-01-01,3,4,2,1,5\n", UTC),
    "negative price": (".csv", HEAD + "2024-01-01,1,2,-1,2,5\n", UTC),
    "negative volume": (".csv", HEAD + "2024-01-01,1,2,1,2,-5\n", UTC),
    "large volume": (".csv", HEAD + "2024-01-01,1,2,1,2,1e300\n", UTC),
    "large price": (".csv", HEAD + "2024-01-01,1,1e300,1,2,5\n", UTC),
    "no price": (".csv", HEAD + "2024-01-01,1,nan,1,2,5\n", UTC),
    "no trade": (".csv", HEAD + "2024-01-01,nan,nan,nan,nan,0\n", UTC),
    "hours": (".csv", rows("2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"), UTC),
    "weeks": (".csv", rows("2024-01-01", "2024-01-08", "2024-01-15"), UTC),
    "months": (".csv", rows("2024-01-01", "2024-02-01", "2024-03-01"), UTC),
    "off the stored grid": (".csv", rows("2023-01-01T05:00+00:00", "2023-01-02T05:00+00:00"), {}),
}  # fmt: skip
"""Files with one fault each, and what is chosen in the form."""


def problems(app: TestClient, name: str, language: Language | None) -> list[dict[str, str]]:
    """Return the problems of an upload, as a page in a language receives them; None for the API."""
    suffix, content, choices = INVALID[name]
    media_type = next(kind for kind, known in UPLOAD_SUFFIXES.items() if known == suffix)
    headers = {"Content-Type": media_type} | ({HEADER: language} if language else {})
    query = {"timeframe": "1d", **choices}
    symbol = "AAA_KRW" if name == "off the stored grid" else "NEW_KRW"
    response = app.post(f"/api/candles/{symbol}/upload", content=content, params=query, headers=headers)
    assert response.status_code == 422, response.text
    errors: list[dict[str, str]] = response.json()["errors"]
    return errors


@pytest.mark.parametrize("name", INVALID)
def test_reasons_are_korean(app: TestClient, name: str) -> None:
    """Also the parts of a reason: only names, numbers and cells of the file are as they are."""
    for problem in problems(app, name, "ko"):
        assert problem["lang"] == "ko", problem
        assert HANGUL.search(problem["message"].partition(": ")[2]), problem
        assert not ENGLISH.search(problem["message"]), problem


@pytest.mark.parametrize("name", INVALID)
def test_english_page_names_no_parameters(app: TestClient, name: str) -> None:
    """Nor settings of the server."""
    for problem in problems(app, name, "en"):
        assert problem["lang"] == "en", problem
        assert not ADVICE_OF_API.search(problem["message"]), problem


@pytest.mark.parametrize("language", LANGUAGES)
def test_advice_names_labels_of_the_form(app: TestClient, language: Language) -> None:
    """Labels in quotation marks are those that the form shows."""
    texts = [*CANDLE_FILES.values(), *CANDLE_ROWS.values()]
    advice = [text.ko if language == "ko" else text.page or "" for text in texts]
    named = {label for text in advice for label in LABEL[language].findall(text)}
    form = app.get(f"/app/candles?lang={language}").text
    assert named
    assert [label for label in named if label not in form] == []


def test_api_answers_with_the_names_of_parameters(app: TestClient) -> None:
    """To clients that are not pages, in English as before."""
    messages = [problem["message"] for problem in problems(app, "no zone", None)]
    assert messages == ["the file: its times have no time zone; pass tz=UTC or tz=Asia/Seoul"]


HEAD_OF_YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n"
NOTED: dict[str, tuple[str, dict[str, str]]] = {
    "zone that is not used": (rows("2024-01-01 00:00Z"), {"tz": "Asia/Seoul"}),
    "Yahoo": (HEAD_OF_YAHOO + "2024-01-01,1,2,1,2,2,5\n", UTC),
    "rounded volumes": (HEAD + "2024-01-01,1,2,1,2,1.2K\n2024-01-02,1,2,1,2,3.4K\n", UTC),
    "days of another zone": (rows("2024-01-01 03:00", "2024-01-02 03:00"), UTC),
    "idle rows": (rows("2024-01-01") + "# end\n\n", UTC),
    "open candle": (rows("2024-01-01", "2024-01-02", f"{datetime.now(UTC_ZONE):%Y-%m-%d}"), UTC),
    "future": (rows("2024-01-01", "2024-01-02", "2200-01-01"), UTC),
    "no trade": (rows("2024-01-01") + "2024-01-02,,,,,\n", UTC),
    "zone of a column": ("time utc,open,high,low,close,volume\n2024-01-01" + ROW, {}),
    "epoch": (rows("1704067200"), {}),
}
"""Files with something to report, and what is chosen in the form."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NOTED)
def test_report_is_in_the_language_of_the_page(app: TestClient, name: str, language: Language) -> None:
    """Its notes, its time zone and the rows that are left out, without the parameters of the API."""
    content, choices = NOTED[name]
    query = {"timeframe": "1d", "dry_run": "true", **choices}
    headers = {"Content-Type": "text/csv", HEADER: language}
    response = app.post("/api/candles/NOTED_KRW/upload", content=content, params=query, headers=headers)
    assert response.status_code == 200, response.text
    report = response.json()
    texts = [*report["notes"], report["zone"], *report["left_out"]]
    assert [text for text in texts if bool(HANGUL.search(text)) != (language == "ko")] == []
    assert not [text for text in texts if ADVICE_OF_API.search(text)]
