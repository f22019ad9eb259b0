"""Texts of the pages shown in place of a result."""

from collections.abc import Mapping

from coin_pipeline.languages import Text

INVALID_ID = Text("This is not the id of a result", "결과 ID 형식이 아닙니다")
INVALID_ID_ADVICE = Text(
    "An id consists of letters, digits, hyphens and underscores. The link may have been cut off; open the result from"
    " the history.",
    "ID에는 영문자, 숫자, 하이픈, 밑줄만 사용됩니다. 링크가 중간에 잘렸을 수 있으니 백테스트 이력에서 결과를 여십시오.",
)
UNKNOWN_ID = Text("This is not the id of a run", "실행 ID가 아닙니다")
UNKNOWN_ID_ADVICE = Text(
    "Ids of runs are UUIDs of 36 characters, and no result of the legacy platform has this id. The link may have been"
    " cut off.",
    "실행 ID는 36자의 UUID입니다. 이전 플랫폼의 결과 중에도 이 ID는 없습니다. 링크가 중간에 잘렸을 수 있습니다.",
)
MISSING = Text("There is no result with this id", "이 ID의 결과가 없습니다")
MISSING_ADVICE = Text(
    "It may have expired: results of the API are removed after their retention period unless they are pinned.",
    "보존 기간이 지나 삭제되었을 수 있습니다. API로 실행한 결과는 고정하지 않으면 보존 기간이 지난 뒤 삭제됩니다.",
)
NO_REPORT = Text("This result has no report", "이 결과에는 보고서가 없습니다")
NO_REPORT_ADVICE = Text(
    "An earlier release stored it, without the tables from which a report is built. Its figures can still be read.",
    "이전 버전에서 저장한 결과라 보고서를 만드는 데 필요한 표가 없습니다. 수치는 계속 확인할 수 있습니다.",
)
NO_SYMBOL_REPORT = Text("This result has no report of this symbol", "이 결과에는 해당 종목의 보고서가 없습니다")
NO_SYMBOL_REPORT_ADVICE = Text(
    "Open the report without a symbol in the address; it names those of the result.",
    "주소에서 종목을 빼고 보고서를 여십시오. 결과의 종목이 모두 표시됩니다.",
)
WITHOUT_RESULT: Mapping[str, Mapping[str, Text]] = {
    "backtest": {
        "queued": Text("The backtest is queued", "백테스트가 대기 중입니다"),
        "running": Text("The backtest is still running", "백테스트가 아직 실행 중입니다"),
        "failed": Text("The backtest failed", "백테스트가 실패했습니다"),
        "cancelled": Text("The backtest was cancelled", "백테스트가 취소되었습니다"),
    },
    "sweep": {
        "queued": Text("The sweep is queued", "스윕이 대기 중입니다"),
        "running": Text("The sweep is still running", "스윕이 아직 실행 중입니다"),
        "failed": Text("The sweep failed", "스윕이 실패했습니다"),
        "cancelled": Text("The sweep was cancelled", "스윕이 취소되었습니다"),
    },
}
"""Headings by job and status."""
UNFINISHED_ADVICE = Text(
    "The result appears at this address once the run has completed.",
    "실행이 끝나면 이 주소에 결과가 표시됩니다.",
)
PROGRESS = Text("{percent} done", "{percent} 진행")
AGAIN = Text("Change and run again", "수정하여 다시 실행")
FAILED_ADVICE = Text(
    "It has no result. Correct what the message names and submit it again.",
    "결과가 없습니다. 아래 메시지의 원인을 바로잡은 뒤 다시 실행하십시오.",
)
CANCELLED_ADVICE = Text(
    "It has no result. Submit it again if you need one.", "결과가 없습니다. 필요하면 다시 실행하십시오."
)
CORRUPT = Text("The stored result is damaged", "저장된 결과가 손상되었습니다")
CORRUPT_ADVICE = Text(
    "Its content does not match its digest, or is incomplete, so it is not shown. Restore it from a backup, or run it"
    " again.",
    "내용이 저장 당시의 다이제스트와 일치하지 않거나 빠진 항목이 있어 표시하지 않습니다. 백업에서 복원하거나 다시"
    " 실행하십시오.",
)
UNAVAILABLE = Text("The result cannot be read right now", "지금은 결과를 읽을 수 없습니다")
UNAVAILABLE_ADVICE = Text(
    "A service that the platform needs does not respond.",
    "플랫폼에 필요한 서비스가 응답하지 않습니다.",
)
UNREADABLE = Text("The result cannot be shown", "결과를 표시할 수 없습니다")
UNREADABLE_ADVICE = Text("The message states the reason.", "원인은 아래 메시지를 확인하십시오.")
RUN_IN_DAGSTER = Text("Its run in Dagster", "Dagster에서 실행 보기")
