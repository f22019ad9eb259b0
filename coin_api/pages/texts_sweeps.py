"""Texts of the list of sweeps, and of the page of one."""

from collections.abc import Mapping
from typing import get_args

from coin_api.pages import texts_results
from coin_pipeline.languages import Text
from coin_pipeline.report.sweep_texts import SWEEP, SWEEP_PAGE
from coin_pipeline.sweeps.request import Search

LIST = Text("Sweeps", "스윕")
NEW = Text("New sweep", "새 스윕")
ACTIVE = Text("Queued and running", "대기 및 실행 중")
FOUND = Text("Stored sweeps: {count}", "저장된 스윕: {count}건")
NO_SWEEPS = Text("No sweep is stored yet.", "아직 저장된 스윕이 없습니다.")
STRATEGY = Text("Strategy", "전략")
SYMBOLS = Text("Symbols", "종목")
PERIOD = Text("Period", "기간")
TIMEFRAME = Text("Timeframe", "주기")
BEST_RETURN = Text("Return of the best point", "최적 포인트의 수익률")
FINISHED = Text("Ended, Seoul", "종료(서울)")
FIRST = Text("First page", "첫 페이지")
NEXT = Text("Next page", "다음 페이지")
CHANGE_SWEEP = Text("Change and run sweep {run}", "스윕 {run}, 값을 바꿔 실행")
TITLE = Text("Sweep", "스윕")
RANGE = Text("{start} to {end}, whole days in {zone}", "{start} ~ {end}, {zone} 기준 하루 단위")
BEST, BEST_NOTE = SWEEP["best"], SWEEP["best_note"]
NO_BEST = Text("The objective is undefined at every point.", "모든 포인트에서 목표 지표를 계산할 수 없습니다.")
OBJECTIVE = Text("Objective: {name}", "목표 지표: {name}")
WARNINGS = Text("Warnings", "경고")
SETTINGS = Text("Settings that are not swept", "고정된 설정")
HEAT_MAP = SWEEP["heat_map"]
HEAT_MAP_NOTE = Text(
    "A cell opens the form of a backtest with its best point. With the keyboard, arrow keys move between the cells.",
    "셀을 선택하면 그 셀의 최적 포인트로 채운 백테스트 폼이 열립니다. 키보드에서는 화살표 키로 셀을 이동합니다.",
)
NO_HEAT_MAP = Text("No dimension is numeric, so there is no heat map.", "숫자 차원이 없어 히트맵을 그릴 수 없습니다.")
EQUITY = Text("Equity of the best point", "최적 포인트의 자산 곡선")
NO_EQUITY = Text(
    "This sweep was run by an earlier version, which stored no picture of it. Run the point as a backtest to see it.",
    "이전 버전에서 실행한 스윕이라 곡선이 저장되지 않았습니다. 이 포인트를 백테스트로 실행하면 볼 수 있습니다.",
)
PLATEAU, PLATEAU_NOTE = SWEEP["plateau"], SWEEP["plateau_note"]
MEDIAN = SWEEP["neighbourhood_median"]
OWN = Text("Objective of the point", "이 포인트의 목표 지표")
SIZE = SWEEP["neighbourhood_size"]
AROUND_BEST = Text("Median around the best point", "최적 포인트 주변의 중앙값")
TOP, SEVERAL, POINT = SWEEP["top"], SWEEP["several"], SWEEP["point"]
ACTIONS = Text("Actions", "동작")
RUN = Text("Run as a backtest", "백테스트로 실행")
RUN_POINT = Text("Run as a backtest: point {point}", "백테스트로 실행: 포인트 {point}")
EDIT = Text("Change and run", "값을 바꿔 실행")
EDIT_POINT = Text("Change and run: point {point}", "값을 바꿔 실행: 포인트 {point}")
AROUND = Text("Sweep around it", "주변 값 스윕")
AROUND_POINT = Text("Sweep around it: point {point}", "주변 값 스윕: 포인트 {point}")
AGAIN = Text("Change and sweep again", "값을 바꿔 다시 스윕")
CHOOSE_POINT = Text("Compare point {point}", "포인트 {point} 비교")
COMPARE = Text("Run and compare", "실행해 비교")
COMPARE_HINT = Text(
    "Choose {least} to {most} points. Those whose backtest is stored already are not run again.",
    "포인트를 {least}~{most}개 선택하세요. 이미 저장된 백테스트는 다시 실행하지 않습니다.",
)
COMPARING = Text("Running the backtests …", "백테스트 실행 중…")
SEARCHES: Mapping[Search, Text] = {search: SWEEP[search] for search in get_args(Search)}
POINTS = SWEEP["points_note"]
REPORT = texts_results.REPORT
DOWNLOAD = Text("Trials as Parquet", "전체 포인트(Parquet)")
DAGSTER = Text("Run in Dagster", "Dagster에서 보기")
NONE = SWEEP_PAGE["none"]
UNREACHABLE = Text("The server did not respond; try again.", "서버가 응답하지 않습니다. 다시 시도하십시오.")
