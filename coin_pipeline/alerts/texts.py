"""What alerts contain, in English and in Korean.

The error of an op is quoted as it is, in English; everything around it is in the language of COIN_ALERT_LANGUAGE.
"""

from typing import NamedTuple

from coin_pipeline.languages import Language, Text

MAX_ERROR = 600
"""Longest excerpt of an error; the run's page has all of it."""


class Writer(NamedTuple):
    """Writes texts in one language, and links to the Dagster UI.

    Attributes:
        language: Language of the texts.
        ui_url: Public URL of the Dagster UI, DAGSTER_UI_URL.
    """

    language: Language
    ui_url: str

    def write(self, text: Text, **values: object) -> str:
        """Return a text with its placeholders filled."""
        return text.write(self.language, **values)

    def job(self, name: str) -> str:
        """Return what users call a job; its name if it is not one of the platform's."""
        return self.write(JOBS[name]) if name in JOBS else name

    def reason(self, error: str, advice: str) -> str:
        """Return the body of an alert: why it happened, and what to do."""
        return self.write(REASON, error=excerpt(error), advice=advice)

    def link(self, path: str) -> str:
        """Return the URL of a page of the Dagster UI."""
        return f"{self.ui_url.rstrip('/')}/{path}"


def excerpt(error: str, limit: int = MAX_ERROR) -> str:
    r"""Return an error on one line, cut at `limit` characters.

    >>> excerpt("no  candles\n of BTC_KRW", 14)
    'no candles of…'
    """
    line = " ".join(error.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


JOBS = {
    "backtest": Text("Backtest", "백테스트"),
    "sweep": Text("Sweep", "파라미터 스윕"),
    "refresh_candles": Text("Candle collection", "캔들 수집"),
    "retention": Text("Retention", "보존 기간 정리"),
    "forward_test": Text("Forward tests", "포워드 테스트"),
    "forward_drift": Text("Drift comparison", "포워드 테스트 드리프트 점검"),
    "backup": Text("Backup", "백업"),
    "restore_drill": Text("Restore drill", "백업 복원 검증"),
    "backup_cleanup": Text("Removal of old backups", "오래된 백업 정리"),
    "__ASSET_JOB": Text("Asset run", "에셋 실행"),
}
"""Jobs by name, as they begin a title."""

REASON = Text("Why: {error}\nWhat to do: {advice}", "원인: {error}\n조치: {advice}")

# Labels of details.
JOB = Text("Job", "작업")
RUN = Text("Run", "실행 ID")
SUBJECT = Text("On", "대상")
STEPS = Text("Failed steps", "실패한 단계")
ATTEMPTS = Text("Attempts", "시도 횟수")
CLIENT = Text("Requested by", "요청자")
CHECK = Text("Check", "점검 항목")
DISK = Text("Disk", "디스크")
FREE = Text("Free", "여유 공간")
LAST = Text("Last", "마지막 성공")
AND_MORE = Text("{first} and {more} more", "{first} 외 {more}개")
NEVER = Text("never", "없음")

# Runs.
FAILED = Text("{job}: failed", "{job} 실패")
CANCELLED = Text("{job}: cancelled", "{job} 취소됨")
JOB_RECOVERED = Text("{job}: works again", "{job} 정상화")
SUCCEEDED = Text(
    "The run of {at} UTC succeeded, and no other has failed since.",
    "{at}(UTC)에 끝난 실행이 성공했으며 이후 실패한 실행이 없습니다.",
)
WAS_CANCELLED = Text(
    "a scheduled run was cancelled before it had finished",
    "예약된 실행이 완료되기 전에 취소되었습니다",
)
RUN_AGAIN = Text(
    "Nothing if it was cancelled on purpose: the schedule starts the next run. Otherwise re-execute the run in the"
    " Dagster UI.",
    "의도한 취소라면 조치가 필요 없습니다. 다음 예약 시각에 다시 실행됩니다. 의도한 취소가 아니라면 Dagster UI에서"
    " 해당 실행을 다시 실행하십시오.",
)
ADVICE = {
    "refresh_candles": Text(
        "Candles fetched so far are kept. After an outage of the exchange or the network, the next collection fetches"
        " the rest; otherwise remove the cause and re-execute the run in the Dagster UI.",
        "지금까지 수집한 캔들은 보존됩니다. 거래소나 네트워크의 일시적인 장애라면 다음 수집 때 나머지를 이어서"
        " 받습니다. 그 밖의 경우에는 원인을 해결한 뒤 Dagster UI에서 해당 실행을 다시 실행하십시오.",
    ),
    "retention": Text(
        "Expired data stay on the disk until a run succeeds. Remove the cause, then run 'coin retention'.",
        "정리가 성공할 때까지 만료된 데이터가 디스크에 남습니다. 원인을 해결한 뒤 'coin retention'을 실행하십시오.",
    ),
    "forward_test": Text(
        "Candles are decided late until a run succeeds; no decision is lost. 'coin forward list' names the tests that"
        " are failing.",
        "실행이 성공할 때까지 캔들 판정이 지연되지만 누락되지는 않습니다. 'coin forward list'에서 실패 중인 테스트를"
        " 확인하십시오.",
    ),
    "forward_drift": Text(
        "The tests themselves continue. The next comparison follows tomorrow night; 'coin forward drift ID' repeats"
        " it for one test.",
        "포워드 테스트 자체는 계속 진행됩니다. 다음 점검은 내일 새벽에 실행되며, 'coin forward drift ID'로 테스트"
        " 하나를 바로 점검할 수 있습니다.",
    ),
    "backup": Text(
        "Earlier backups are unaffected. Remove the cause, then run 'coin backup run'; 'coin backup list' shows what"
        " is stored.",
        "이전 백업에는 영향이 없습니다. 원인을 해결한 뒤 'coin backup run'을 실행하고, 'coin backup list'로 저장된"
        " 백업을 확인하십시오.",
    ),
    "restore_drill": Text(
        "Do not rely on the newest backup until a drill succeeds. 'coin backup verify' checks its files, 'coin backup"
        " drill' repeats the drill, 'coin backup run' makes a new backup.",
        "복원 검증이 성공할 때까지 최신 백업을 신뢰하지 마십시오. 'coin backup verify'로 백업 파일을 검사하고 'coin"
        " backup drill'로 복원 검증을 다시 실행하십시오. 새 백업은 'coin backup run'으로 만듭니다.",
    ),
    "backup_cleanup": Text(
        "Old backups use space until a run succeeds. Remove the cause, then run 'coin backup cleanup'.",
        "정리가 성공할 때까지 오래된 백업이 공간을 차지합니다. 원인을 해결한 뒤 'coin backup cleanup'을 실행하십시오.",
    ),
}
"""What to do if a scheduled run of a job failed."""
OTHER_ADVICE = Text(
    "Remove the cause, then re-execute the run in the Dagster UI.",
    "원인을 해결한 뒤 Dagster UI에서 해당 실행을 다시 실행하십시오.",
)
REQUEST_ADVICE = Text(
    "The client has received this error and can correct the request. Nothing is wrong with the platform.",
    "요청한 클라이언트에 같은 오류가 전달되었으며, 요청을 수정하면 됩니다. 플랫폼에는 문제가 없습니다.",
)
PLATFORM_ADVICE = Text(
    "The request is not the cause. 'GET /health' shows what is unavailable, and DATA_ROOT/logs why; then the client"
    " can submit again.",
    "요청 자체의 문제가 아닙니다. 'GET /health'에서 이상이 있는 구성 요소를, DATA_ROOT/logs에서 원인을 확인하십시오."
    " 해결되면 클라이언트가 다시 요청할 수 있습니다.",
)

# Checks.
CHECK_FAILED = Text("Check failed: {check} of {asset}", "점검 실패: {asset}의 {check}")
DRIFT_FAILED = Text("Forward test drifts: {check}", "포워드 테스트 드리프트: {check}")
CHECK_RECOVERED = Text("Check passes again: {check} of {asset}", "점검 통과: {asset}의 {check}")
CHECK_PASSES = Text("The latest evaluation passed.", "최근 점검에서 통과했습니다.")
NO_DESCRIPTION = Text("the check did not describe what it found", "점검 결과에 설명이 없습니다")
CHECK_ADVICE = {
    "sound": Text(
        "Backtests on these candles may be wrong. 'coin candles check' lists every finding; fetch or import the"
        " candles again.",
        "이 캔들로 실행한 백테스트는 결과가 잘못될 수 있습니다. 'coin candles check'로 문제를 모두 확인하고 캔들을"
        " 다시 수집하거나 가져오십시오.",
    ),
    "complete": Text(
        "'coin candles get' collects what is missing.",
        "'coin candles get'로 누락된 캔들을 수집하십시오.",
    ),
    "drift_explained": Text(
        "A decision or a part of the difference has no known cause: do not trust the test's figures before it is"
        " found. 'coin forward drift ID' lists the differences.",
        "원인이 확인되지 않은 판정 또는 손익 차이가 있습니다. 원인을 찾을 때까지 이 테스트의 수치를 신뢰하지"
        " 마십시오. 'coin forward drift ID'로 차이를 확인할 수 있습니다.",
    ),
    "edge_holds": Text(
        "The strategy earns much less per trade than before the test started. Decide whether to stop it: 'coin"
        " forward stop ID'.",
        "거래당 수익률이 테스트 시작 전보다 크게 낮아졌습니다. 전략 중단 여부를 검토하십시오. 중단 명령은 'coin"
        " forward stop ID'입니다.",
    ),
}
OTHER_CHECK_ADVICE = Text(
    "The page of the asset shows the results of the check.",
    "에셋 페이지에서 점검 결과를 확인하십시오.",
)

# Conditions.
DISK_LOW = Text("Disk is almost full: {path}", "디스크 여유 공간 부족: {path}")
DISK_REASON = Text(
    "{free} of {total} are free, less than COIN_ALERT_FREE_MIB={limit}",
    "여유 공간이 전체 {total} 중 {free}로, 기준값 COIN_ALERT_FREE_MIB={limit}보다 적습니다",
)
DISK_ADVICE = Text(
    "Free space before runs fail: 'coin retention' removes expired tasks, 'coin backup cleanup' old backups.",
    "실행이 실패하기 전에 공간을 확보하십시오. 'coin retention'은 만료된 작업을, 'coin backup cleanup'은 오래된"
    " 백업을 삭제합니다.",
)
DISK_RECOVERED = Text("Disk has space again: {path}", "디스크 여유 공간 확보: {path}")
DISK_IS_FREE = Text("{free} of {total} are free.", "전체 {total} 중 {free}를 사용할 수 있습니다.")
BACKUP_OVERDUE = Text("Backup is overdue", "백업 지연")
BACKUP_OVERDUE_REASON = Text(
    "no complete backup for {hours} hours; the last one: {last}",
    "{hours}시간 동안 완료된 백업이 없습니다(마지막 백업: {last})",
)
BACKUP_OVERDUE_ADVICE = Text(
    "Run 'coin backup run'. If no run of the job 'backup' was started at 00:00, check that the daemon is running and"
    " that its schedule is on.",
    "'coin backup run'을 실행하십시오. 00:00에 'backup' 작업이 시작되지 않았다면 데몬과 해당 스케줄이 켜져 있는지"
    " 확인하십시오.",
)
BACKUP_RECOVERED = Text("Backups are up to date again", "백업 정상화")
BACKUP_IS_CURRENT = Text("The newest complete backup was made at {last}.", "가장 최근 백업은 {last}에 완료되었습니다.")
PROOF_OVERDUE = Text("Restore drill is overdue", "백업 복원 검증 지연")
PROOF_OVERDUE_REASON = Text(
    "no restore drill has succeeded for {hours} hours; the last one: {last}",
    "{hours}시간 동안 성공한 복원 검증이 없습니다(마지막 검증: {last})",
)
PROOF_OVERDUE_ADVICE = Text(
    "Run 'coin backup drill'. If it finds no backup, make one with 'coin backup run'.",
    "'coin backup drill'을 실행하십시오. 백업이 없다면 먼저 'coin backup run'으로 백업을 만드십시오.",
)
PROOF_RECOVERED = Text("Restore drills succeed again", "백업 복원 검증 정상화")
PROOF_IS_CURRENT = Text(
    "A backup was restored and compared at {last}.",
    "{last}에 백업을 복원하여 원본과 비교했습니다.",
)
BACKUPS_UNREADABLE = Text("Backups cannot be read", "백업 저장소 접근 불가")
BACKUPS_UNREADABLE_ADVICE = Text(
    "Make the location of COIN_BACKUP_LOCATION available: without it there are neither backups nor restores.",
    "COIN_BACKUP_LOCATION에 설정된 저장소를 다시 사용할 수 있게 하십시오. 저장소가 없으면 백업도 복원도 할 수"
    " 없습니다.",
)
BACKUPS_UNWATCHED = Text("Backups are no longer watched", "백업 감시 중지")
SCHEDULE_IS_OFF = Text("COIN_BACKUP_SCHEDULE is off.", "COIN_BACKUP_SCHEDULE 설정이 off입니다.")
BACKUPS_READABLE = Text("Backups can be read again", "백업 저장소 접근 정상화")
LOCATION_RESPONDS = Text("The location of the backups responds.", "백업 저장소가 정상적으로 응답합니다.")

# A test of the channels.
TEST_TITLE = Text("Test of the alerts", "알림 테스트")
TEST_MESSAGE = Text(
    "This message was sent by 'coin alerts test'. Nothing has happened.",
    "'coin alerts test' 명령으로 보낸 테스트 메시지입니다. 실제 장애가 아닙니다.",
)
