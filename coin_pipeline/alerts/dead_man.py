"""What is reported when a process that would report everything else is silent: the daemon, or the database."""

from collections.abc import Sequence

from coin_pipeline.alerts.model import Alert, Recovery
from coin_pipeline.alerts.texts import Writer
from coin_pipeline.languages import Text
from coin_pipeline.notifications.message import Notification

DAEMON = "daemon"
"""Key of the incident of a silent daemon."""
_DAEMONS_PAGE = "deployment/daemons"
SILENT_TITLE = Text("The daemon does not report", "데몬이 응답하지 않습니다")
SILENT = Text(
    "No heartbeat for {seconds:.0f} s. Until it is back, no schedule and no sensor starts a run, and queued runs"
    " wait.\nWhat to do: check that 'coin up' is running, and read DATA_ROOT/logs/daemon.log.",
    "{seconds:.0f}초 동안 하트비트가 없습니다. 데몬이 복구될 때까지 스케줄과 센서가 동작하지 않으며, 대기열의 실행도"
    " 시작되지 않습니다.\n조치: 'coin up'이 실행 중인지, DATA_ROOT/logs/daemon.log에 오류가 있는지 확인하십시오.",
)
DAEMONS = Text("Daemons", "데몬")
BACK_TITLE = Text("The daemon reports again", "데몬이 다시 응답합니다")
AWAY_TITLE = Text("PostgreSQL is not available", "PostgreSQL에 연결할 수 없습니다")
AWAY = Text(
    "The API has not reached the database for {seconds:.0f} s. Nothing can be submitted, and runs wait for it.\n"
    "What to do: check that its server runs and that its disk has space; 'coin up' restarts the embedded server.",
    "API가 {seconds:.0f}초 동안 데이터베이스에 연결하지 못했습니다. 복구될 때까지 새 작업을 접수할 수 없고, 진행 중인"
    " 실행은 대기합니다.\n조치: 서버가 실행 중인지, 디스크 여유 공간이 있는지 확인하십시오. 내장 서버는 'coin up'이"
    " 자동으로 다시 시작합니다.",
)
CAUSE = Text("Reason", "원인")
AVAILABLE_TITLE = Text("PostgreSQL is available again", "PostgreSQL에 다시 연결되었습니다")


def daemon_silent(daemons: Sequence[str], occurrence: str, silence_s: float, writer: Writer) -> Alert:
    """Return the alert that daemons have no recent heartbeat.

    Args:
        daemons: Dagster's names of them.
        occurrence: Identity of this silence.
        silence_s: How long they have been silent, s.
        writer: Writes the text.
    """
    title, text = writer.write(SILENT_TITLE), writer.write(SILENT, seconds=silence_s)
    details = {writer.write(DAEMONS): ", ".join(daemons)}
    return Alert(DAEMON, occurrence, Notification(title, text, "critical", details, writer.link(_DAEMONS_PAGE)))


def daemon_back(writer: Writer) -> Recovery:
    """Return the recovery of a silent daemon."""
    return Recovery(DAEMON, Notification(writer.write(BACK_TITLE), "", "info", link=writer.link(_DAEMONS_PAGE)))


def database_away(reason: str, away_s: float, writer: Writer) -> Notification:
    """Return what is sent while the database is away.

    Args:
        reason: The error, without secrets.
        away_s: How long it has been away, s.
        writer: Writes the text.
    """
    title, text = writer.write(AWAY_TITLE), writer.write(AWAY, seconds=away_s)
    return Notification(title, text, "critical", {writer.write(CAUSE): reason})


def database_back(writer: Writer) -> Notification:
    """Return what is sent once the database is back."""
    return Notification(writer.write(AVAILABLE_TITLE), "", "info")
