"""Texts of the list of tasks, and of the page of one."""

from collections.abc import Mapping

from coin_api.schemas import Status
from coin_api.tasks import Job
from coin_pipeline.languages import Text

TITLE = Text("Tasks", "작업")
NONE = Text("No task was submitted yet.", "아직 제출된 작업이 없습니다.")
NEW = Text("New backtest", "새 백테스트")
TASK = Text("Task", "작업")
JOB = Text("Kind", "종류")
ABOUT = Text("Strategy, markets and timeframe", "전략, 종목, 주기")
STATUS = Text("Status", "상태")
PROGRESS = Text("Progress", "진행률")
SUBMITTED = Text("Submitted, Seoul", "제출(서울)")
STARTED = Text("Started, Seoul", "시작(서울)")
FINISHED = Text("Ended, Seoul", "종료(서울)")
ERROR = Text("Why it failed", "실패 원인")
ACTIONS = Text("Actions", "동작")
CANCEL = Text("Cancel", "취소")
CANCEL_TASK = Text("Cancel task {task}", "작업 {task} 취소")
NOT_REACHED = Text("The server does not respond; trying again.", "서버가 응답하지 않아 다시 시도합니다.")
DAGSTER = Text("Run in Dagster", "Dagster에서 보기")
AGAIN = Text("Change and run again", "수정하여 다시 실행")
RUN_AGAIN = Text("Change and run again: task {task}", "수정하여 다시 실행: 작업 {task}")
ALL = Text("All tasks", "모든 작업")
POINTS = Text("Points", "포인트")
SPEED = Text("· {speed} per second, {left} left", "· 초당 {speed}개, {left} 남음")

JOBS: Mapping[Job, Text] = {
    "backtest": Text("Backtest", "백테스트"),
    "sweep": Text("Sweep", "스윕"),
    "refresh_candles": Text("Candles", "캔들 수집"),
}
RESULTS: Mapping[Job, Text] = {
    "backtest": Text("Open the result", "결과 열기"),
    "sweep": Text("Open the sweep", "스윕 결과 열기"),
    "refresh_candles": Text("Open the candles", "캔들 보기"),
}
STATUSES: Mapping[Status, Text] = {
    "queued": Text("queued", "대기 중"),
    "running": Text("running", "실행 중"),
    "completed": Text("completed", "완료"),
    "failed": Text("failed", "실패"),
    "cancelled": Text("cancelled", "취소됨"),
}
