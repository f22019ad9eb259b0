"""Texts of the frame of every page, and of the pages of errors."""

from collections.abc import Mapping
from http import HTTPStatus

from coin_pipeline.languages import Text

SKIP = Text("Skip to the content", "본문으로 건너뛰기")
NAVIGATION = Text("Pages", "메뉴")
LANGUAGE = Text("Language", "언어")
LANGUAGE_NAMES = {"en": "English", "ko": "한국어"}
DAGSTER = Text("Dagster", "Dagster")
API = Text("API", "API")
CHARTS = Text("Charts by TradingView Lightweight Charts", "차트: TradingView Lightweight Charts")
HISTORY = Text("Results", "결과")
SUBMIT = Text("New backtest", "새 백테스트")
SWEEPS = Text("Sweeps", "스윕")
TASKS = Text("Tasks", "작업")

TRY_AGAIN = Text("Try again", "다시 시도")
ERROR_TITLE = Text("The page cannot be shown", "페이지를 표시할 수 없습니다")
ERROR_TITLES: Mapping[HTTPStatus, Text] = {
    HTTPStatus.NOT_FOUND: Text("There is no such page or result", "페이지 또는 결과가 없습니다"),
    HTTPStatus.BAD_REQUEST: Text("The request is not valid", "요청이 올바르지 않습니다"),
    HTTPStatus.UNPROCESSABLE_ENTITY: Text("The request is not valid", "요청이 올바르지 않습니다"),
    HTTPStatus.SERVICE_UNAVAILABLE: Text("A required service is not available", "필요한 서비스에 연결할 수 없습니다"),
}
NO_CANDLES_TITLE = Text("No candles of this series are stored", "저장된 캔들이 없습니다")
ERROR_FIELDS = Text("What is wrong", "잘못된 항목")
